package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ferrule-go/ferrule/stress"
)

const stressHelp = `Torture the library's locks, rings, RCU and buffers, and the whole way of a packet
through two cards made of memory, until the duration has passed or Ctrl-C.

Trials are named after the package and type they are about, and chosen by either:
"mpmc" is all of that package. Each is repeated in rounds, in turn with the others,
while GOMAXPROCS and processors change, the garbage collector runs, and goroutines
stall, as the seed has it. Give the seed of a run to have the same rounds again; the
schedule is another each time.

A violation is a promise that was seen broken, and makes the exit status 1. Fairness
is how evenly goroutines that did the same came to do it: 1 is all alike, and 1/n that
one of n did everything (Jain's index, the mean over the rounds); wait and grace period
are the longest that were seen. None of these is a violation.`

// stressOptions are the flags of stress.
type stressOptions struct {
	duration time.Duration
	only     []string
	seed     uint64
	json     bool
}

func newStress() *cobra.Command {
	var o stressOptions
	cmd := &cobra.Command{
		Use:   "stress",
		Short: "Torture the library and look for broken promises",
		Long:  stressHelp,
		Example: `  ferrule stress --duration 1m
  ferrule stress --only mpmc,rcu.Map --duration 10m
  ferrule stress --only packet --seed 42 --duration 30s --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.stress(cmd.Context(), os.Stdout, os.Stderr) },
	}
	f := cmd.Flags()
	f.DurationVar(&o.duration, "duration", 0, "how long to torture; 0 means until Ctrl-C")
	f.StringSliceVar(&o.only, "only", nil, "packages or trials, separated by commas; nothing means all")
	f.Uint64Var(&o.seed, "seed", 0, "what the rounds are drawn from; 0 means to draw a seed, too")
	f.BoolVar(&o.json, "json", false, "print nothing but one JSON object at the end")
	return cmd
}

func (o *stressOptions) stress(ctx context.Context, stdout, stderr *os.File) error {
	if o.duration < 0 {
		return fmt.Errorf("stress: duration %v is negative", o.duration)
	}
	for o.seed == 0 {
		o.seed = rand.Uint64()
	}
	live := newLiveLine(stdout)
	if o.json {
		live = newLiveLine(stderr)
		if !live.terminal {
			live.w = io.Discard
		}
	}
	last := time.Now()
	r, err := stress.Run(ctx, stress.Options{
		Seed:     o.seed,
		Only:     o.only,
		Duration: o.duration,
		Rounds:   map[bool]int{true: math.MaxInt}[o.duration == 0],
		Progress: func(r stress.Report, trial string) {
			if live.terminal || time.Since(last) >= time.Second {
				live.show(stressLine(r, trial))
				last = time.Now()
			}
		},
	})
	live.end()
	if err != nil {
		return err
	}
	if o.json {
		err = writeJSON(stdout, r)
	} else {
		err = tell(stdout, func(w io.Writer) { writeStress(w, r) })
	}
	if err == nil && r.Violations > 0 {
		err = fmt.Errorf("stress: %d violations with seed %d", r.Violations, r.Seed)
	}
	return err
}

func stressLine(r stress.Report, trial string) string {
	return fmt.Sprintf("%4.0f s  %s operations  %d violations  %s", r.DurationSeconds, grouped(r.Operations), r.Violations, trial)
}

// writeStress writes a table of the trials, and what was violated.
func writeStress(w io.Writer, r stress.Report) {
	rows := [][]string{{"trial", "rounds", "operations", "violations", "fairness", "worst wait", "worst grace period"}}
	for _, t := range r.Trials {
		rows = append(rows, []string{
			t.Name, fmt.Sprint(t.Rounds), grouped(t.Operations), grouped(t.Violations),
			unlessZero(t.Fairness, "%.2f"), unlessZero(t.WorstWait.Round(time.Microsecond), "%v"),
			unlessZero(t.WorstGracePeriod.Round(time.Microsecond), "%v"),
		})
	}
	writeTable(w, rows, true)
	fmt.Fprintf(w, "%.1f s  seed %d  %s operations  %d violations\n", r.DurationSeconds, r.Seed, grouped(r.Operations), r.Violations)
	for _, t := range r.Trials {
		for _, m := range t.Messages {
			fmt.Fprintf(w, "\n%s: %s\n", t.Name, m)
		}
	}
}

// unlessZero formats v, and nothing for one that there is none of.
func unlessZero[T comparable](v T, format string) string {
	if v == *new(T) {
		return "-"
	}
	return fmt.Sprintf(format, v)
}

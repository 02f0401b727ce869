// Package stress is the torture of Ferrule: for every primitive, and for the whole
// way of a packet, a trial that mixes all operations at random while the processors
// are shuffled, the garbage collector runs, and whoever is at work is stalled.
//
// # Rounds
//
// A trial is repeated in rounds. Each draws from the seed how many goroutines take
// part, up to 64 a processor, how large things are, which operations are chosen, and
// what the weather is: what is done to the scheduler meanwhile. A seed repeats all
// of that, and not the schedule.
//
// # Verdict
//
// A violation is a promise of the documentation that was seen broken: two writers
// inside a lock, a value that came out twice, memory reused under a reader, a buffer
// that nobody gave back; or a panic; or everybody standing still for Options.Patience.
// How fast anything was decides nothing. Goroutines of a trial are ordered by the
// primitive under trial and by nothing else, so with -race the detector judges it too.
// (The race detector keeps some 300 bytes of each goroutine that has ended, so the
// memory of a long run grows.)
//
// That each trial can fail is shown by the kill table, docs/kill-table.md, which
// stress/kill makes: it breaks the primitives on purpose and has the trials find it.
package stress

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// A Trial is one primitive's torture.
type Trial struct {
	Name  string // package and type, as mpmc.Ring; the whole way of a packet is packet
	About string // what is promised, and looked at

	round func(*round)
}

// trials are in the order of the storeys; files of one system add theirs.
var trials = slices.Concat(lockTrials, rcuTrials, ringTrials, systemTrials, bufferTrials, packetTrials)

// Trials returns all trials there are on this system.
func Trials() []Trial { return slices.Clone(trials) }

// Options say what Run does. The zero value does one round of each trial.
type Options struct {
	Seed uint64

	// Only names the trials to do: a whole name, or a package for all of its. Nil
	// means every trial.
	Only []string

	// Rounds are begun of one trial after the other until each has had so many, 1 if
	// it is 0. If Duration is not 0 the run ends with it, and 0 rounds are any number.
	Rounds   int
	Duration time.Duration

	// Work is how many operations end a round; 0 means 20000. A round ends after
	// a fifth of a second, too, or sooner if the duration is short: under a fair lock
	// a crowd is slow.
	Work uint64

	// Patience is how long everybody may stand still before that is a violation; 0
	// means half a minute.
	Patience time.Duration

	// FailFast ends the run with the first violation.
	FailFast bool

	// Progress, if not nil, is called after each round with what the run has come
	// to so far, and the name of the trial that was on.
	Progress func(r Report, trial string)
}

// A Report is what a run has come to. Its keys do not change their meaning; new ones
// may be added.
type Report struct {
	Seed            uint64   `json:"seed"`
	DurationSeconds float64  `json:"duration_seconds"`
	Operations      uint64   `json:"operations"`
	Violations      uint64   `json:"violations"`
	Trials          []Result `json:"trials"`
}

// A Result is the part of one trial in a Report.
type Result struct {
	Name       string `json:"name"`
	Rounds     int    `json:"rounds"`
	Operations uint64 `json:"operations"`
	Violations uint64 `json:"violations"`

	// Fairness is how evenly the operations were shared by those who did the same
	// in the same round, by Jain's index: 1 if all came to as many, 1/n if one of n
	// did them all. It is the mean over the rounds, 0 if there never were two.
	Fairness float64 `json:"fairness"`

	// WorstWait is the longest that an operation that may wait took, of one in
	// eight that are timed, and WorstGracePeriod the longest wait for one of those.
	WorstWait        time.Duration `json:"worst_wait_ns"`
	WorstGracePeriod time.Duration `json:"worst_grace_period_ns"`

	// Messages are the first few violations in words.
	Messages []string `json:"messages,omitempty"`

	shared int // how many indices Fairness is the mean of
}

const fewMessages = 8

// choose returns the trials that Options.Only means, or an error that names what
// means none.
func choose(only []string) ([]Trial, error) {
	if only == nil {
		return Trials(), nil
	}
	var chosen []Trial
	for _, name := range only {
		if !slices.ContainsFunc(trials, func(t Trial) bool { return t.is(name) }) {
			return nil, fmt.Errorf("stress: no trial %q (there are %s)", name, strings.Join(names(), ", "))
		}
	}
	for _, t := range trials {
		if slices.ContainsFunc(only, t.is) {
			chosen = append(chosen, t)
		}
	}
	return chosen, nil
}

func (t Trial) is(name string) bool { return t.Name == name || strings.HasPrefix(t.Name, name+".") }

func names() (all []string) {
	for _, t := range trials {
		all = append(all, t.Name)
	}
	return all
}

// Run does what the options say, until the context is done, and reports. A trial whose
// goroutines hang is not begun again. One Run at a time: it sets GOMAXPROCS, and puts
// it back.
func Run(ctx context.Context, o Options) (Report, error) {
	chosen, err := choose(o.Only)
	if err != nil {
		return Report{}, err
	}
	if o.Work == 0 {
		o.Work = 20_000
	}
	if o.Patience == 0 {
		o.Patience = 30 * time.Second
	}
	long := 200 * time.Millisecond
	if o.Duration == 0 {
		o.Rounds = max(o.Rounds, 1)
	} else {
		long = min(long, o.Duration/time.Duration(2*len(chosen))) // so that each gets its turn
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.Duration)
		defer stop()
	}
	began := time.Now()
	report := Report{Seed: o.Seed, Trials: make([]Result, len(chosen))}
	hangs := make([]bool, len(chosen))
	for i, t := range chosen {
		report.Trials[i].Name = t.Name
	}
	for n := 0; o.Rounds == 0 || n < o.Rounds; n++ {
		idle := true
		for i, t := range chosen {
			if ctx.Err() != nil || o.FailFast && report.Violations > 0 {
				return report, nil
			}
			if hangs[i] {
				continue
			}
			idle = false
			r := t.begin(ctx, o, n)
			r.long = long
			hangs[i] = !r.do(t.round)
			r.addTo(&report.Trials[i])
			report.sum(time.Since(began))
			if o.Progress != nil {
				o.Progress(report, t.Name)
			}
		}
		if idle {
			break
		}
	}
	return report, nil
}

// begin draws round n of a trial from the seed.
func (t Trial) begin(ctx context.Context, o Options, n int) *round {
	h := fnv.New64a()
	fmt.Fprint(h, t.Name, n)
	return &round{
		ctx:      ctx,
		rand:     rand.New(rand.NewPCG(o.Seed, h.Sum64())),
		work:     o.Work,
		patience: o.Patience,
	}
}

func (r *Report) sum(elapsed time.Duration) {
	r.DurationSeconds = elapsed.Seconds()
	r.Operations, r.Violations = 0, 0
	for _, t := range r.Trials {
		r.Operations += t.Operations
		r.Violations += t.Violations
	}
}

// Command scenarios is built by package explore, with a copy of the library that runs
// under package sched. It explores small scenarios, one line of output for each and
// memory.
package main

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

var (
	run    = flag.String("run", ".", "scenarios `matching` this")
	memory = flag.String("memory", "SC,TSO", "memories")
	limit  = flag.Int("limit", 1e6, "`schedules` at most, of each scenario in each memory")
	bound  = flag.Int("bound", -1, "`preemptions` at most, if the scenario allows more")
	sample = flag.Int("sample", 0, "run this many `schedules` at random instead of all")
	depth  = flag.Int("depth", 3, "changes of precedence in each, plus one")
	seed   = flag.Uint64("seed", 1, "of the random schedules")
	replay = flag.String("replay", "", "run one `schedule` of one scenario in one memory, and print it")
)

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(1) // one thread runs at a time
	pattern := regexp.MustCompile(*run)
	failed := false
	for _, s := range scenarios {
		if !pattern.MatchString(s.Name) {
			continue
		}
		if *bound >= 0 {
			s.Bound = [2]int{min(s.Bound[0], *bound), min(s.Bound[1], *bound)}
		}
		for _, m := range []sched.Memory{sched.SC, sched.TSO} {
			if slices.Contains(strings.Split(*memory, ","), m.String()) {
				failed = explore(s, m) || failed
			}
		}
	}
	if failed {
		os.Exit(1)
	}
}

// explore prints what it found and reports whether that is a violation.
func explore(s sched.Scenario, m sched.Memory) bool {
	if *replay != "" {
		trace, what := sched.Replay(s, m, *replay)
		fmt.Printf("%s | %s | %s\n%s\n", s.Name, m, cmp.Or(what, "no violation"), strings.Join(trace, "\n"))
		return what != ""
	}
	begin := time.Now()
	var r sched.Result
	if *sample > 0 {
		r = sched.Sample(s, m, *sample, *depth, *seed)
	} else {
		r = sched.Search(s, m, *limit)
	}
	fmt.Fprintf(os.Stderr, "%s %s took %v\n", s.Name, m, time.Since(begin).Round(time.Millisecond))
	switch {
	case r.Violation != nil:
		fmt.Printf("%s | %s | violation after %d executions: %v\n", s.Name, m, r.Runs, r.Violation)
		fmt.Printf("again: -run '^%s$' -memory %s -replay %s\n", s.Name, m, r.Violation.Schedule)
	case *sample > 0:
		fmt.Printf("%s | %s | %d at random\n", s.Name, m, r.Runs)
	default:
		fmt.Printf("%s | %s | %s | %d | %d | %s | %d\n", s.Name, m, extent(r.Bound), r.Schedules, r.States, number(r.Interleavings), r.Steps)
	}
	return r.Violation != nil
}

// extent says which schedules have been searched.
func extent(bound int) string {
	switch bound {
	case -1:
		return "some"
	case sched.Free:
		return "all"
	}
	return fmt.Sprintf("to %d preemptions", bound)
}

func number(n float64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%.2g", n)
}

// Command subjects is built by folder transfers, with a copy of the library that runs
// on the machine of package sim. It has locks, readers and rings used by 2 to 128
// processors, and writes for each what it cost, in the form of benchmarks.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/ferrule-go/ferrule/stress/transfers/sim"
)

var (
	only  = flag.String("only", ".", "lines `matching` this")
	seeds = flag.Uint64("seeds", 5, "how often each is run, from another seed each time")
	line  = flag.Int("line", 64, "size of a cache line, in `bytes`")
	most  = flag.Int("processors", sim.Most, "the largest `number` of processors")
)

// A subject is something used in one way.
type subject struct {
	group, impl string
	cap         int                 // of a ring for two
	bound       func(n int) float64 // what theory says of n processors; nil if nothing
	setup       func(n int) steps
}

// Steps returns what processor number id does over and over. That returns how many
// operations it has done.
type steps func(id int) (step func() int)

func main() {
	flag.Parse()
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1) // addresses are used once
	pattern := regexp.MustCompile(*only)
	if *line < 8 || *line&(*line-1) != 0 {
		fmt.Fprintf(os.Stderr, "subjects: a line of %d bytes\n", *line)
		os.Exit(2)
	}
	for _, s := range subjects() {
		for n := 2; n <= *most; n *= 2 {
			if name := s.name(n); pattern.MatchString(name) {
				for seed := range *seeds {
					fmt.Println(name + measure(s, n, seed+1))
				}
			}
			if s.group == "SPSC" {
				break
			}
		}
	}
}

func (s subject) name(n int) string {
	at := fmt.Sprintf("processors=%d", n)
	if s.group == "SPSC" {
		at = fmt.Sprintf("cap=%d", s.cap)
	}
	return fmt.Sprintf("Benchmark%s/%s/impl=%s-%d", s.group, at, s.impl, n)
}

// measure runs a subject until it is warm, counts for as long as it takes to do a
// number of operations more, and has everybody come to an end.
func measure(s subject, n int, seed uint64) (figures string) {
	m := sim.New(sim.Model{LineBytes: uintptr(*line), Seed: seed})
	var (
		steps    = s.setup(n)
		warm     = 500 + 25*n + 2*s.cap
		ops      = 2000 + 50*n + 4*s.cap
		done     int
		counting bool
		over     bool
		counts   sim.Counts
	)
	programs := make([]func(), n)
	if s.group == "Update" {
		ops = 2000 * n // for there to be many updates
	}
	for id := range programs {
		step := steps(id)
		programs[id] = func() {
			for !over {
				n := step()
				if over {
					break
				}
				done += n
				switch {
				case !counting && done >= warm:
					counting, done = true, 0
					m.Reset()
				case counting && done >= ops:
					over, counts = true, m.Counts()
				}
			}
		}
	}
	m.Run(programs...)
	var text strings.Builder
	fmt.Fprintf(&text, "\t%d", done)
	per := func(count int, unit string) {
		fmt.Fprintf(&text, "\t%.4f %s/op", float64(count)/float64(done), unit)
	}
	per(counts.Remote(), "refs")
	per(counts.ReadMisses, "reads")
	per(counts.WriteMisses, "writes")
	per(counts.Upgrades, "upgrades")
	per(counts.Data, "data")
	if s.bound != nil {
		fmt.Fprintf(&text, "\t%.4f bound/op", s.bound(n))
	}
	return text.String()
}

func subjects() (all []subject) {
	all = append(all, locks()...)
	all = append(all, readers()...)
	return append(all, rings()...)
}

// constant is a bound that does not grow.
func constant(v float64) func(int) float64 { return func(int) float64 { return v } }

// alone returns a new T on lines of its own, which begins one: Go puts what is as large
// as that on pages of its own.
func alone[T any]() *T {
	return &new(struct {
		v T
		_ [64 << 10]byte
	}).v
}

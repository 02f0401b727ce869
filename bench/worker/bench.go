package main

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/spinlock"
)

// A pad keeps apart what different goroutines write.
type pad [128]byte

// pads is a pad's worth of words.
const pads = 16

// param returns the number that the case gives for a key.
func param(key string) int {
	for _, pair := range strings.Split(caseName, "/") {
		if value, ok := strings.CutPrefix(pair, key+"="); ok {
			n, err := strconv.Atoi(value)
			if err != nil {
				fail(err.Error())
			}
			return n
		}
	}
	fail("the case has no " + key)
	return 0
}

var began = time.Now()

// now returns ns since the program began.
func now() float64 { return float64(time.Since(began)) }

// metrics are the further figures of the line of the case.
var metrics string

func metric(value float64, unit string) { metrics += fmt.Sprintf("\t%.5g %s", value, unit) }

func report(n int, nsPerOp float64) {
	fmt.Printf("Benchmark%s/impl=%s-%d\t%d\t%.5g ns/op%s\n", caseName, impl, runtime.NumCPU(), n, nsPerOp, metrics)
}

// measure runs ever more operations until they fill the time, and reports the
// last run.
func measure(work func(n int) time.Duration, most float64) {
	for n := 10000; ; {
		metrics = ""
		runtime.GC()
		took := work(n)
		if took >= budget || float64(n) >= most {
			report(n, float64(took)/float64(n))
			return
		}
		more := 1.2 * float64(budget) / float64(max(took, 1)) * float64(n)
		n = int(min(more, 100*float64(n), most-1)) + 1
	}
}

// alone says whether each of so many has a processor of its own.
func alone(goroutines int) bool { return goroutines <= min(len(processors), runtime.GOMAXPROCS(0)) }

// run runs work in so many goroutines that begin together, each on a processor
// of its own if there are enough, and returns how long they took.
func run(goroutines int, work func(i int)) time.Duration {
	return crowd(goroutines, alone(goroutines), 0, nil, work)
}

// runLoose leaves it to the scheduler where they run.
func runLoose(goroutines int, work func(i int)) time.Duration {
	return crowd(goroutines, false, 0, nil, work)
}

// runFor sets stop after some time, which is what it returns.
func runFor(goroutines int, length time.Duration, stop *atomic.Bool, work func(i int)) time.Duration {
	return crowd(goroutines, alone(goroutines), length, stop, work)
}

func crowd(goroutines int, pinned bool, length time.Duration, stop *atomic.Bool, work func(i int)) time.Duration {
	var all sync.WaitGroup
	var ready atomic.Int64
	var start atomic.Bool
	for i := range goroutines {
		all.Go(func() {
			if pinned {
				pin(i)
			}
			ready.Add(1)
			for !start.Load() {
				if !pinned {
					runtime.Gosched()
				}
			}
			work(i)
		})
	}
	for ready.Load() < int64(goroutines) {
		runtime.Gosched()
	}
	begin := time.Now()
	start.Store(true)
	if stop == nil {
		all.Wait()
		return time.Since(begin)
	}
	time.Sleep(length)
	stop.Store(true)
	took := time.Since(begin)
	all.Wait()
	return took
}

// processors are those that the program may use. They are asked for before any
// thread is pinned.
var processors = func() (all []int) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		fail(err.Error())
	}
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
}()

// pin keeps the goroutine on its thread and the thread on the nth of the
// processors. The thread ends with the goroutine.
func pin(n int) {
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(processors[n])
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		fail(err.Error())
	}
}

// A wait paces a loop that finds a ring full or empty: by ever more pauses for
// who has a processor of its own; for others by a few, and then by yielding.
type wait struct {
	alone   bool
	backoff spinlock.Backoff
}

func newWait(goroutines int) wait { return wait{alone: alone(goroutines)} }

func (w *wait) more() {
	if w.alone {
		w.backoff.Lost()
	} else {
		w.backoff.Wait()
	}
}

func (w *wait) reset() { w.backoff.Reset() }

// share divides n among so many as evenly as goes.
func share(n, among, i int) int { return n*(i+1)/among - n*i/among }

func sum(vs []uint64) (total uint64) {
	for _, v := range vs {
		total += v
	}
	return total
}

// checkSums wants the sums of what came out to be that of what went in.
func checkSums(n, producers int, sums []uint64) {
	want := uint64(0)
	for i := range producers {
		k := uint64(share(n, producers, i))
		want += k * (k + 1) / 2
	}
	if got := sum(sums); got != want {
		fail(fmt.Sprintf("%d words of sum %d came out with sum %d", n, want, got))
	}
}

// percentiles sorts samples and adds the usual points of them as metrics.
func percentiles(ns []float64) {
	slices.Sort(ns)
	n := len(ns)
	metric(ns[n/2], "p50-ns")
	metric(ns[n*9/10], "p90-ns")
	metric(ns[n*99/100], "p99-ns")
	metric(ns[n*999/1000], "p99.9-ns")
	metric(ns[n*9999/10000], "p99.99-ns")
	metric(ns[n-1], "max-ns")
}

// reportSections reports how many sections each of the contenders for a lock had.
func reportSections(took time.Duration, sections []uint64, added uint64) {
	total := sum(sections)
	if added != total {
		fail(fmt.Sprintf("%d sections added up to %d", total, added))
	}
	metric(float64(slices.Max(sections))/float64(max(slices.Min(sections), 1)), "max/min")
	report(int(total), float64(took)/float64(total))
}

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// lineRoundTrip returns how many ns a cache line takes from one processor to
// another and back, or zero if there is only one. A virtual machine's processors
// are moved about by its host: one minute they share a cache, the next they do
// not, and what passes between them takes several times as long. Nothing in the
// machine tells, so it is measured beside every figure.
func lineRoundTrip() float64 {
	const trips = 5000
	if runtime.NumCPU() < 2 {
		return 0
	}
	var word struct {
		_ [128]byte
		n atomic.Uint64
		_ [128]byte
	}
	var both sync.WaitGroup
	var took time.Duration
	for side := range uint64(2) {
		both.Go(func() {
			pin(int(side))
			begin := time.Now()
			for n := side; n < 2*trips; n += 2 {
				for word.n.Load() != n {
				}
				if n == 1 {
					begin = time.Now() // both are there
				}
				word.n.Store(n + 1)
			}
			if side == 1 {
				took = time.Since(begin)
			}
		})
	}
	both.Wait()
	return float64(took.Nanoseconds()) / (trips - 1)
}

// processors are those that the program may use. They are asked for before any
// thread is pinned.
var processors = func() (all []int) {
	var set unix.CPUSet
	if unix.SchedGetaffinity(0, &set) != nil {
		return nil
	}
	for cpu := 0; len(all) < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	return all
}()

// pin keeps the goroutine on a thread of its own, which ends with it, and the
// thread on the nth of the processors, if the kernel lets it.
func pin(n int) {
	runtime.LockOSThread()
	var one unix.CPUSet
	one.Set(processors[n%len(processors)])
	unix.SchedSetaffinity(0, &one)
}

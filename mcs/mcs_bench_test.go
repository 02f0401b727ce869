package mcs_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ferrule-go/ferrule/internal/locktest"
)

func newSync() func() locktest.Handle {
	m := new(sync.Mutex)
	return func() locktest.Handle { return m }
}

func BenchmarkLocks(b *testing.B) {
	locktest.Compare(b,
		locktest.Impl{Name: "mcs.Lock", New: newLock},
		locktest.Impl{Name: "mcs.Mutex", New: newMutex},
		locktest.Impl{Name: "sync.Mutex", New: newSync},
	)
}

// BenchmarkFairness has 64 goroutines go in and out for one second, and reports
// how often the busiest was inside for one time of the least busy.
func BenchmarkFairness(b *testing.B) {
	for _, impl := range []locktest.Impl{{Name: "mcs.Lock", New: newLock}, {Name: "mcs.Mutex", New: newMutex}, {Name: "sync.Mutex", New: newSync}} {
		b.Run("impl="+impl.Name, func(b *testing.B) {
			for range b.N {
				const goroutines = 64
				var (
					newHandle = impl.New()
					stop      atomic.Bool
					all       sync.WaitGroup
					entries   [goroutines]int
				)
				for g := range goroutines {
					all.Go(func() {
						h, n := newHandle(), 0
						for ; !stop.Load(); n++ {
							h.Lock()
							h.Unlock()
						}
						entries[g] = n
					})
				}
				time.Sleep(time.Second)
				stop.Store(true)
				all.Wait()
				total := 0
				for _, n := range entries {
					total += n
				}
				b.ReportMetric(float64(slices.Max(entries[:]))/float64(max(1, slices.Min(entries[:]))), "max/min")
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(total), "ns/section")
				b.ReportMetric(0, "ns/op")
			}
		})
	}
}

package rcu_test

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ferrule-go/ferrule/rcu"
)

// BenchmarkSection enters a section, follows a pointer, adds what is there and
// leaves. Several goroutines share the b.N sections. The sum is checked.
func BenchmarkSection(b *testing.B) {
	var (
		d      rcu.Domain
		rw     sync.RWMutex
		newest rcu.Pointer[int]
	)
	one := 1
	newest.Store(&one)
	for _, impl := range []struct {
		name string
		run  func(sections int) (sum int)
	}{
		{"rcu.Reader", func(sections int) (sum int) {
			r := d.Register()
			defer r.Close()
			for range sections {
				r.Lock()
				sum += *newest.Load()
				r.Unlock()
			}
			return sum
		}},
		{"rcu.Reader.Quiesce", func(sections int) (sum int) {
			r := d.Register()
			defer r.Close()
			r.Online()
			for range sections {
				sum += *newest.Load()
				r.Quiesce()
			}
			r.Offline()
			return sum
		}},
		{"rcu.Domain.Read", func(sections int) (sum int) {
			for range sections {
				d.Read(func() { sum += *newest.Load() })
			}
			return sum
		}},
		{"sync.RWMutex", func(sections int) (sum int) {
			for range sections {
				rw.RLock()
				sum += *newest.Load()
				rw.RUnlock()
			}
			return sum
		}},
	} {
		for _, goroutines := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("impl=%s/goroutines=%d", impl.name, goroutines), func(b *testing.B) {
				sums := make(chan int)
				for g := range goroutines {
					go func() { sums <- impl.run(b.N*(g+1)/goroutines - b.N*g/goroutines) }()
				}
				total := 0
				for range goroutines {
					total += <-sums
				}
				if total != b.N {
					b.Fatalf("sum is %d, want %d", total, b.N)
				}
			})
		}
	}
}

// BenchmarkSynchronize measures a grace period with readers that are in no
// section, and with readers that do nothing else. The median is reported too, for
// a section that is preempted takes a thousand times as long.
func BenchmarkSynchronize(b *testing.B) {
	for _, readers := range []int{0, 2, 64} {
		b.Run(fmt.Sprintf("idle=%d", readers), func(b *testing.B) {
			var d rcu.Domain
			for range readers {
				d.Register()
			}
			synchronize(b, &d)
		})
	}
	for _, readers := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("running=%d", readers), func(b *testing.B) {
			var (
				d       rcu.Domain
				all     sync.WaitGroup
				stopped atomic.Bool
			)
			for range readers {
				all.Go(func() {
					r := d.Register()
					defer r.Close()
					for !stopped.Load() {
						r.Lock()
						r.Unlock()
					}
				})
			}
			synchronize(b, &d)
			stopped.Store(true)
			all.Wait()
		})
	}
}

func synchronize(b *testing.B, d *rcu.Domain) {
	var took []time.Duration
	for b.Loop() {
		began := time.Now()
		d.Synchronize()
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2]), "median-ns")
}

// BenchmarkCall measures a callback from Call to its return.
func BenchmarkCall(b *testing.B) {
	for _, callers := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			var (
				d    rcu.Domain
				all  sync.WaitGroup
				sum  int
				call = func() { sum++ }
			)
			for g := range callers {
				all.Go(func() {
					for range b.N*(g+1)/callers - b.N*g/callers {
						d.Call(call)
					}
				})
			}
			all.Wait()
			d.Close()
			if sum != b.N {
				b.Fatalf("%d callbacks, want %d", sum, b.N)
			}
		})
	}
}

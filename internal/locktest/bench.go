package locktest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// An Impl is one of the locks that Compare compares.
type Impl struct {
	Name string
	New  func() (newHandle func() Handle)
}

// How long is measured: as often, so long.
const (
	turns = 10
	slice = 100 * time.Millisecond
)

// Compare measures locks whose critical section is one addition, taken by 1, 2, 8
// and 64 goroutines. The locks take turns: in each of ten rounds every one has a
// tenth of a second, so that whatever else the machine does meets all of them.
// The additions are checked.
//
// It reports the median time per section of each lock, in ns, and its ratio to
// that of the last, which is the one they have to stand up to. fair is how often
// the busiest goroutine was inside for one time of the least busy, all ten rounds
// taken together.
//
// Each goroutine has a processor of its own while there are enough; a crowd is
// left to the scheduler. The work does not depend on b.N.
func Compare(b *testing.B, impls ...Impl) {
	compare(b, impls, func() section {
		sum := new(word)
		return section{
			inside: func() { sum.n++ },
			right:  func(total int) bool { return sum.n == total },
		}
	})
}

// CompareReaders is Compare for sections that read one word, whose handles lock
// to read.
func CompareReaders(b *testing.B, impls ...Impl) {
	compare(b, impls, func() section {
		one := &word{n: 1}
		var wrong atomic.Bool
		return section{
			inside: func() {
				if one.n != 1 {
					wrong.Store(true)
				}
			},
			right: func(int) bool { return !wrong.Load() },
		}
	})
}

// A section is what each goroutine does inside, and whether it came out right
// after so many times in all.
type section struct {
	inside func()
	right  func(total int) bool
}

type word struct {
	_ cpu.Pad
	n int
	_ cpu.Pad
}

func compare(b *testing.B, impls []Impl, newSection func() section) {
	for _, goroutines := range []int{1, 2, 8, 64} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			times := make([][]float64, len(impls))
			entries := make([][]int, len(impls))
			for range turns {
				for i, impl := range impls {
					ns, counts := run(b, impl.New(), goroutines, newSection())
					times[i] = append(times[i], ns)
					if entries[i] == nil {
						entries[i] = make([]int, goroutines)
					}
					for g, n := range counts {
						entries[i][g] += n
					}
				}
			}
			last := median(times[len(impls)-1])
			b.ReportMetric(0, "ns/op")
			for i, impl := range impls {
				b.ReportMetric(median(times[i]), impl.Name+"-ns")
				if i < len(impls)-1 {
					b.ReportMetric(median(times[i])/last, impl.Name+"-ratio")
				}
				if goroutines > 1 {
					fair := float64(slices.Max(entries[i])) / float64(max(1, slices.Min(entries[i])))
					b.ReportMetric(fair, impl.Name+"-fair")
				}
			}
		})
	}
}

func median(xs []float64) float64 {
	xs = slices.Sorted(slices.Values(xs))
	return (xs[(len(xs)-1)/2] + xs[len(xs)/2]) / 2
}

// run has so many goroutines go in and out for the length of a slice, and returns
// the time per section in ns and how often each was inside.
func run(b *testing.B, newHandle func() Handle, goroutines int, s section) (ns float64, entries []int) {
	var (
		ready, all sync.WaitGroup
		stop       atomic.Bool
		start      = make(chan struct{})
		alone      = goroutines <= min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	)
	entries = make([]int, goroutines)
	for g := range goroutines {
		ready.Add(1)
		all.Go(func() {
			if alone {
				pin(g)
			}
			h := newHandle()
			n := 0
			ready.Done()
			<-start
			for ; !stop.Load(); n++ {
				h.Lock()
				s.inside()
				h.Unlock()
			}
			entries[g] = n
		})
	}
	ready.Wait()
	began := time.Now()
	close(start)
	time.Sleep(slice)
	stop.Store(true)
	all.Wait()
	took := time.Since(began)

	total := 0
	for _, n := range entries {
		total += n
	}
	if !s.right(total) {
		b.Fatalf("the work of %d sections did not come out right", total)
	}
	return float64(took) / float64(total), entries
}

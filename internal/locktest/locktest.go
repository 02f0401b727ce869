// Package locktest is the trial that every lock in Ferrule passes.
package locktest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// A Handle is a lock as one goroutine sees it: the lock itself, or the lock
// together with what that goroutine brings, such as a queue node.
type Handle interface {
	sync.Locker
	TryLock() bool
}

// Mutex puts a mutual exclusion lock through its paces. Each call of newLock
// makes a lock and returns the function that makes handles of it.
func Mutex(t *testing.T, newLock func() (newHandle func() Handle)) {
	t.Run("TryLock", func(t *testing.T) { tryLock(t, newLock()) })
	t.Run("WaiterGetsIn", func(t *testing.T) { waiterGetsIn(t, newLock()) })
	t.Run("Exclusion", func(t *testing.T) { exclusion(t, newLock(), 2*runtime.GOMAXPROCS(0)) })
	t.Run("ShortSections", func(t *testing.T) { shortSections(t, newLock()) })
	t.Run("ManyGoroutines", func(t *testing.T) { exclusion(t, newLock(), 64) })
	t.Run("OneProcessor", func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
		exclusion(t, newLock(), 8)
	})
}

func tryLock(t *testing.T, newHandle func() Handle) {
	a, b := newHandle(), newHandle()
	for round := range 3 {
		if !a.TryLock() {
			t.Fatalf("round %d: TryLock of a free lock = false", round)
		}
		if b.TryLock() {
			t.Fatalf("round %d: TryLock of a lock held after TryLock = true", round)
		}
		a.Unlock()
		b.Lock()
		if a.TryLock() {
			t.Fatalf("round %d: TryLock of a lock held after Lock = true", round)
		}
		b.Unlock()
	}
}

// waiterGetsIn holds the lock for so long that the waiters have come to the last
// stage of waiting.
func waiterGetsIn(t *testing.T, newHandle func() Handle) {
	holder := newHandle()
	holder.Lock()
	inside := 0
	var done sync.WaitGroup
	for range 3 {
		done.Go(func() {
			h := newHandle()
			h.Lock()
			inside++
			h.Unlock()
		})
	}
	time.Sleep(5 * time.Millisecond)
	if inside != 0 {
		t.Error("Lock returned while another held the lock")
	}
	holder.Unlock()
	done.Wait()
	if inside != 3 {
		t.Errorf("%d goroutines were inside, want 3", inside)
	}
}

// exclusion lets goroutines change plain words under the lock, half of the time
// by TryLock. Two inside at once would disagree about the words, and the race
// detector would see that nothing orders them. There are more goroutines than
// processors, and holders are descheduled.
func exclusion(t *testing.T, newHandle func() Handle, goroutines int) {
	rounds := 60_000 / goroutines
	if testing.Short() {
		rounds /= 10
	}
	var (
		guarded [8]int // equal whenever nobody is inside
		refused int    // TryLock calls that returned false
		done    sync.WaitGroup
	)
	for range goroutines {
		done.Go(func() {
			h := newHandle()
			tries := 0
			for n := range rounds {
				if rand.N(64) == 0 {
					runtime.Gosched() // the others find the lock free
				}
				if rand.N(2) == 0 {
					h.Lock()
				} else {
					for ; !h.TryLock(); tries++ {
						runtime.Gosched()
					}
				}
				want := guarded[0]
				for i := range guarded {
					if guarded[i] != want {
						t.Errorf("round %d: word %d is %d, want %d: two goroutines inside", n, i, guarded[i], want)
					}
					guarded[i]++
					if rand.N(64) == 0 {
						runtime.Gosched() // the others find the lock held
					}
				}
				h.Unlock()
			}
			h.Lock()
			refused += tries
			h.Unlock()
		})
	}
	done.Wait()
	for i, got := range guarded {
		if want := goroutines * rounds; got != want {
			t.Errorf("word %d is %d after %d sections", i, got, want)
		}
	}
	if refused == 0 {
		t.Error("no TryLock was refused: the lock was never contended")
	}
}

// shortSections has two goroutines take and give back the lock as fast as they
// can: with two processors one arrives at every point of the other's leaving.
func shortSections(t *testing.T, newHandle func() Handle) {
	rounds := 300_000
	if testing.Short() {
		rounds /= 10
	}
	var done sync.WaitGroup
	sum := 0
	for range 2 {
		done.Go(func() {
			h := newHandle()
			for n := range rounds {
				if n%2 == 0 || !h.TryLock() {
					h.Lock()
				}
				sum++
				h.Unlock()
			}
		})
	}
	done.Wait()
	if sum != 2*rounds {
		t.Errorf("sum is %d after %d sections", sum, 2*rounds)
	}
}

// Benchmark measures a lock whose critical section is one addition, by one
// goroutine and by several; the sum is checked. One operation is one Lock, one
// addition and one Unlock.
func Benchmark(b *testing.B, impl string, newLock func() (newHandle func() Handle)) {
	for _, goroutines := range []int{1, 2, 8} {
		b.Run(fmt.Sprintf("impl=%s/goroutines=%d/critical=add", impl, goroutines), func(b *testing.B) {
			newHandle := newLock()
			var done sync.WaitGroup
			sum := 0
			for g := range goroutines {
				share := b.N / goroutines
				if g < b.N%goroutines {
					share++
				}
				done.Go(func() {
					h := newHandle()
					for range share {
						h.Lock()
						sum++
						h.Unlock()
					}
				})
			}
			done.Wait()
			if sum != b.N {
				b.Fatalf("%d additions, want %d", sum, b.N)
			}
		})
	}
}

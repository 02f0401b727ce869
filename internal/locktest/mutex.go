package locktest

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Mutex puts a mutual exclusion lock through its paces. Each call of newLock
// makes a lock and returns the function that makes handles of it.
func Mutex(t *testing.T, newLock func() (newHandle func() Handle)) {
	t.Run("TryLock", func(t *testing.T) { tryLock(t, newLock()) })
	t.Run("WaiterGetsIn", func(t *testing.T) { waiterGetsIn(t, newLock()) })
	t.Run("Panic", func(t *testing.T) { panicInside(t, newLock()) })
	t.Run("ShortSections", func(t *testing.T) { shortSections(t, newLock()) })
	crowds(t, "Exclusion", func(t *testing.T, goroutines int) { exclusion(t, newLock(), goroutines) })
	if _, ok := newLock()().(Canceller); ok {
		cancel(t, func() func() Canceller {
			newHandle := newLock()
			return func() Canceller { return newHandle().(Canceller) }
		})
	}
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
	const waiters = 3
	holder := newHandle()
	holder.Lock()
	var inside atomic.Int32
	var all sync.WaitGroup
	for range waiters {
		all.Go(func() {
			h := newHandle()
			h.Lock()
			inside.Add(1)
			h.Unlock()
		})
	}
	linger()
	if inside.Load() != 0 {
		t.Error("Lock returned while another held the lock")
	}
	holder.Unlock()
	finish(t, "after a long hold", &all)
	if n := inside.Load(); n != waiters {
		t.Errorf("%d goroutines were inside, want %d", n, waiters)
	}
}

// panicInside leaves the critical section by a panic, the way defer cleans up
// after one, with waiters at the door.
func panicInside(t *testing.T, newHandle func() Handle) {
	const goroutines, rounds = 4, 50
	var all sync.WaitGroup
	sum := 0
	for range goroutines {
		all.Go(func() {
			h := newHandle()
			for range rounds {
				func() {
					defer func() {
						if recover() == nil {
							t.Error("the panic got lost")
						}
					}()
					h.Lock()
					defer h.Unlock()
					sum++
					panic("inside")
				}()
			}
		})
	}
	finish(t, "after a panic inside", &all)
	if sum != goroutines*rounds {
		t.Errorf("sum is %d after %d sections", sum, goroutines*rounds)
	}
	if !newHandle().TryLock() {
		t.Error("the lock is not free")
	}
}

// exclusion lets goroutines write a ledger under the lock, half of the time by
// TryLock. Holders are descheduled inside.
func exclusion(t *testing.T, newHandle func() Handle, goroutines int) {
	sections := rounds(20_000, goroutines)
	var (
		guarded ledger
		entered int // with the lock
		refused int // TryLock calls that returned false, likewise
		all     sync.WaitGroup
	)
	sometimes := func() {
		if rand.N(64) == 0 {
			runtime.Gosched()
		}
	}
	for range goroutines {
		all.Go(func() {
			h := newHandle()
			tries := 0
			for range sections {
				sometimes() // the others find the lock free
				if rand.N(2) == 0 {
					h.Lock()
				} else {
					for ; !h.TryLock(); tries++ {
						runtime.Gosched()
					}
				}
				guarded.write(t, sometimes) // the others find the lock held
				entered++
				h.Unlock()
			}
			h.Lock()
			refused += tries
			h.Unlock()
		})
	}
	finish(t, "contended", &all)
	guarded.check(t, entered)
	if refused == 0 && goroutines >= 8 && !testing.Short() {
		t.Error("no TryLock was refused: the lock was never contended")
	}
}

// shortSections has two goroutines take and give back the lock as fast as they
// can: with two processors one arrives at every point of the other's leaving.
func shortSections(t *testing.T, newHandle func() Handle) {
	sections := 200_000
	if testing.Short() {
		sections /= 4
	}
	var all sync.WaitGroup
	sum := 0
	for range 2 {
		all.Go(func() {
			h := newHandle()
			for n := range sections {
				if n%2 == 0 || !h.TryLock() {
					h.Lock()
				}
				sum++
				h.Unlock()
			}
		})
	}
	finish(t, "in short sections", &all)
	if sum != 2*sections {
		t.Errorf("sum is %d after %d sections", sum, 2*sections)
	}
}

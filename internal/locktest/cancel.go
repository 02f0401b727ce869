package locktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func cancel(t *testing.T, newLock func() (newHandle func() Canceller)) {
	t.Run("Cancel", func(t *testing.T) { cancelOne(t, newLock()) })
	t.Run("Deadline", func(t *testing.T) { deadline(t, newLock()) })
	t.Run("HandOverMeetsCancel", func(t *testing.T) { handOverMeetsCancel(t, newLock()) })
	crowds(t, "CancelStorm", func(t *testing.T, goroutines int) { cancelStorm(t, newLock(), goroutines) })
}

// cancelOne cancels, of several who wait, one after another.
func cancelOne(t *testing.T, newHandle func() Canceller) {
	free := newHandle()
	if err := free.LockContext(t.Context()); err != nil {
		t.Fatalf("LockContext of a free lock: %v", err)
	}
	for _, long := range []bool{false, true} {
		const waiters = 5
		var (
			cancels [waiters]context.CancelFunc
			results [waiters]chan error
			inside  int
			all     sync.WaitGroup
		)
		for n := range waiters {
			var ctx context.Context
			ctx, cancels[n] = context.WithCancel(t.Context())
			results[n] = make(chan error, 1)
			all.Go(func() {
				h := newHandle()
				err := h.LockContext(ctx)
				if err == nil {
					inside++
					h.Unlock()
				}
				results[n] <- err
			})
		}
		if long {
			linger()
		}
		for _, n := range []int{2, 0, 4} {
			cancels[n]()
			if err := receive(t, results[n]); !errors.Is(err, context.Canceled) {
				t.Errorf("LockContext of a lock held, cancelled: %v", err)
			}
		}
		free.Unlock()
		finish(t, "behind those who gave up", &all)
		free.Lock()
		if inside != 2 {
			t.Errorf("%d of the 2 who stayed were inside", inside)
		}
		for _, cancel := range cancels {
			cancel()
		}
	}
	free.Unlock()
}

// deadline waits for a lock until a time that has come already, and for one that
// comes while it waits.
func deadline(t *testing.T, newHandle func() Canceller) {
	holder := newHandle()
	holder.Lock()
	for _, after := range []time.Duration{-1, time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		result := make(chan error, 1)
		h := newHandle()
		go func() { result <- h.LockContext(ctx) }()
		if err := receive(t, result); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("LockContext of a lock held, with a deadline in %v: %v", after, err)
		}
		cancel()
	}
	holder.Unlock()
	if !newHandle().TryLock() {
		t.Error("the lock is not free after those who gave up")
	}
}

// handOverMeetsCancel cancels the one who waits and gives the lock back before
// that one runs, with one processor, and then the other way round. Whichever it
// hears of first, the other has happened, and somebody else must be able to get in.
func handOverMeetsCancel(t *testing.T, newHandle func() Canceller) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	holder := newHandle()
	for round := range 20 {
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		holder.Lock()
		for _, wait := range []func(h Canceller) error{
			func(h Canceller) error { return h.LockContext(ctx) },
			func(h Canceller) error { h.Lock(); return nil },
		} {
			h := newHandle()
			all.Go(func() {
				if wait(h) == nil {
					h.Unlock()
				}
			})
			yield(20)
		}
		if round%2 == 0 {
			cancel()
			holder.Unlock()
		} else {
			holder.Unlock()
			cancel()
		}
		finish(t, "cancelled as the lock came", &all)
	}
}

// cancelStorm cancels waits at random moments, that of the hand-over among them.
// A lock handed to one who has left lets nobody in any more.
func cancelStorm(t *testing.T, newHandle func() Canceller, goroutines int) {
	sections := rounds(3000, goroutines)
	var (
		guarded         ledger
		entered, gaveUp atomic.Int64
		all             sync.WaitGroup
	)
	sometimes := func() {
		if rand.N(64) == 0 {
			yield(rand.N(8)) // long enough for those who wait to be cancelled
		}
	}
	holder := newHandle()
	holder.Lock()
	for range goroutines {
		all.Go(func() {
			h := newHandle()
			for n := range sections {
				if n%4 == 3 { // among those who never give up
					h.Lock()
				} else {
					ctx, cancel := context.WithCancel(context.Background())
					go func() {
						yield(rand.N(8))
						cancel()
					}()
					err := h.LockContext(ctx)
					cancel()
					if err != nil {
						gaveUp.Add(1)
						continue
					}
				}
				entered.Add(1)
				guarded.write(t, sometimes)
				h.Unlock()
			}
		})
	}
	until(t, "a wait is cancelled", func() bool { return gaveUp.Load() > 0 })
	holder.Unlock()
	finish(t, "cancelled at random", &all)
	guarded.check(t, int(entered.Load()))
	h := newHandle()
	until(t, "the lock is free", h.TryLock) // whoever left may have to see to it
	h.Unlock()
}

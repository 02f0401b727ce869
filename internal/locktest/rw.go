package locktest

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

// RW puts a lock with readers through its paces, as Mutex does with its writers,
// and checks that it is phase-fair: of those who wait, the readers get in after
// one writer at most, and a writer after the readers that are inside. tail is as
// in FIFO; readers who have to wait join the line too.
func RW(t *testing.T, newLock func() (newHandle func() RWHandle, tail func() any)) {
	without := func() func() RWHandle {
		newHandle, _ := newLock()
		return newHandle
	}
	Mutex(t, func() func() Handle {
		newHandle := without()
		return func() Handle { return newHandle() }
	})
	t.Run("ReadersShare", func(t *testing.T) { readersShare(t, without()) })
	t.Run("WriterExcludes", func(t *testing.T) { writerExcludes(t, without()) })
	t.Run("ReaderPanics", func(t *testing.T) { readerPanics(t, without()) })
	t.Run("WriterIsNotStarved", func(t *testing.T) {
		newHandle, tail := newLock()
		writerIsNotStarved(t, newHandle, tail)
	})
	t.Run("PhasesAlternate", func(t *testing.T) {
		for _, long := range []bool{false, true} {
			newHandle, tail := newLock()
			phasesAlternate(t, newHandle, tail, long)
		}
	})
	crowds(t, "ReadersAndWriters", func(t *testing.T, goroutines int) { readersAndWriters(t, without(), goroutines) })
	if _, ok := without()().(RCanceller); ok {
		t.Run("CancelReader", func(t *testing.T) {
			newHandle, tail := newLock()
			cancelReader(t, newHandle, tail)
		})
		cancelled := int64(0)
		crowds(t, "CancelReadersStorm", func(t *testing.T, goroutines int) {
			cancelled += cancelReadersStorm(t, without(), goroutines)
		})
		if cancelled == 0 && !testing.Short() {
			t.Error("no wait was cancelled in any crowd")
		}
	}
}

func readersShare(t *testing.T, newHandle func() RWHandle) {
	a, b, writer := newHandle(), newHandle(), newHandle()
	for round := range 3 {
		a.RLock()
		if !b.TryRLock() {
			t.Fatalf("round %d: TryRLock beside a reader = false", round)
		}
		if writer.TryLock() {
			t.Fatalf("round %d: TryLock beside two readers = true", round)
		}
		a.RUnlock()
		if writer.TryLock() {
			t.Fatalf("round %d: TryLock beside a reader = true", round)
		}
		a.RLock() // a writer that was refused is in nobody's way
		a.RUnlock()
		b.RUnlock()
		if !writer.TryLock() {
			t.Fatalf("round %d: TryLock after the readers = false", round)
		}
		writer.Unlock()
	}
}

func writerExcludes(t *testing.T, newHandle func() RWHandle) {
	writer, reader := newHandle(), newHandle()
	for round := range 3 {
		writer.Lock()
		if reader.TryRLock() {
			t.Fatalf("round %d: TryRLock beside a writer = true", round)
		}
		var inside atomic.Bool
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				h := newHandle()
				h.RLock()
				inside.Store(true)
				h.RUnlock()
			})
		}
		if round > 0 {
			linger()
		}
		if inside.Load() {
			t.Errorf("round %d: RLock returned beside a writer", round)
		}
		writer.Unlock()
		finish(t, "readers behind a writer", &all)
		if !reader.TryRLock() {
			t.Fatalf("round %d: TryRLock of a free lock = false", round)
		}
		reader.RUnlock()
	}
}

func readerPanics(t *testing.T, newHandle func() RWHandle) {
	reader, writer := newHandle(), newHandle()
	func() {
		defer func() { _ = recover() }()
		reader.RLock()
		defer reader.RUnlock()
		panic("inside")
	}()
	if !writer.TryLock() {
		t.Error("the lock is not free after a reader's panic")
	}
}

// writerIsNotStarved has a writer come while readers are inside. From then on no
// new reader may join them, or two that take turns would keep the writer out.
func writerIsNotStarved(t *testing.T, newHandle func() RWHandle, tail func() any) {
	var all sync.WaitGroup
	inside, late := newHandle(), newHandle()
	for range 10 {
		inside.RLock()
		join(t, &all, tail, func() {
			h := newHandle()
			h.Lock()
			h.Unlock()
		})
		until(t, "the writer keeps new readers out", func() bool {
			in := late.TryRLock()
			if in {
				late.RUnlock()
			}
			return !in
		})
		inside.RUnlock()
		finish(t, "a writer behind a reader", &all)
	}
}

// phasesAlternate has a reader inside, then in line a writer, readers, and two
// more writers with readers between. All readers in line share the phase after
// the first writer, however many writers came before some of them.
func phasesAlternate(t *testing.T, newHandle func() RWHandle, tail func() any, long bool) {
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		order []string
	)
	log := func(who string) {
		mu.Lock()
		order = append(order, who)
		mu.Unlock()
	}
	// Readers leave when both are inside: they share.
	var readers sync.WaitGroup
	readers.Add(2)
	reader := func() {
		h := newHandle()
		h.RLock()
		log("readers")
		readers.Done()
		readers.Wait()
		h.RUnlock()
	}
	writer := func(name string) func() {
		return func() {
			h := newHandle()
			h.Lock()
			log(name)
			h.Unlock()
		}
	}
	first := newHandle()
	first.Lock()
	join(t, &all, tail, writer("second"))
	join(t, &all, tail, reader)
	join(t, &all, tail, writer("third"))
	join(t, &all, tail, reader)
	if long {
		linger()
	}
	first.Unlock()
	finish(t, "in phases", &all)
	if want := []string{"readers", "readers", "second", "third"}; !slices.Equal(order, want) {
		t.Errorf("after the first writer got in %v, want %v", order, want)
	}
}

// readersAndWriters lets every goroutine read a ledger, and write it now and
// then, half of the time by trying.
func readersAndWriters(t *testing.T, newHandle func() RWHandle, goroutines int) {
	sections := rounds(8000, goroutines)
	var (
		guarded ledger
		writes  atomic.Int64
		all     sync.WaitGroup
	)
	sometimes := func() {
		if rand.N(64) == 0 {
			runtime.Gosched()
		}
	}
	take := func(lock func(), try func() bool) {
		if rand.N(2) == 0 {
			lock()
			return
		}
		for !try() {
			runtime.Gosched()
		}
	}
	for range goroutines {
		all.Go(func() {
			h := newHandle()
			for range sections {
				if sometimes(); rand.N(4) == 0 {
					take(h.Lock, h.TryLock)
					guarded.write(t, sometimes)
					writes.Add(1)
					h.Unlock()
				} else {
					take(h.RLock, h.TryRLock)
					guarded.read(t, sometimes)
					h.RUnlock()
				}
			}
		})
	}
	finish(t, "readers and writers", &all)
	guarded.check(t, int(writes.Load()))
	if h := newHandle(); !h.TryLock() {
		t.Error("the lock is not free")
	}
}

// cancelReader cancels readers behind a writer, and a writer behind readers,
// before whom the readers in line would have had to wait.
func cancelReader(t *testing.T, newHandle func() RWHandle, tail func() any) {
	gaveUp := func(wait func(context.Context) error) (leave context.CancelFunc, left chan error) {
		ctx, cancel := context.WithCancel(t.Context())
		left = make(chan error, 1)
		var all sync.WaitGroup
		join(t, &all, tail, func() { left <- wait(ctx) })
		return cancel, left
	}
	var all sync.WaitGroup
	for range 5 {
		writer := newHandle()
		writer.Lock()
		leave, left := gaveUp(newHandle().(RCanceller).RLockContext)
		join(t, &all, tail, func() {
			h := newHandle()
			h.RLock()
			h.RUnlock()
		})
		leave()
		if err := receive(t, left); !errors.Is(err, context.Canceled) {
			t.Errorf("RLockContext beside a writer, cancelled: %v", err)
		}
		writer.Unlock()
		finish(t, "a reader beside one who gave up", &all)
		if !writer.TryLock() {
			t.Fatal("the lock is not free after a reader who gave up")
		}
		writer.Unlock()

		h, ok := newHandle().(Canceller)
		if !ok {
			continue
		}
		reader, late := newHandle(), newHandle()
		reader.RLock()
		leave, left = gaveUp(h.LockContext)
		until(t, "the writer keeps new readers out", func() bool {
			in := late.TryRLock()
			if in {
				late.RUnlock()
			}
			return !in
		})
		all.Go(func() {
			late.RLock()
			late.RUnlock()
		})
		leave()
		if err := receive(t, left); !errors.Is(err, context.Canceled) {
			t.Errorf("LockContext beside a reader, cancelled: %v", err)
		}
		finish(t, "a reader behind a writer who gave up", &all)
		reader.RUnlock()
	}
}

// cancelReadersStorm is cancelStorm with readers, and with writers who give up
// while readers keep them out.
func cancelReadersStorm(t *testing.T, newHandle func() RWHandle, goroutines int) (cancelled int64) {
	sections := rounds(3000, goroutines)
	var (
		guarded        ledger
		writes, gaveUp atomic.Int64
		all            sync.WaitGroup
	)
	sometimes := func() {
		if rand.N(64) == 0 {
			yield(rand.N(8)) // long enough for those who wait to be cancelled
		}
	}
	for range goroutines {
		all.Go(func() {
			h := newHandle().(RCanceller)
			write := func(ctx context.Context) error {
				h.Lock()
				return nil
			}
			if c, ok := h.(Canceller); ok {
				write = c.LockContext
			}
			for range sections {
				ctx, cancel := context.WithCancel(context.Background())
				go func() {
					yield(rand.N(8))
					cancel()
				}()
				if rand.N(3) == 0 {
					if err := write(ctx); err == nil {
						writes.Add(1)
						guarded.write(t, sometimes)
						h.Unlock()
					} else {
						gaveUp.Add(1)
					}
				} else {
					if err := h.RLockContext(ctx); err == nil {
						guarded.read(t, sometimes)
						h.RUnlock()
					} else {
						gaveUp.Add(1)
					}
				}
				cancel()
			}
		})
	}
	finish(t, "cancelled at random", &all)
	guarded.check(t, int(writes.Load()))
	h := newHandle()
	until(t, "the lock is free", h.TryLock) // whoever left may have to see to it
	h.Unlock()
	return gaveUp.Load()
}

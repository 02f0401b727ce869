package spinlock

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
)

// An RWMutex is a lock that any number of readers hold together, or one writer
// alone. It is phase-fair [2]: while both kinds wait, the lock goes to the readers
// and to one writer by turns, so neither side starves.
//
// Progress. Readers go in and out without waiting for each other: while no writer
// is about, RLock and RUnlock are each one atomic addition, to one of eight words
// that the goroutines are spread over. A reader waits for one writer at most, the
// one that came before it. A writer waits for the writers that came before it, in
// order, and between each two for the readers that came meanwhile. TryLock,
// TryRLock and RUnlock are wait-free; Unlock is too. All wait as Mutex does.
// Nothing allocates but LockContext, as that of Ticket.
//
// A goroutine that reads must not lock again to read: a writer may have come
// between, who waits for the first reading to end as the second waits for it.
//
// Order. In the terminology of the Go memory model, each Unlock synchronizes
// before the return of every later Lock and RLock, and each RUnlock before that of
// the next Lock. A TryLock or TryRLock that returns true and a LockContext or
// RLockContext that returns nil count as such. Others order nothing.
//
// Ownership. The RWMutex belongs to no goroutine: one may lock it and another
// unlock it.
//
// Layout. The price of readers that do not meet is memory: an RWMutex is 1.4 KiB
// where a line counts as 128 bytes. It keeps its words a line apart, and away from
// whatever stands beside it. Two readers whose stacks hash to the same word share
// its line; with two readers one pair in eight does.
//
// The zero value is unlocked. An RWMutex must not be copied after first use.
type RWMutex struct {
	debug lockdebug.Lock
	_     cpu.Pad
	phases
	_      cpu.Pad
	counts [1 << countBits]struct {
		n atomic.Int64 // B, D: readers that came here, less those that left here
		_ cpu.Pad
	}
}

const countBits = 3

// RLock takes rw to read, waiting while a writer holds it or came first.
func (rw *RWMutex) RLock() {
	if lockdebug.On {
		rw.debug.Wait("spinlock.RWMutex.RLock")
		defer rw.debug.Locked("spinlock.RWMutex.RLock")
	}
	if !rw.tryRLock() {
		rw.read(nil)
	}
}

// RLockContext takes rw as RLock does, unless ctx ends while it waits: then it
// returns ctx.Err(). If it need not wait it takes it whatever ctx says.
func (rw *RWMutex) RLockContext(ctx context.Context) error {
	if lockdebug.On {
		rw.debug.Wait("spinlock.RWMutex.RLockContext")
	}
	if !rw.tryRLock() && !rw.read(ctx.Done()) {
		return ctx.Err()
	}
	if lockdebug.On {
		rw.debug.Locked("spinlock.RWMutex.RLockContext")
	}
	return nil
}

// TryRLock takes rw to read if no writer holds it or waits for it, and reports
// whether it did.
func (rw *RWMutex) TryRLock() bool {
	ok := rw.tryRLock()
	if lockdebug.On && ok {
		rw.debug.Locked("spinlock.RWMutex.TryRLock")
	}
	return ok
}

func (rw *RWMutex) tryRLock() bool {
	if !rw.readable() {
		return false
	}
	n := rw.count()
	n.Add(1)           // D
	if rw.readable() { // A: acquire; D
		return true
	}
	n.Add(-1)
	return false
}

// RUnlock ends a reading. What it does to an RWMutex that nobody reads, the next
// writer finds out: its Lock panics.
func (rw *RWMutex) RUnlock() {
	if lockdebug.On {
		rw.debug.Unlock("spinlock.RWMutex.RUnlock")
	}
	rw.count().Add(-1) // B: release
}

// Lock takes rw to write, waiting for the writers that came before and for all
// readers inside.
func (rw *RWMutex) Lock() {
	if lockdebug.On {
		rw.debug.Wait("spinlock.RWMutex.Lock")
		defer rw.debug.Locked("spinlock.RWMutex.Lock")
	}
	rw.lock(nil)
}

// LockContext takes rw as Lock does, unless ctx ends while it waits: then it
// returns ctx.Err(), and readers whom it kept waiting go in. A free RWMutex it
// takes whatever ctx says.
func (rw *RWMutex) LockContext(ctx context.Context) error {
	if lockdebug.On {
		rw.debug.Wait("spinlock.RWMutex.LockContext")
	}
	if !rw.lock(ctx.Done()) {
		return ctx.Err()
	}
	if lockdebug.On {
		rw.debug.Locked("spinlock.RWMutex.LockContext")
	}
	return nil
}

func (rw *RWMutex) lock(done <-chan struct{}) bool {
	return rw.turn.lock(done) && rw.write(rw.inside, done)
}

// TryLock takes rw to write if nobody holds it or waits for it, and reports
// whether it did.
func (rw *RWMutex) TryLock() bool {
	ok := rw.tryWrite(rw.inside)
	if lockdebug.On && ok {
		rw.debug.Locked("spinlock.RWMutex.TryLock")
	}
	return ok
}

// Unlock ends a writing. It panics if no writer holds rw.
func (rw *RWMutex) Unlock() {
	if lockdebug.On {
		rw.debug.Unlock("spinlock.RWMutex.Unlock")
	}
	if rw.readable() {
		panic("spinlock: Unlock of unlocked RWMutex")
	}
	rw.leave()
}

// inside sums the counts. In an odd phase zero means that nobody is inside; in an
// even one, where readers come and go meanwhile, it is a guess. The caller holds
// turn.
func (rw *RWMutex) inside() int64 {
	sum := rw.moved
	for i := range rw.counts {
		sum += rw.counts[i].n.Load() // B: acquire; D
	}
	if sum < 0 && !rw.readable() {
		panic("spinlock: RUnlock of unlocked RWMutex")
	}
	return sum
}

// RLocker returns a sync.Locker whose Lock and Unlock are RLock and RUnlock.
func (rw *RWMutex) RLocker() sync.Locker { return (*rLocker)(rw) }

type rLocker RWMutex

func (r *rLocker) Lock()   { (*RWMutex)(r).RLock() }
func (r *rLocker) Unlock() { (*RWMutex)(r).RUnlock() }

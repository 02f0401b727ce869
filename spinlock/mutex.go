package spinlock

import (
	"context"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
)

// A Mutex is a mutual exclusion lock whose waiters spin. It is a sync.Locker.
//
// Progress. Lock blocks while another goroutine holds the Mutex: it looks again
// after 0.2 µs, then ever later up to 2 µs, then yields between looks, then
// sleeps as Backoff.Wait does. Looking seldom lets the holder work undisturbed,
// and is paid for when the Mutex passes to a waiter: it may lie free for as long
// as a look is off. It serves no order, and under lasting contention one
// goroutine may lose again and again; where that matters, use a Ticket. TryLock
// and Unlock are wait-free. Nothing allocates.
//
// Order. In the terminology of the Go memory model, the nth Unlock synchronizes
// before the return of the mth Lock for every n < m; a TryLock that returns true
// and a LockContext that returns nil count as a Lock. Others order nothing.
//
// Ownership. The Mutex belongs to no goroutine: one may lock it and another
// unlock it.
//
// Layout. A Mutex is eight bytes, unpadded, so that it can share a cache line
// with what it guards. Keep it a line away from what it does not guard.
//
// The zero value is unlocked. A Mutex must not be copied after first use.
type Mutex struct {
	debug lockdebug.Lock
	state atomic.Uint64
}

const (
	unlocked = 0
	locked   = 1
)

// One edge orders one section before the next:
//
//	A  state. Unlock stores unlocked, and with that hands over what the section
//	   wrote; whoever changes unlocked to locked has the lock. Only the holder
//	   stores unlocked, so between two such changes there is one such store.

// Lock takes m, waiting until it is free.
func (m *Mutex) Lock() {
	if lockdebug.On {
		m.debug.Wait("spinlock.Mutex.Lock")
		defer m.debug.Locked("spinlock.Mutex.Lock")
	}
	if !m.state.CompareAndSwap(unlocked, locked) { // A: acquire
		m.lockContended(nil)
	}
}

// LockContext takes m as Lock does, unless ctx ends while it waits: then it
// returns ctx.Err(). A free Mutex it takes whatever ctx says.
func (m *Mutex) LockContext(ctx context.Context) error {
	if lockdebug.On {
		m.debug.Wait("spinlock.Mutex.LockContext")
	}
	if !m.state.CompareAndSwap(unlocked, locked) && !m.lockContended(ctx.Done()) { // A: acquire
		return ctx.Err()
	}
	if lockdebug.On {
		m.debug.Locked("spinlock.Mutex.LockContext")
	}
	return nil
}

// lockContended waits for m until done, and reports whether it has it.
func (m *Mutex) lockContended(done <-chan struct{}) bool {
	var b Backoff
	for {
		b.poll()
		if m.tryLock() {
			return true
		}
		if ended(done) {
			return false
		}
	}
}

// ended reports whether a wait has been cancelled. Nil means that it cannot be.
func ended(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// TryLock takes m if it is free and reports whether it did; false means that
// another held it.
func (m *Mutex) TryLock() bool {
	ok := m.tryLock()
	if lockdebug.On && ok {
		m.debug.Locked("spinlock.Mutex.TryLock")
	}
	return ok
}

// tryLock looks before it writes: a failed CompareAndSwap takes the line away
// from the holder, too.
func (m *Mutex) tryLock() bool {
	return m.state.Load() == unlocked && m.state.CompareAndSwap(unlocked, locked) // A: acquire
}

// Unlock gives m back. It panics if m is not locked.
func (m *Mutex) Unlock() {
	if lockdebug.On {
		m.debug.Unlock("spinlock.Mutex.Unlock")
	}
	if m.state.Load() != locked {
		panic("spinlock: Unlock of unlocked Mutex")
	}
	cpu.Publish(&m.state, unlocked) // A: release
}

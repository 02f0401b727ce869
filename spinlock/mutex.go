package spinlock

import (
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Mutex is a mutual exclusion lock whose waiters spin. It is a sync.Locker.
//
// Progress. Lock blocks while another goroutine holds the Mutex, spinning, then
// yielding, then sleeping as Backoff.Wait does; it serves no order, and under
// lasting contention one goroutine may lose again and again. TryLock and Unlock
// are wait-free. Nothing allocates.
//
// Order. In the terminology of the Go memory model, the nth Unlock synchronizes
// before the return of the mth Lock for every n < m; a TryLock that returns true
// counts as a Lock. One that returns false orders nothing.
//
// Ownership. The Mutex belongs to no goroutine: one may lock it and another
// unlock it.
//
// Layout. A Mutex is eight bytes, unpadded, so that it can share a cache line
// with what it guards. Keep it a line away from what it does not guard: waiters
// read it all the time.
//
// The zero value is unlocked. A Mutex must not be copied after first use.
type Mutex struct {
	state atomic.Uint64
}

const (
	unlocked = 0
	locked   = 1
)

// Lock takes m, waiting until it is free.
func (m *Mutex) Lock() {
	if !m.state.CompareAndSwap(unlocked, locked) { // A: acquire
		m.lockContended()
	}
}

func (m *Mutex) lockContended() {
	var b Backoff
	for {
		for m.state.Load() != unlocked {
			b.Wait()
		}
		if m.state.CompareAndSwap(unlocked, locked) { // A: acquire
			return
		}
		b.Lost()
	}
}

// TryLock takes m if it is free and reports whether it did; false means that
// another held it.
func (m *Mutex) TryLock() bool {
	return m.state.Load() == unlocked && m.state.CompareAndSwap(unlocked, locked) // A: acquire
}

// Unlock gives m back. It panics if m is not locked.
func (m *Mutex) Unlock() {
	if m.state.Load() != locked {
		panic("spinlock: Unlock of unlocked Mutex")
	}
	cpu.Publish(&m.state, unlocked) // A: release
}

package rcu

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Domain is a set of readers and those who wait for them. Sections in one
// domain do not delay Synchronize in another.
//
// Progress. Synchronize blocks until every section that it found begun has
// ended: it spins, then yields, then sleeps as spinlock.Backoff.Wait does. It is
// not kept waiting by sections that begin later. Callers that wait at the same
// time share a grace period; all but the one that runs it are parked. Register
// and Reader.Close wait for each other, never for a section or a Synchronize.
//
// Order. In the terminology of the Go memory model, the end of each section that
// began before the call of Synchronize synchronizes before its return. A section
// that Synchronize did not wait for finds, in every Pointer and every word of
// sync/atomic, what was there before the call or something newer.
//
// Concurrency. Pairs marked x must be kept apart by the caller; pairs marked -
// need not be.
//
//	[1] Lock, Unlock of one Reader        [1] [2] [3] [4] [5]
//	[2] Close of the same Reader      [1]  x   x   -   -   -
//	[3] any method of another Reader  [2]  x   x   -   -   -
//	[4] Register                      [3]  -   -   -   -   -
//	[5] Synchronize                   [4]  -   -   -   -   -
//	                                  [5]  -   -   -   -   -
//
// A Synchronize called within a section of the same domain never returns, for it
// waits for its own caller.
//
// Layout. The count that readers load is cpu.LineSize bytes away from everything
// else that is written.
//
// The zero value is ready, without readers. A Domain must not be copied after
// first use.
type Domain struct {
	_ cpu.Pad

	// grace is the number of the newest grace period. Numbers are even, so that
	// with the inside bit they are never zero, and they wrap: only differences
	// count.
	grace atomic.Uint64
	_     cpu.Pad

	// running is held for the length of a grace period.
	running sync.Mutex

	// registry guards readers. The elements are never changed in place: Register
	// adds one behind them and Close makes a new list, so a copy of the slice is a
	// snapshot.
	registry sync.Mutex
	readers  []*Reader
}

const step = 2 // from one grace period's number to the next

// Why Synchronize returns only when no section can still have what its caller
// unlinked. Let p be the number of the grace period that it runs, or shares, and
// take any section of any reader. Unlinking, the start of p and the loads of the
// words come in this order, and so do the section's store to its word and its
// loads of pointers, all in the one order in which sequentially consistent
// accesses stand:
//
//	A  word. If Synchronize loads the word before the section stores to it, the
//	   section's loads come after the unlinking and do not find what was unlinked.
//	   This is why Lock needs a sequentially consistent store: after a release
//	   store the section's loads could come first.
//	B  grace. If it loads p or a newer number, the section loaded the number after
//	   the start of p, thus after the unlinking, and does not find it either.
//	C  word. If it loads an older number, it waits until it loads something else.
//	   That was stored when the section had ended: Unlock is a release, and a
//	   later Lock comes after it.
//	D  registry. If the reader is not in the list, which is taken after the start
//	   of p, it was registered later still, and its sections come after the
//	   unlinking.
//
// A reader held up between its two steps in Lock may store a number that is
// older than it need be. Then a section is waited for in vain; the reverse cannot
// be.

// Register adds a reader to d. It allocates, and Close copies the list of readers:
// a Reader is for the life of a goroutine, not for one section.
func (d *Domain) Register() *Reader {
	r := new(Reader)
	r.domain = d
	d.registry.Lock() // D
	defer d.registry.Unlock()
	d.readers = append(d.readers, r)
	return r
}

func (d *Domain) unregister(r *Reader) {
	d.registry.Lock()
	defer d.registry.Unlock()
	d.readers = slices.DeleteFunc(slices.Clone(d.readers), func(other *Reader) bool { return other == r })
}

// Synchronize waits until every section that began before the call has ended.
func (d *Domain) Synchronize() {
	next := d.grace.Load() + step // the first to start after this
	d.running.Lock()
	defer d.running.Unlock()
	if int64(d.grace.Load()-next) >= 0 {
		return // another has run it to its end while we stood at the lock
	}

	period := d.grace.Add(step) // B: release
	d.registry.Lock()           // D
	readers := d.readers
	d.registry.Unlock()
	for _, r := range readers {
		for b := (spinlock.Backoff{}); r.olderThan(period); {
			b.Wait()
		}
	}
}

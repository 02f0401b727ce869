package rcu

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Domain is a set of readers and those who wait for them. Sections in one
// domain do not delay grace periods in another.
//
// Progress. Synchronize, Wait and Barrier block until every section that they
// found begun has ended: they look again for a microsecond, and then park until
// the reader wakes them. They are not kept waiting by sections that begin later.
// One of those who wait, the driver, runs the grace period, and all share it; when
// it gives up, another goes on from there. Passed never blocks: it does at most
// what is to be done of two grace periods. Snapshot is wait-free. Register, Read
// and Reader.Close wait for each other, never for a section or a grace period.
// Call blocks only when callbacks come faster than they go.
//
// Order. In the terminology of the Go memory model, the end of each section that
// began before the call of Synchronize, of Snapshot or of Call synchronizes before
// the return of Synchronize, of the Wait or Passed that reports it, or before the
// callback. The call of Call, too, synchronizes before the callback, and the
// callback before the return of Barrier. A section that was not waited for finds,
// in every Pointer and every word of sync/atomic, what was there before the call
// or something newer.
//
// Concurrency. Pairs marked x must be kept apart by the caller; pairs marked -
// need not be.
//
//	[1] all but Close of one Reader                [1] [2] [3] [4] [5] [6] [7]
//	[2] Close of the same Reader               [1]  x   x   -   -   -   -   -
//	[3] another Reader; Register, Read         [2]  x   x   -   -   -   -   -
//	[4] Synchronize, Wait, Barrier, OnStall    [3]  -   -   -   -   -   -   -
//	[5] Snapshot, Passed                       [4]  -   -   -   -   -   -   -
//	[6] Call, TryCall                          [5]  -   -   -   -   -   -   -
//	[7] Close of the Domain                    [6]  -   -   -   -   -   -   x
//	                                           [7]  -   -   -   -   -   x   x
//
// Within a section of the same domain Synchronize, Wait, Barrier and Close never
// return, for they wait for their own caller, unless a context ends the wait; nor
// do Barrier and Close within a callback.
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

	periods

	// registry guards what follows. The elements are never changed in place:
	// Register adds one behind them, and a Close now and then makes a new list, so a
	// copy of the slice is a snapshot.
	registry sync.Mutex
	readers  []*Reader
	gone     int // of readers: outside for good, and still listed

	lent   lent // to Read
	stalls atomic.Pointer[stallLimit]
	calls
}

const step = 2 // from one grace period's number to the next

// Why a grace period is over only when no section can still have what was
// unlinked before it was asked for. Let p be its number, and take any section of
// any reader. Who asks unlinks, then loads grace, and is content with the first
// period that starts after that. So the unlinking comes before the start of p.
//
//	A  word. If the driver loads the word before the section stores to it, the
//	   section's loads come after the unlinking and do not find what was unlinked.
//	   Where that store is sequentially consistent, unlinking, start, the driver's
//	   load, the store and the section's loads stand in this order. Where it is
//	   not, the section's loads could come before it; therefore, between the start
//	   of p and the driver's load, the driver has every processor pass a full
//	   barrier. Where the reader had made its store by then, the driver finds it;
//	   otherwise the section's loads come after the barrier too. A reader that
//	   changes processors passes one in the scheduler.
//	B  grace. If the driver loads p or a newer number, the section loaded the
//	   number after the start of p, thus after the unlinking, and does not find it
//	   either.
//	C  word. If the driver loads an older number, it waits until it loads something
//	   else. That was stored when the section had ended: Unlock and Quiesce are
//	   releases, and a later Lock comes after them.
//	D  registry. If the reader is not in the list, which is taken after the start
//	   of p, it was registered later still, and its sections come after the
//	   unlinking.
//	E  awaited. The driver stores it before it loads the word a last time and
//	   sleeps; the reader loads it after its store to the word. As with A, one of
//	   the two finds what the other stored. Where readers fence for themselves
//	   they do it for A alone, and the driver looks again after a while.
//	F  over. What the driver has found is passed on to all who load the number.
//
// Quiesce needs no fence in either form: it loads the new number before it stores
// it (B), and until the store is seen the driver waits for the old one (C).
//
// A reader held up between its two steps in Lock may store a number that is
// older than it need be. Then a section is waited for in vain; the reverse cannot
// be.

// Register adds a reader to d. It allocates, and one Close in many copies the list
// of readers: a Reader is for the life of a goroutine, not for one section. Who
// reads now and then calls Read instead.
func (d *Domain) Register() *Reader { return d.register(caller()) }

func (d *Domain) register(site uintptr) *Reader {
	r := new(Reader)
	r.domain = d
	r.left = make(chan struct{}, courtesy)
	r.fences = !asymmetric()
	r.site.Store(site)
	d.registry.Lock() // D
	defer d.registry.Unlock()
	d.readers = append(d.readers, r)
	return r
}

// unregister takes r out of the list when half of it has closed: the copy is paid
// for by as many closes as it has readers.
func (d *Domain) unregister(r *Reader) {
	d.registry.Lock()
	defer d.registry.Unlock()
	r.gone = true
	d.gone++
	if 2*d.gone >= len(d.readers) {
		d.readers = slices.DeleteFunc(slices.Clone(d.readers), func(r *Reader) bool { return r.gone })
		d.gone = 0
	}
}

// Synchronize waits until every section that began before the call has ended.
func (d *Domain) Synchronize() { d.Wait(context.Background(), d.Snapshot()) }

// SynchronizeContext is Synchronize, unless the context is done before: then it
// returns the context's error, and nothing is known of the sections.
func (d *Domain) SynchronizeContext(ctx context.Context) error { return d.Wait(ctx, d.Snapshot()) }

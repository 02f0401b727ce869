package spinlock

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
)

// A BigReader is a lock with readers that write only memory of their own: each
// registers once and gets a Reader. It is phase-fair, as RWMutex is, and for
// readers that lock all the time while writers are rare, such as the workers of a
// forwarder that look up routes.
//
// Progress. While no writer is about, Reader.Lock is two loads and a store, and
// Unlock a store; where cpu.Membarrier does not work the first store is a
// sequentially consistent one. A reader waits for one writer at most, the one that
// came before it. A writer waits for the writers that came before it, in order,
// and then for the readers inside: it looks at every Reader, which takes the
// longer the more there are, and interrupts every processor that runs the process,
// some microseconds. All wait as Mutex does. Only Register, and LockContext as
// that of Ticket, allocate.
//
// Order. In the terminology of the Go memory model, each Unlock synchronizes
// before the return of every later Lock and Reader.Lock, and each Reader.Unlock
// before that of the next Lock. A call that tried or could be cancelled, and did
// take the lock, counts as such. Others order nothing.
//
// Concurrency. Pairs marked x must be kept apart by the caller; pairs marked -
// need not be.
//
//	[1] methods of one Reader                          [1] [2] [3]
//	[2] methods of another                        [1]   x   -   -
//	[3] Lock, TryLock, Unlock, Register           [3]   -   -   -
//
// Register and Reader.Close take a writer's turn, so neither returns while their
// goroutine holds the BigReader.
//
// The zero value is unlocked and has no readers. A BigReader must not be copied
// after first use.
type BigReader struct {
	debug   lockdebug.Lock
	readers []*Reader // C
	_       cpu.Pad
	phases
	_ cpu.Pad
}

// A Reader is one reader of a BigReader, and a sync.Locker. It belongs to one
// goroutine at a time and is inside once at a time.
//
// Layout. What it writes stands a line away from whatever is beside it.
type Reader struct {
	lock *BigReader
	// plain says that Membarrier orders a store against a load after it.
	plain bool
	_     cpu.Pad
	own   struct {
		count  atomic.Uint64 // B, D: times it came here, less times it left
		inside bool
	}
	_ cpu.Pad
}

// Register returns a new Reader. It waits for writers before it.
func (l *BigReader) Register() *Reader {
	r := &Reader{lock: l, plain: cpu.Membarrier()}
	l.turn.lock(nil)
	l.readers = append(l.readers, r)
	l.turn.unlock()
	return r
}

// Close takes the Reader off its lock. It panics if the Reader is inside, and a
// closed one must not be used.
func (r *Reader) Close() {
	if r.own.inside {
		panic("spinlock: Close of a Reader that is inside")
	}
	l := r.lock
	l.turn.lock(nil)
	defer l.turn.unlock()
	i := slices.Index(l.readers, r)
	if i < 0 {
		panic("spinlock: Close of a closed Reader")
	}
	l.readers = slices.Delete(l.readers, i, i+1)
	l.moved += int64(r.own.count.Load())
}

// Lock takes the BigReader to read, waiting while a writer holds it or came first.
// It panics if the Reader is inside already.
func (r *Reader) Lock() {
	if lockdebug.On {
		r.lock.debug.Wait("spinlock.Reader.Lock")
		defer r.lock.debug.Locked("spinlock.Reader.Lock")
	}
	if !r.tryLock() {
		r.own.inside = r.lock.read(nil)
	}
}

// LockContext takes the BigReader as Lock does, unless ctx ends while it waits:
// then it returns ctx.Err(). If it need not wait it takes it whatever ctx says.
func (r *Reader) LockContext(ctx context.Context) error {
	if lockdebug.On {
		r.lock.debug.Wait("spinlock.Reader.LockContext")
	}
	if !r.tryLock() {
		if r.own.inside = r.lock.read(ctx.Done()); !r.own.inside {
			return ctx.Err()
		}
	}
	if lockdebug.On {
		r.lock.debug.Locked("spinlock.Reader.LockContext")
	}
	return nil
}

// TryLock takes the BigReader to read if no writer holds it or waits for it, and
// reports whether it did. It panics if the Reader is inside already.
func (r *Reader) TryLock() bool {
	ok := r.tryLock()
	if lockdebug.On && ok {
		r.lock.debug.Locked("spinlock.Reader.TryLock")
	}
	return ok
}

func (r *Reader) tryLock() bool {
	if r.own.inside {
		panic("spinlock: Lock of a Reader that is inside")
	}
	n := r.own.count.Load()
	if r.plain {
		cpu.Publish(&r.own.count, n+1) // D, with the writer's Membarrier
	} else {
		r.own.count.Store(n + 1) // D
	}
	if r.own.inside = r.lock.readable(); !r.own.inside { // A: acquire; D
		cpu.Publish(&r.own.count, n)
	}
	return r.own.inside
}

// Unlock ends a reading. It panics if the Reader is not inside.
func (r *Reader) Unlock() {
	if lockdebug.On {
		r.lock.debug.Unlock("spinlock.Reader.Unlock")
	}
	if !r.own.inside {
		panic("spinlock: Unlock of a Reader that is not inside")
	}
	r.own.inside = false
	cpu.Publish(&r.own.count, r.own.count.Load()-1) // B: release
}

// Lock takes l to write, waiting for the writers that came before and for all
// readers inside.
func (l *BigReader) Lock() {
	if lockdebug.On {
		l.debug.Wait("spinlock.BigReader.Lock")
		defer l.debug.Locked("spinlock.BigReader.Lock")
	}
	l.lock(nil)
}

// LockContext takes l as Lock does, unless ctx ends while it waits: then it
// returns ctx.Err(), and readers whom it kept waiting go in. A free BigReader it
// takes whatever ctx says.
func (l *BigReader) LockContext(ctx context.Context) error {
	if lockdebug.On {
		l.debug.Wait("spinlock.BigReader.LockContext")
	}
	if !l.lock(ctx.Done()) {
		return ctx.Err()
	}
	if lockdebug.On {
		l.debug.Locked("spinlock.BigReader.LockContext")
	}
	return nil
}

func (l *BigReader) lock(done <-chan struct{}) bool {
	return l.turn.lock(done) && l.write(l.inside, done)
}

// TryLock takes l to write if nobody holds it or waits for it, and reports whether
// it did.
func (l *BigReader) TryLock() bool {
	ok := l.tryWrite(l.inside)
	if lockdebug.On && ok {
		l.debug.Locked("spinlock.BigReader.TryLock")
	}
	return ok
}

// Unlock ends a writing. It panics if no writer holds l.
func (l *BigReader) Unlock() {
	if lockdebug.On {
		l.debug.Unlock("spinlock.BigReader.Unlock")
	}
	if l.readable() {
		panic("spinlock: Unlock of unlocked BigReader")
	}
	l.leave()
}

// inside is as RWMutex.inside. The barrier stands between the change of the phase
// and the look at the counts.
func (l *BigReader) inside() int64 {
	cpu.Membarrier() // D; true, or no Reader is plain
	sum := l.moved
	for _, r := range l.readers {
		sum += int64(r.own.count.Load()) // B: acquire; D
	}
	return sum
}

package spinlock

import (
	"context"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
)

// A SeqLock lets readers read without writing anything, while writers keep each
// other out: a reader that finds that somebody wrote meanwhile reads again.
//
//	for {
//		seq := l.Begin()
//		x, y := x.Load(), y.Load()
//		if !l.Retry(seq) {
//			return x, y
//		}
//	}
//
// The words it guards must be atomic, for readers read them while they are being
// written. A reader must not rely on what it has read, not even to follow an index,
// before Retry has said false. Seq does all this for a value of one type.
//
// Progress. Begin waits while a writer is inside, as Backoff.Wait does, and Retry
// is wait-free; readers can be kept reading by writers that come again and again.
// Writers are those of a Mutex, and never wait for readers.
//
// Order. In the terminology of the Go memory model, each Unlock synchronizes
// before the return of every Begin that returns a later sequence, and of every
// later Lock. If Retry returns false, nothing read since Begin was stored by a
// writer that locked after it.
//
// Layout. A SeqLock is sixteen bytes, unpadded: readers load eight of them before
// and after they read, and they stand best beside what they guard.
//
// The zero value is unlocked. A SeqLock must not be copied after first use.
type SeqLock struct {
	writers Mutex
	seq     atomic.Uint64 // changes of the words begun and ended; odd while one is on
}

// Two edges make a reading whole, beside that of the writers' Mutex:
//
//	E  seq, odd. A writer stores it before it stores a word. A reader whose word
//	   came from that store loads seq afterwards, finds it changed, and retries.
//	F  seq, even. A writer stores it after its words. A reader that finds it there
//	   in Begin reads those words or newer ones.
//
// Both are publish stores, which do not change places with the words' stores: on
// amd64 no two stores do, elsewhere and in the Go memory model all are
// sequentially consistent.

// Begin starts a reading and returns the sequence to give to Retry.
func (l *SeqLock) Begin() (seq uint64) {
	for b := (Backoff{}); ; b.Wait() {
		if seq = l.seq.Load(); seq%2 == 0 { // F: acquire
			return seq
		}
	}
}

// Retry reports whether what was read since Begin has to be read again.
func (l *SeqLock) Retry(seq uint64) bool { return l.seq.Load() != seq } // E: acquire

// Lock takes l to write, waiting for other writers.
func (l *SeqLock) Lock() {
	l.writers.Lock()
	l.begin()
}

// LockContext takes l as Lock does, unless ctx ends while it waits: then it
// returns ctx.Err(). A free SeqLock it takes whatever ctx says.
func (l *SeqLock) LockContext(ctx context.Context) error {
	if err := l.writers.LockContext(ctx); err != nil {
		return err
	}
	l.begin()
	return nil
}

// TryLock takes l to write if no writer holds it, and reports whether it did.
func (l *SeqLock) TryLock() bool {
	ok := l.writers.TryLock()
	if ok {
		l.begin()
	}
	return ok
}

func (l *SeqLock) begin() { cpu.Publish(&l.seq, l.seq.Load()+1) } // E: release

// Unlock ends a writing. It panics if no writer holds l.
func (l *SeqLock) Unlock() {
	seq := l.seq.Load()
	if seq%2 == 0 {
		if lockdebug.On {
			l.writers.debug.Unlock("spinlock.SeqLock.Unlock")
		}
		panic("spinlock: Unlock of unlocked SeqLock")
	}
	cpu.Publish(&l.seq, seq+1) // F: release
	l.writers.Unlock()
}

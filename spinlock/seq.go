package spinlock

import (
	"fmt"
	"reflect"

	"github.com/ferrule-go/ferrule/internal/slots"
)

// A Seq is a value that is read whole without writing anything, and may be
// written at any time: a SeqLock around a copy of a T. It suits a small T, such as
// a clock's base and rate, or the counters of a port: a reading copies all of it,
// and begins anew if somebody wrote meanwhile.
//
// Progress. Load waits while a writer is inside, as Backoff.Wait does, and reads
// again if one came between; it can be kept reading by writers that come again and
// again. Store and Update wait for other writers as Mutex does, never for readers.
// Nothing allocates.
//
// Order. In the terminology of the Go memory model, a Store or Update synchronizes
// before the return of every Load that returns its value or a later one.
//
// Layout. A Seq is sixteen bytes, a T, and eight more. Its words are atomic, and
// the race detector knows it.
//
// T must not contain pointers, for the words of a Seq are none to the garbage
// collector. Strings, slices, maps, channels, functions and interfaces are
// pointers too. The first use panics with the type if it does.
//
// The zero value holds the zero T. A Seq must not be copied after first use.
type Seq[T any] struct {
	lock SeqLock
	box  box[T]
}

// Load returns the value.
func (q *Seq[T]) Load() (v T) {
	var b Backoff
	for {
		seq := q.lock.Begin()
		if seq == 0 {
			q.check()
			continue
		}
		v = q.box.load()
		if !q.lock.Retry(seq) {
			return v
		}
		b.Lost()
	}
}

// Store replaces the value.
func (q *Seq[T]) Store(v T) {
	q.Update(func(T) T { return v })
}

// Update replaces the value by what f makes of it, and returns that. Writers and
// readers wait while f runs; if it panics the value stays.
func (q *Seq[T]) Update(f func(T) T) (v T) {
	if q.lock.seq.Load() == 0 {
		q.check()
	}
	q.lock.Lock()
	defer q.lock.Unlock()
	v = f(q.box.load())
	q.box.store(v)
	return v
}

// check panics if T has pointers. If not, it writes nothing once, so that the
// sequence says that T has been checked.
func (q *Seq[T]) check() {
	t := reflect.TypeFor[T]()
	if slots.HavePointers(t) {
		panic(fmt.Sprintf("spinlock: Seq of %v, which contains pointers", t))
	}
	q.lock.Lock()
	q.lock.Unlock()
}

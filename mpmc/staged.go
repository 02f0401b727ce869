package mpmc

import (
	"fmt"
	"math/bits"
	"reflect"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/slots"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Staged is a ring in which values, between push and pop, pass stages of work in
// place. At each stage any number of workers take batches, finish them in
// whatever order, and the values reach the next stage, and in the end the poppers,
// in the order in which they were pushed. Any goroutine may push, pop and work.
//
// Progress. No method takes a lock or waits, but as with a Ring none is lock-free in
// the textbook sense. A worker suspended with a batch in hand, or a pusher or popper
// in the middle of a call, keeps from the next stage what comes behind it, and keeps
// no other of its own stage from working until the ring has gone once round. When it
// gives its batch back, all that was finished behind it moves on at once. Who finds
// nothing at its stage waits as it likes, with a spinlock.Backoff for one.
//
// Order. Release synchronizes before the Acquire or the pop that next gets a value
// of the batch, and the last of them before the push that next uses its slot.
//
// Ownership. The values of a batch belong to whoever acquired it, from the
// compare-and-swap of the stage's head to the store of the batch's end: A.
//
// Layout. The counters of a stage are at least cpu.LineSize bytes apart from one
// another and from those of other stages.
//
// A Staged must not be copied. Make one with NewStaged.
type Staged[T any] struct {
	values   []T
	stages   []stage // pushing, then the stages of work, then popping
	pointers bool
}

// A stage is one passage over the ring. Numbers of slots are counters as those of a
// Ring, without flags.
type stage struct {
	_    cpu.Pad
	head counter // slots taken so far
	_    cpu.Pad
	done atomic.Uint64 // slots finished so far, all up to here
	_    cpu.Pad

	// ends says, at the first slot of a finished batch, where it ends. What a slot
	// says from rounds before lies at or before the slot itself.
	ends []atomic.Uint64
	_    cpu.Pad
}

// NewStaged returns an empty ring of the given capacity, which must be a power of
// two, with so many stages of work between push and pop. It panics if it is not, or
// if there are fewer than none.
func NewStaged[T any](capacity, stages int) *Staged[T] {
	if capacity < 1 || bits.OnesCount(uint(capacity)) != 1 {
		panic(fmt.Sprintf("mpmc: capacity %d is not a power of two", capacity))
	}
	if stages < 0 {
		panic(fmt.Sprintf("mpmc: %d stages", stages))
	}
	return newStagedAt[T](capacity, stages, 0)
}

// newStagedAt is NewStaged with all counters at n.
func newStagedAt[T any](capacity, stages int, n uint64) *Staged[T] {
	r := &Staged[T]{
		values:   slots.Make[T](capacity, cpu.LineSize),
		stages:   make([]stage, 1+stages+1),
		pointers: slots.HavePointers(reflect.TypeFor[T]()),
	}
	for i := range r.stages {
		s := &r.stages[i]
		s.ends = slots.Make[atomic.Uint64](capacity, cpu.LineSize)
		s.head.Store(n * step)
		s.done.Store(n * step)
		for j := range s.ends {
			s.ends[j].Store(n * step)
		}
	}
	return r
}

// A Batch is a run of values that a worker has in hand: A, and where the array ends
// within it, B, which goes on at its beginning.
type Batch[T any] struct {
	A, B  []T
	stage int
	first uint64
}

// Len returns how many values the batch has.
func (b Batch[T]) Len() int { return len(b.A) + len(b.B) }

// TryPushN appends as many of vs as there is room for, the first ones first, and
// returns how many.
func (r *Staged[T]) TryPushN(vs []T) int {
	b := r.take(0, len(vs))
	copy(b.B, vs[copy(b.A, vs):])
	r.finish(b)
	return b.Len()
}

// TryPopN removes the oldest values of those that have passed every stage, as many
// as there are and as vs holds, puts them in vs, oldest first, and returns how many.
func (r *Staged[T]) TryPopN(vs []T) int {
	b := r.take(len(r.stages)-1, len(vs))
	copy(vs[copy(vs, b.A):], b.B)
	if r.pointers {
		zero(b.A)
		zero(b.B)
	}
	r.finish(b)
	return b.Len()
}

// Acquire takes for the caller up to n of the oldest values at a stage, counted from
// 0, that nobody has taken there. A batch of none means that there are none.
func (r *Staged[T]) Acquire(stage, n int) Batch[T] {
	if stage < 0 || stage >= len(r.stages)-2 {
		panic(fmt.Sprintf("mpmc: stage %d of %d", stage, len(r.stages)-2))
	}
	return r.take(stage+1, n)
}

// Release says that the caller has done with a batch. It must be called once for
// each batch that is not empty.
func (r *Staged[T]) Release(b Batch[T]) { r.finish(b) }

// Len returns how many values there are between push and pop. It is an upper bound
// while others push and pop.
func (r *Staged[T]) Len() int {
	popped := r.stages[len(r.stages)-1].head.Load() // first, as in Ring.Len
	return int(min((r.stages[0].head.Load()-popped)/step, uint64(len(r.values))))
}

// Cap returns the capacity that NewStaged was given.
func (r *Staged[T]) Cap() int { return len(r.values) }

// take takes up to n slots at a stage: of those that the stage before has finished,
// and before the first of all, of those popped a round ago.
func (r *Staged[T]) take(at, n int) Batch[T] {
	before, lead := &r.stages[(at+len(r.stages)-1)%len(r.stages)], uint64(0)
	if at == 0 {
		lead = uint64(len(r.values)) * step
	}
	first, n := r.stages[at].claim(before, lead, n)
	b := Batch[T]{stage: at, first: first}
	b.A, b.B = parts(r.values, first, n)
	return b
}

func (r *Staged[T]) finish(b Batch[T]) {
	if n := b.Len(); n > 0 {
		r.stages[b.stage].finish(b.first, n)
	}
}

// claim claims up to n slots that the stage before has finished, lead ahead. Head is
// loaded first: what was finished then is finished for good.
func (s *stage) claim(before *stage, lead uint64, most int) (first uint64, n int) {
	var lost spinlock.Backoff
	for {
		first, n = s.head.Load(), most
		n = min(n, int((before.done.Load()+lead-first)/step)) // A: acquire
		if n <= 0 {
			return first, 0
		}
		if s.head.claim(first, n) {
			return first, n
		}
		lost.Lost()
	}
}

// finish marks n slots as finished, and moves done on over all that are. Whoever
// moves done up to first looks at the mark after that, and whoever marks first looks
// at done after that: one of the two finds the other, since both stores are
// sequentially consistent.
func (s *stage) finish(first uint64, n int) {
	end := first + uint64(n)*step
	s.ends[index(first, len(s.ends))].Store(end) // A: release
	for done := s.done.Load(); ; {
		if end := s.ends[index(done, len(s.ends))].Load(); int64(end-done) <= 0 || !s.done.CompareAndSwap(done, end) {
			return
		}
		done = s.done.Load()
	}
}

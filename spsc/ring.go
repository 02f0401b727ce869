// Package spsc provides a bounded ring between one producer and one consumer.
//
// # Algorithm
//
// Two counters only ever grow: tail counts slots filled and is written by the
// producer; head counts slots emptied and is written by the consumer. A slot is
// a counter masked by the capacity. The ring is empty when the counters are
// equal and full when they differ by the capacity; both tests are differences,
// so they hold across the wrap of a uint64.
//
// Lamport [1] gave the ring. Each side also remembers the other's counter and
// looks again only when the remembered one says full or empty [2], so in the
// steady state neither side touches the other's cache line.
//
// # Pace
//
// Two sides of one speed can fall into step: every look finds one item more,
// and every item costs a transfer of the counter's line and one of the slot's,
// which slow both sides alike and so keep them in step. FastForward [3] calls
// the cure temporal slipping: whoever catches up falls back a little. Here a
// side that looks often and finds little pauses before it looks, at most 16
// processor pauses (a fraction of a microsecond), for as long as that makes it
// find more. What it then finds it asks for at once (cpu.Prefetch): the lines of
// the slots travel together, and not each when its turn has come. A single slot it
// takes without.
//
// # Cost
//
// A push or a pop is one publishing store and no read-modify-write: a plain MOV
// on amd64, an STLR on arm64. A push has another, of a word that only its side
// uses, by which Close learns what is under way. Whether somebody is to be woken
// is one load. Bursts pay all of it once.
//
// [1]: L. Lamport, Specifying Concurrent Program Modules, TOPLAS 5(2), 1983.
// [2]: P. P. C. Lee, T. Bu, G. Chandranmenon, A Lock-free, Cache-efficient
// Shared Ring Buffer for Multi-core Architectures, ANCS 2009.
// [3]: J. Giacomoni, T. Moseley, M. Vachharajani, FastForward for Efficient
// Pipeline Parallelism, PPoPP 2008.
package spsc

import (
	"fmt"
	"math/bits"
	"reflect"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/eventcount"
	"github.com/ferrule-go/ferrule/internal/slots"
)

// A Ring is a FIFO of fixed capacity between one producer goroutine and one
// consumer goroutine. Either role may pass to another goroutine if something
// else, such as a channel or a mutex, orders the old holder before the new.
//
// Progress. What does not wait by its name is wait-free: no lock, no allocation,
// no call into the scheduler, and no loop but over the values of a burst and over
// at most 32 processor pauses. Only if the other side sleeps in Push, Pop and
// their like does it also take a mutex, held for a few steps, to wake it.
//
// Order. In the terminology of the Go memory model, a push synchronizes before
// the pop that returns its value, and a pop synchronizes before the push that
// next uses its slot. A call that finds the ring full or empty orders nothing,
// and no call is a fence: what follows a push may be done before the consumer
// can see the value. Close synchronizes before a return of ErrClosed. A burst looks
// first and moves its counter later: what the other side does meanwhile it may miss.
//
// Ownership. The consumer owns slots [head, tail), the producer the rest. A
// slot changes hands at the store of the counter that moves past it: A to the
// consumer, B back to the producer. If T holds pointers a popped slot is zeroed
// before it is handed back, so the ring keeps nothing alive.
//
// Layout. What the producer writes, what the consumer writes and what is hardly
// ever written are at least cpu.LineSize bytes apart, and the slots as far from
// foreign memory, whatever the alignment of the Ring.
//
// A Ring must not be copied. Make one with New.
type Ring[T any] struct {
	_    cpu.Pad
	tail counter // slots filled so far; the producer writes it
	_    cpu.Pad

	// prod is the producer's alone, but for claim, which Close makes others read.
	prod struct {
		// claim is tail while no push is under way, and ahead of it otherwise. The
		// producer writes it before it looks whether the ring is closed.
		claim counter // C
		head  view    // what the producer knows of head
	}
	_ cpu.Pad

	head counter // slots emptied so far; the consumer writes it
	_    cpu.Pad

	// cons is the consumer's alone.
	cons struct {
		tail view // what the consumer knows of tail
	}
	_ cpu.Pad

	// What follows is written by New, by Close, and by those who fall asleep.

	slots    []T           // its length is the capacity
	limit    atomic.Uint64 // C: the capacity until Close, and none after it
	pointers bool          // T holds pointers

	closed  atomic.Bool // D: no push can begin, and those under way have a claim
	pushers sleepers    // wait for room
	poppers sleepers    // wait for values, or for the last push to end
	_       cpu.Pad
}

// New returns an empty ring of the given capacity, which must be a power of
// two. It panics if it is not: the capacity is written in the program, and a
// silent rounding would double the memory and make Cap a surprise.
func New[T any](capacity int) *Ring[T] {
	if capacity < 1 || bits.OnesCount(uint(capacity)) != 1 {
		panic(fmt.Sprintf("spsc: capacity %d is not a power of two", capacity))
	}
	r := &Ring[T]{slots: slots.Make[T](capacity, cpu.LineSize), pointers: slots.HavePointers(reflect.TypeFor[T]())}
	r.limit.Store(uint64(capacity))
	return r
}

// TryPush appends v and reports whether there was room. Producer only.
func (r *Ring[T]) TryPush(v T) bool {
	tail := r.tail.Load() // our own word
	r.prod.claim.publish(tail + 1)
	if tail-r.prod.head.seen >= r.limit.Load() && r.room(tail) == 0 { // C
		return false
	}
	r.slots[tail&uint64(len(r.slots)-1)] = v
	r.tail.publish(tail + 1) // A: release
	r.poppers.wake()
	return true
}

// TryPop removes the oldest value; ok is false if the ring is empty. Consumer
// only.
func (r *Ring[T]) TryPop() (v T, ok bool) {
	head := r.head.Load() // our own word
	if head == r.cons.tail.seen && r.held(head) == 0 {
		return v, false
	}
	slot := &r.slots[head&uint64(len(r.slots)-1)]
	v = *slot
	if r.pointers {
		var zero T
		*slot = zero // or the ring would keep v alive
	}
	r.head.publish(head + 1) // B: release
	r.pushers.wake()
	return v, true
}

// TryPushN appends as many of vs as there is room for, the first ones first,
// and returns how many. It keeps the values and not vs. Producer only.
func (r *Ring[T]) TryPushN(vs []T) int { return r.push(vs, 1) }

// TryPushAll appends all of vs if there is room for all, or nothing, and reports
// which. More than the capacity never fits. Producer only.
func (r *Ring[T]) TryPushAll(vs []T) bool { return r.push(vs, len(vs)) == len(vs) }

// TryPopN removes the oldest values, as many as there are and as vs holds, puts
// them in vs, oldest first, and returns how many. Consumer only.
func (r *Ring[T]) TryPopN(vs []T) int { return r.pop(vs, 1) }

// TryPopAll removes as many values as vs holds and puts them in vs, oldest first,
// or nothing if there are fewer, and reports which. Consumer only.
func (r *Ring[T]) TryPopAll(vs []T) bool { return r.pop(vs, len(vs)) == len(vs) }

// push appends as many of vs as there is room for, or none if those are fewer
// than least.
func (r *Ring[T]) push(vs []T, least int) int {
	a, b := r.reserve(len(vs), least)
	n := len(a) + len(b)
	if n == 0 {
		return 0 // not even the counter's line is touched
	}
	copy(b, vs[copy(a, vs):n])
	tail := r.tail.Load() + uint64(n)
	r.prod.claim.publish(tail)
	r.tail.publish(tail) // A: release
	r.poppers.wake()
	return n
}

// pop removes as many values as vs holds, or none if there are fewer than least.
func (r *Ring[T]) pop(vs []T, least int) int {
	a, b := r.peek(len(vs), least)
	n := len(a) + len(b)
	if n == 0 {
		return 0
	}
	copy(vs[copy(vs, a):], b)
	if r.pointers {
		zero(a)
		zero(b)
	}
	r.head.publish(r.head.Load() + uint64(n)) // B: release
	r.pushers.wake()
	return n
}

// Len returns how many values the ring holds. Anyone may ask. To the producer
// and the consumer the answer is exact, but the other side may change it at any
// moment; to others, who can watch only one counter at a time, it is an upper
// bound.
func (r *Ring[T]) Len() int {
	head := r.head.Load() // first, so that it cannot be ahead of tail
	return int(min(r.tail.Load()-head, uint64(len(r.slots))))
}

// Cap returns the capacity that New was given.
func (r *Ring[T]) Cap() int { return len(r.slots) }

// room looks how far the consumer is and returns how many slots are free. If none
// is, or the ring is closed, it gives up the claim.
func (r *Ring[T]) room(tail uint64) int {
	if r.limit.Load() != 0 { // C
		before := r.prod.head.seen
		if gain := r.prod.head.look(&r.head, len(r.slots)); gain > 1 { // B: acquire
			a, b := r.segments(before, int(gain))
			fetch(a, true)
			fetch(b, true)
		}
		if free := len(r.slots) - int(tail-r.prod.head.seen); free > 0 {
			return free
		}
	}
	r.unclaim(tail)
	return 0
}

// unclaim ends a push that did not come to be. The consumer may sleep until it
// knows.
func (r *Ring[T]) unclaim(tail uint64) {
	r.prod.claim.publish(tail)
	r.poppers.wake()
}

// held looks how far the producer is and returns how many values there are.
func (r *Ring[T]) held(head uint64) int {
	before := r.cons.tail.seen
	if gain := r.cons.tail.look(&r.tail, len(r.slots)); gain > 1 { // A: acquire
		a, b := r.segments(before, int(gain))
		fetch(a, false)
		fetch(b, false)
	}
	return int(r.cons.tail.seen - head)
}

// segments returns the n slots that begin with number from: those up to the end
// of the array, and those that go on at its beginning.
func (r *Ring[T]) segments(from uint64, n int) (a, b []T) {
	i := int(from & uint64(len(r.slots)-1))
	a = r.slots[i:min(i+n, len(r.slots))]
	return a, r.slots[:n-len(a)]
}

// zero is clear, which the race detector does not see.
func zero[T any](slots []T) {
	var zero T
	for i := range slots {
		slots[i] = zero
	}
}

// What follows is not generic for speed: into code that is made of a generic
// type elsewhere, the compiler inlines only what it has already inlined in this
// package.

// A counter counts slots. One side writes it, the other reads it.
type counter struct{ atomic.Uint64 }

// publish hands over the slots before n.
func (c *counter) publish(n uint64) { cpu.Publish(&c.Uint64, n) }

// sleepers are those on one side who wait: one for each of two roles at most, but
// any number of channels.
type sleepers struct{ eventcount.Event }

// wake is called after each change that they may wait for.
func (s *sleepers) wake() { s.Notify(1) }

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
// find more. A single item on its way there and back meets one pause at most.
//
// # Cost
//
// A push or a pop is one publishing store and no read-modify-write: a plain MOV
// on amd64, an STLR on arm64. Bursts pay it once, and one look.
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
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Ring is a FIFO of fixed capacity between one producer goroutine and one
// consumer goroutine. Either role may pass to another goroutine if something
// else, such as a channel or a mutex, orders the old holder before the new.
//
// Progress. Every method is wait-free: no lock, no allocation, no call into the
// scheduler, and no loop but over the values of a burst and over at most 16
// processor pauses.
//
// Order. In the terminology of the Go memory model, a push synchronizes before
// the pop that returns its value, and a pop synchronizes before the push that
// next uses its slot. A call that finds the ring full or empty orders nothing,
// and no call is a fence: what follows a push may be done before the consumer
// can see the value.
//
// Ownership. The consumer owns slots [head, tail), the producer the rest. A
// slot changes hands at the store of the counter that moves past it: A to the
// consumer, B back to the producer. A popped slot is zeroed before it is handed
// back, so the ring keeps nothing alive.
//
// Layout. The producer's words, the consumer's words and the words that nobody
// writes are at least cpu.LineSize bytes apart, and the slots as far from
// foreign memory, whatever the alignment of the Ring.
//
// A Ring must not be copied. Make one with New.
type Ring[T any] struct {
	_ cpu.Pad

	// prod is written by the producer alone.
	prod struct {
		tail counter // slots filled so far; the consumer reads it
		head view    // what the producer knows of cons.head
	}
	_ cpu.Pad

	// cons is written by the consumer alone.
	cons struct {
		head counter // slots emptied so far; the producer reads it
		tail view    // what the consumer knows of prod.tail
	}
	_ cpu.Pad

	// slots is set by New, read by both sides, never written again. Its length
	// is the capacity.
	slots []T
	_     cpu.Pad
}

// New returns an empty ring of the given capacity, which must be a power of
// two. It panics if it is not: the capacity is written in the program, and a
// silent rounding would double the memory and make Cap a surprise.
func New[T any](capacity int) *Ring[T] {
	if capacity < 1 || bits.OnesCount(uint(capacity)) != 1 {
		panic(fmt.Sprintf("spsc: capacity %d is not a power of two", capacity))
	}
	return &Ring[T]{slots: makeSlots[T](capacity)}
}

// TryPush appends v and reports whether there was room. Producer only.
func (r *Ring[T]) TryPush(v T) bool {
	tail := r.prod.tail.Load() // our own word
	if tail-r.prod.head.seen >= uint64(len(r.slots)) {
		// Full, as far as we know: look, and if there is room, once more.
		return r.prod.head.look(&r.cons.head, len(r.slots)) && r.TryPush(v) // B: acquire
	}
	r.slots[tail&uint64(len(r.slots)-1)] = v
	r.prod.tail.publish(tail + 1) // A: release
	return true
}

// TryPop removes the oldest value; ok is false if the ring is empty. Consumer
// only.
func (r *Ring[T]) TryPop() (v T, ok bool) {
	head := r.cons.head.Load() // our own word
	// None held, less one, is more than any capacity. Asked in this way, the
	// question tells the compiler that there are slots, and it checks no bounds.
	if r.cons.tail.seen-head-1 >= uint64(len(r.slots)) {
		if !r.cons.tail.look(&r.prod.tail, len(r.slots)) { // A: acquire
			return v, false
		}
		return r.TryPop()
	}
	slot := &r.slots[head&uint64(len(r.slots)-1)]
	v = *slot
	var zero T
	*slot = zero                  // or the ring would keep v alive
	r.cons.head.publish(head + 1) // B: release
	return v, true
}

// TryPushN appends as many of vs as there is room for, the first ones first,
// and returns how many. It keeps the values and not vs. Producer only.
func (r *Ring[T]) TryPushN(vs []T) int {
	tail := r.prod.tail.Load() // our own word
	if room := len(r.slots) - int(tail-r.prod.head.seen); room < len(vs) {
		r.prod.head.seen = r.cons.head.Load() // B: acquire
		room = len(r.slots) - int(tail-r.prod.head.seen)
		vs = vs[:min(room, len(vs))]
	}
	if len(vs) == 0 {
		return 0 // not even the counter's line is touched
	}
	a, b := r.segments(tail, len(vs))
	copy(b, vs[copy(a, vs):])
	r.prod.tail.publish(tail + uint64(len(vs))) // A: release
	return len(vs)
}

// TryPopN removes the oldest values, as many as there are and as vs holds, puts
// them in vs, oldest first, and returns how many. Consumer only.
func (r *Ring[T]) TryPopN(vs []T) int {
	head := r.cons.head.Load() // our own word
	if held := int(r.cons.tail.seen - head); held < len(vs) {
		r.cons.tail.seen = r.prod.tail.Load() // A: acquire
		held = int(r.cons.tail.seen - head)
		vs = vs[:min(held, len(vs))]
	}
	if len(vs) == 0 {
		return 0
	}
	a, b := r.segments(head, len(vs))
	take(vs, a)
	take(vs[len(a):], b)
	r.cons.head.publish(head + uint64(len(vs))) // B: release
	return len(vs)
}

// segments returns the n slots that begin with number from: those up to the end
// of the array, and those that go on at its beginning.
func (r *Ring[T]) segments(from uint64, n int) (a, b []T) {
	i := int(from & uint64(len(r.slots)-1))
	a = r.slots[i:min(i+n, len(r.slots))]
	return a, r.slots[:n-len(a)]
}

// take moves what is in slots to dst, which has room for it, and leaves zeros.
func take[T any](dst, slots []T) {
	copy(dst, slots)
	var zero T
	for i := range slots { // clear would do, if the race detector saw it
		slots[i] = zero
	}
}

// Len returns how many values the ring holds. Anyone may ask. To the producer
// and the consumer the answer is exact, but the other side may change it at any
// moment; to others, who can watch only one counter at a time, it is an upper
// bound.
func (r *Ring[T]) Len() int {
	head := r.cons.head.Load() // first, so that it cannot be ahead of tail
	return int(min(r.prod.tail.Load()-head, uint64(len(r.slots))))
}

// Cap returns the capacity that New was given.
func (r *Ring[T]) Cap() int { return len(r.slots) }

// A counter counts slots. One side writes it, the other reads it.
type counter struct{ atomic.Uint64 }

// publish hands over the slots before n. It is a method of a type that is not
// generic for speed: into code that is made of a generic type elsewhere, the
// compiler inlines only what it has already inlined in this package.
func (c *counter) publish(n uint64) { cpu.Publish(&c.Uint64, n) }

// Package mpmc provides a bounded ring between any number of producers and any
// number of consumers.
//
// # Algorithm
//
// After Vyukov [1]. Two counters only ever grow: tail numbers the pushes and
// head the pops, and push number n and pop number n use the same slot, n masked
// by the capacity. Each slot says whose turn it is: 2n, it is free for push n;
// 2n+1, it holds the value for pop n, after which it is free for push n plus
// the capacity. To push:
//
//  1. Load tail, and see whether the turn of its slot is 2·tail.
//  2. Claim the slot: move tail on with a compare-and-swap.
//  3. Write the value, then publish turn 2·tail+1.
//
// A pop does the same with head and the other turn. Turns are compared by
// difference, so they hold across the wrap of a uint64. Vyukov's slots count
// n, n+1, n plus the capacity, which says two things at once in a ring of one
// slot; doubled, the turns never meet.
//
// # Cost
//
// A push or a pop is one compare-and-swap and one publishing store: a plain MOV
// on amd64, an STLR on arm64. A burst pays the compare-and-swap once. Under
// contention, what costs is the line of the counter that all of one side claim
// from, so bursts are worth more than any other tuning.
//
// [1]: D. Vyukov, Bounded MPMC Queue, 1024cores.net.
package mpmc

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Ring is a FIFO of fixed capacity. Any goroutine may push and any may pop.
// Values leave in the order in which their pushes claimed slots; those of one
// burst stay together.
//
// Progress. No call takes a lock, allocates or enters the scheduler, but none
// is lock-free in the textbook sense: a producer suspended between claiming a
// slot and publishing it hides the values behind it from every consumer until
// it runs again. TryPop then reports empty although later values are present.
// No other producer is delayed until the ring has gone once round. In the same
// way a consumer suspended between claiming and giving back makes the ring full
// once it has gone round. A call that loses a race for a claim, which means that
// another won it, tries again.
//
// Order. In the terminology of the Go memory model, a push synchronizes before
// the pop that returns its value, and a pop synchronizes before the push that
// next uses its slot. A call that finds the ring full or empty orders nothing,
// and no call is a fence: what follows a push may be done before others can see
// the value.
//
// Ownership. A slot belongs to whoever claimed it, from the compare-and-swap to
// the store of the turn that gives it away: A to the consumer, B back to a
// producer. A popped slot is zeroed before it is given back, so the ring keeps
// nothing alive.
//
// Layout. The two counters and the words that nobody writes are at least
// cpu.LineSize bytes apart, and the slots as far from foreign memory, whatever
// the alignment of the Ring. Slots are packed: neighbours share a line, so that
// a burst moves few of them.
//
// A Ring must not be copied. Make one with New.
type Ring[T any] struct {
	_    cpu.Pad
	tail counter // pushes claimed so far
	_    cpu.Pad
	head counter // pops claimed so far
	_    cpu.Pad

	// slots is set by New, read by all, never written again. Its length is the
	// capacity.
	slots []slot[T]
	_     cpu.Pad
}

// A slot holds one value at a time.
type slot[T any] struct {
	turn turn
	v    T
}

// New returns an empty ring of the given capacity, which must be a power of
// two. It panics if it is not: the capacity is written in the program, and a
// silent rounding would double the memory and make Cap a surprise.
func New[T any](capacity int) *Ring[T] {
	if capacity < 1 || bits.OnesCount(uint(capacity)) != 1 {
		panic(fmt.Sprintf("mpmc: capacity %d is not a power of two", capacity))
	}
	r := &Ring[T]{slots: makeSlots[T](capacity)}
	for n := range uint64(capacity) {
		r.slot(n).turn.Store(2*n + free)
	}
	return r
}

// TryPush appends v and reports whether there was room.
func (r *Ring[T]) TryPush(v T) bool {
	var b spinlock.Backoff
	for {
		tail := r.tail.Load() // before the turn: see claim
		s := r.slot(tail)
		early := s.turn.early(2*tail + free) // B: acquire
		if early == 0 && r.tail.claim(tail, 1) {
			s.put(v, tail)
			return true
		}
		if early > 0 {
			return false
		}
		b.Lost()
	}
}

// TryPop removes the oldest value; ok is false if the ring is empty.
func (r *Ring[T]) TryPop() (v T, ok bool) {
	var b spinlock.Backoff
	for {
		head := r.head.Load() // before the turn: see claim
		s := r.slot(head)
		early := s.turn.early(2*head + full) // A: acquire
		if early == 0 && r.head.claim(head, 1) {
			return s.take(head + uint64(len(r.slots))), true
		}
		if early > 0 {
			return v, false
		}
		b.Lost()
	}
}

// TryPushN appends as many of vs as there is room for, the first ones first,
// and returns how many. It keeps the values and not vs.
func (r *Ring[T]) TryPushN(vs []T) int {
	tail, n := r.claim(&r.tail, free, len(vs))
	for i, v := range vs[:n] {
		number := tail + uint64(i)
		r.slot(number).put(v, number)
	}
	return n
}

// TryPopN removes the oldest values, as many as there are and as vs holds, puts
// them in vs, oldest first, and returns how many.
func (r *Ring[T]) TryPopN(vs []T) int {
	head, n := r.claim(&r.head, full, len(vs))
	for i := range vs[:n] {
		number := head + uint64(i)
		vs[i] = r.slot(number).take(number + uint64(len(r.slots)))
	}
	return n
}

// claim claims for the caller up to limit slots in a row whose turn it is, and
// returns the number of the first and how many: none if the turn of the first
// is still to come.
//
// The slots cannot change hands between the look at their turns and the claim.
// The turn of slot n leaves 2n+free only by whoever claims number n, and that
// moves the counter past n, for good: the counter never comes back to first. So
// if the compare-and-swap finds it there still, nobody has claimed any number
// from first on, and the turns are as they were seen.
//
// That the turn of the first is still to come means full, or empty, and not a
// lost race: the counter, loaded before the turn, has not gone past first, for
// whoever moved it past had seen that turn come.
func (r *Ring[T]) claim(c *counter, side uint64, limit int) (first uint64, n int) {
	var b spinlock.Backoff
	for {
		first = c.Load()
		early := int64(0)
		for n = 0; n < limit; n++ { // ends within one round of the ring
			number := first + uint64(n)
			early = r.slot(number).turn.early(2*number + side) // A, B: acquire
			if early != 0 {
				break
			}
		}
		if n == 0 && early >= 0 || n > 0 && c.claim(first, n) {
			return first, n
		}
		b.Lost()
	}
}

// slot returns the slot of push and pop number n.
func (r *Ring[T]) slot(n uint64) *slot[T] { return &r.slots[n&uint64(len(r.slots)-1)] }

// put fills the slot, which the caller has claimed as push number n, and gives
// it to pop number n.
func (s *slot[T]) put(v T, n uint64) {
	s.v = v
	s.turn.publish(2*n + full) // A: release
}

// take empties the slot, which the caller has claimed for a pop, and gives it to
// push number next.
func (s *slot[T]) take(next uint64) T {
	v := s.v
	var zero T
	s.v = zero                    // or the ring would keep v alive
	s.turn.publish(2*next + free) // B: release
	return v
}

// Len returns how many values the ring holds, those included whose push or pop
// is under way. Others may change it at any moment, and while they do, the
// answer is an upper bound.
func (r *Ring[T]) Len() int {
	head := r.head.Load() // first, so that it cannot be ahead of tail
	return int(min(r.tail.Load()-head, uint64(len(r.slots))))
}

// Cap returns the capacity that New was given.
func (r *Ring[T]) Cap() int { return len(r.slots) }

// What follows is not generic for speed: into code that is made of a generic
// type elsewhere, the compiler inlines only what it has already inlined in this
// package.

// A counter numbers the pushes or the pops.
type counter struct{ atomic.Uint64 }

// claim moves the counter from first on by n, unless somebody else has.
func (c *counter) claim(first uint64, n int) bool {
	return c.CompareAndSwap(first, first+uint64(n))
}

// A turn tells whose a slot is to claim: push number n may on turn 2n+free, pop
// number n on turn 2n+full.
type turn struct{ atomic.Uint64 }

const (
	free = 0
	full = 1
)

// early returns by how much want is still to come: 0 if it is there, less if it
// is over.
func (t *turn) early(want uint64) int64 { return int64(want - t.Load()) }

// publish ends the caller's claim. The turn of a claimed slot has no other
// writer, and nothing ever swaps or adds to a turn, so publishing it is enough.
func (t *turn) publish(next uint64) { cpu.Publish(&t.Uint64, next) }

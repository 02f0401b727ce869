// Package mpmc provides a bounded ring between any number of producers and any
// number of consumers, and a ring whose values pass stages of work in order.
//
// # Algorithm
//
// After Vyukov [1]. Two counters only ever grow: tail numbers the pushes and head
// the pops, and push number n and pop number n use the same slot, n masked by the
// capacity. Each slot has a turn, which says who may claim it: push n, or pop n
// once that has happened, and after that push n plus the capacity. To push:
//
//  1. Load tail, and see whether it is the turn of push number tail.
//  2. Claim the slot: move tail on with a compare-and-swap.
//  3. Write the value, then publish the turn of pop number tail.
//
// A pop does the same with head. Turns are compared by difference, so they hold
// across the wrap of a uint64. Vyukov's turns count n, n+1, n plus the capacity,
// which says two things at once in a ring of one slot. Here counters and turns go
// in steps of eight, pop n's turn lies half a step after push n's, and the steps
// between leave room for two flags in a counter: closed, and in hand, which a
// Reserve or a Peek sets. A counter with a flag wants a turn that never comes, so
// whoever meets one finds the ring full or empty, and no push or pop looks for
// flags.
//
// A burst would write as many turns as values, and so eight slots in a row have one
// more turn, which says the same of all of them: who publishes all eight writes that
// one alone. A slot's turn is the later of the two.
//
// # Cost
//
// A push or a pop is one compare-and-swap, one publishing store, a plain MOV on
// amd64 and an STLR on arm64, and one load that asks whether anybody sleeps. A burst
// pays the compare-and-swap once, and of eight slots that it has all of it publishes
// one turn. Values lie side by side, as Reserve and Peek need them, and so do the
// turns. A burst that has found the next one behind it asks for its lines (cpu.Prefetch).
//
// Why the claim is no fetch-and-add, and other ways that were tried, is in
// docs/rings.md.
//
// [1]: D. Vyukov, Bounded MPMC Queue, 1024cores.net.
package mpmc

import (
	"fmt"
	"math/bits"
	"reflect"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/eventcount"
	"github.com/ferrule-go/ferrule/internal/slots"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Ring is a FIFO of fixed capacity. Any goroutine may push and any may pop.
// Values leave in the order in which their pushes claimed slots; those of one
// burst stay together.
//
// Progress. What is called Try, Reserve, Commit, Peek and Release takes no lock, as
// long as nobody sleeps who is to be woken, and never enters the scheduler. But
// none is lock-free in the textbook sense: a producer suspended between claiming a
// slot and publishing it hides the values behind it from every consumer until it
// runs again. TryPop then reports empty although later values are present. No other
// producer is delayed until the ring has gone once round. In the same way a consumer
// suspended between claiming and giving back makes the ring full once it has gone
// round. A call that loses a race for a claim, which means that another won it,
// tries again. Push, Pop, PushN and PopN wait, and those who wait long sleep.
//
// Order. In the terminology of the Go memory model, a push synchronizes before
// the pop that returns its value, and a pop synchronizes before the push that
// next uses its slot. A call that finds the ring full or empty orders nothing,
// and no call is a fence: what follows a push may be done before others can see
// the value.
//
// Ownership. A slot belongs to whoever claimed it, from the compare-and-swap to
// the store of the turn that gives it away: A to the consumer, B back to a
// producer. A popped slot of a T with pointers is zeroed before it is given back,
// so the ring keeps nothing alive.
//
// Layout. The two counters, the words that nobody writes, those of the sleepers and
// those of whoever works in place are at least cpu.LineSize bytes apart, and the
// arrays of turns and values as far from foreign memory, whatever the alignment of
// the Ring. Both are packed: neighbours share a line, so that a burst moves few of
// them.
//
// A Ring must not be copied. Make one with New.
type Ring[T any] struct {
	_    cpu.Pad
	tail counter // pushes claimed so far
	_    cpu.Pad
	head counter // pops claimed so far
	_    cpu.Pad

	// Set by New, read by all, never written again. There are as many turns and
	// values as the capacity, and a turn of a run for each runLen of them.
	turns    []turn
	runs     []turn
	values   []T
	pointers bool // T has pointers, which the ring must not keep alive
	_        cpu.Pad

	// Written by who goes to sleep.
	pushers waiters // for room
	poppers waiters // for values
	_       cpu.Pad

	// Written by who has the ring in hand: see inplace.go.
	reserved claimed
	_        cpu.Pad
	peeked   claimed
	_        cpu.Pad
}

// New returns an empty ring of the given capacity, which must be a power of
// two. It panics if it is not: the capacity is written in the program, and a
// silent rounding would double the memory and make Cap a surprise.
func New[T any](capacity int) *Ring[T] {
	if capacity < 1 || bits.OnesCount(uint(capacity)) != 1 {
		panic(fmt.Sprintf("mpmc: capacity %d is not a power of two", capacity))
	}
	r := &Ring[T]{
		turns:    slots.Make[turn](capacity, cpu.LineSize),
		runs:     slots.Make[turn]((capacity+runLen-1)/runLen, cpu.LineSize),
		values:   slots.Make[T](capacity, cpu.LineSize),
		pointers: slots.HavePointers(reflect.TypeFor[T]()),
	}
	r.begin(0)
	return r
}

// begin puts both counters at n, with all slots free.
func (r *Ring[T]) begin(n uint64) {
	n *= step
	r.tail.Store(n)
	r.head.Store(n)
	for k := len(r.turns) - 1; k >= 0; k-- { // so that a run stands where its earliest slot does
		next := n + uint64(k)*step + free
		i := index(next, len(r.turns))
		r.turns[i].Store(next)
		r.runs[i/runLen].Store(next - uint64(i%runLen)*step)
	}
}

// TryPush appends v and reports whether there was room.
func (r *Ring[T]) TryPush(v T) bool {
	var b spinlock.Backoff
	for {
		tail := r.tail.Load() // before the turn: see claim
		i := index(tail, len(r.turns))
		early := r.turns[i].early(tail + free) // B: acquire
		if early > 0 {
			early = r.runs[i/runLen].earlyIn(i, tail+free) // B: acquire
		}
		if early == 0 && r.tail.claim(tail, 1) {
			r.values[i] = v
			r.turns[i].publish(tail + full) // A: release
			if r.poppers.any() {
				r.wakePoppers()
			}
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
		i := index(head, len(r.turns))
		early := r.turns[i].early(head + full) // A: acquire
		if early > 0 {
			early = r.runs[i/runLen].earlyIn(i, head+full) // A: acquire
		}
		if early == 0 && r.head.claim(head, 1) {
			v = r.values[i]
			if r.pointers {
				var zero T
				r.values[i] = zero
			}
			r.turns[i].publish(head + free + uint64(len(r.turns))*step) // B: release
			if r.pushers.any() {
				r.wakePushers()
			}
			return v, true
		}
		if early > 0 {
			return v, false
		}
		b.Lost()
	}
}

// TryPushN appends as many of vs as there is room for, the first ones first,
// and returns how many. It keeps the values and not vs.
func (r *Ring[T]) TryPushN(vs []T) int { return r.push(vs, 1) }

// TryPushAll appends vs if there is room for all, and reports whether there was.
func (r *Ring[T]) TryPushAll(vs []T) bool { return r.push(vs, len(vs)) == len(vs) }

// TryPopN removes the oldest values, as many as there are and as vs holds, puts
// them in vs, oldest first, and returns how many.
func (r *Ring[T]) TryPopN(vs []T) int { return r.pop(vs, 1) }

// TryPopAll fills vs with the oldest values if there are enough, and reports
// whether there were.
func (r *Ring[T]) TryPopAll(vs []T) bool { return r.pop(vs, len(vs)) == len(vs) }

// push appends as many of vs as there is room for, or none if those are fewer
// than least.
func (r *Ring[T]) push(vs []T, least int) int {
	tail, n := r.claim(&r.tail, free, least, len(vs))
	if n > 0 {
		a, b := parts(r.values, tail, n)
		copy(b, vs[copy(a, vs):n])
		r.give(tail, n, full) // A: release
		if r.poppers.any() {
			r.wakePoppers()
		}
	}
	return n
}

// pop fills vs with as many values as there are, or none if those are fewer than
// least.
func (r *Ring[T]) pop(vs []T, least int) int {
	head, n := r.claim(&r.head, full, least, len(vs))
	if n > 0 {
		a, b := parts(r.values, head, n)
		if n >= runLen {
			r.fetchNext(head, n)
		}
		copy(vs[copy(vs, a):n], b)
		if r.pointers {
			zero(a)
			zero(b)
		}
		r.give(head+uint64(len(r.turns))*step, n, free) // B: release
		if r.pushers.any() {
			r.wakePushers()
		}
	}
	return n
}

// claim claims for the caller the slots in a row whose turn it is, up to most, and
// returns the number of the first and how many: none if those are fewer than
// least because the turn of the next is still to come.
//
// The slots cannot change hands between the look at their turns and the claim.
// The turn of slot n leaves what the caller wants only by whoever claims number n,
// and that moves the counter past n, for good: the counter never comes back to
// first. So if the compare-and-swap finds it there still, nobody has claimed any
// number from first on, and the turns are as they were seen.
//
// That a turn is still to come means full, or empty, and not a lost race: the
// counter, loaded before the turn, has not gone past first, for whoever moved it
// past had seen that turn come.
func (r *Ring[T]) claim(c *counter, side uint64, least, most int) (first uint64, n int) {
	var b spinlock.Backoff
	for {
		first = c.Load()
		held, early := r.count(first+side, most) // A, B: acquire
		if held < least && early > 0 || most == 0 {
			return first, 0
		}
		if held >= least && c.claim(first, held) {
			return first, held
		}
		b.Lost()
	}
}

// count returns how many slots in a row, up to most, have the turns that begin
// with want, and if there are fewer, by how much the next one's is still to come. It
// looks at a slot's own turn after that of the run. A turn only goes on, so what is
// still to come in both had not come when the first of them was loaded. A run may be
// behind slots that have gone on by themselves: then the counter has gone on, too, and
// the claim fails.
func (r *Ring[T]) count(want uint64, most int) (n int, early int64) {
	for n < min(most, len(r.turns)) {
		i := index(want, len(r.turns))
		k := min(runLen-i%runLen, len(r.turns)-i, len(r.turns)-n, most-n)
		early = r.runs[i/runLen].earlyIn(i, want)
		if early < 0 {
			return n, early
		}
		if early > 0 {
			if k, early = agree(r.turns[i:i+k], want); early != 0 {
				return n + k, early
			}
		}
		n += k
		want += uint64(k) * step
	}
	if n == len(r.turns) && n < most {
		early = 1 // the first one again, which the claim is still to come for
	}
	return n, early
}

// fetchNext asks for the values of as many slots again, behind n from number first on,
// if bursts have filled them: then nobody writes there.
func (r *Ring[T]) fetchNext(first uint64, n int) {
	next := first + uint64(n)*step
	last := next + uint64(n-1)*step
	i := index(last, len(r.turns))
	if r.runs[i/runLen].earlyIn(i, last+full) == 0 {
		a, b := parts(r.values, next, n)
		fetch(a)
		fetch(b)
	}
}

// give gives n slots, from number first on, to the side whose turn it is then. It
// begins with the last: the other side takes slots from the first on, so it gets
// all of them at once, and reads none of their lines while they are written.
func (r *Ring[T]) give(first uint64, n int, side uint64) {
	for next := first + uint64(n)*step; n > 0; {
		i := index(next-step, len(r.turns))
		if i%runLen == runLen-1 && n >= runLen {
			n -= runLen
			next -= runLen * step
			r.runs[i/runLen].publish(next + side)
		} else {
			n--
			next -= step
			r.turns[i].publish(next + side)
		}
	}
}

// parts returns the n slots from number first on: those up to the end of the array,
// and those that go on at its beginning.
func parts[S any](slots []S, first uint64, n int) (a, b []S) {
	i := index(first, len(slots))
	a = slots[i:min(i+n, len(slots))]
	return a, slots[:n-len(a)]
}

func zero[T any](vs []T) {
	var zero T
	for i := range vs { // clear would do, if the race detector saw it
		vs[i] = zero
	}
}

// Len returns how many values the ring holds, those included whose push or pop
// is under way. Others may change it at any moment, and while they do, the
// answer is an upper bound.
func (r *Ring[T]) Len() int {
	head := r.head.Load() // first, so that it cannot be ahead of tail
	return int(min((r.tail.Load()-head&^flags)/step, uint64(len(r.turns))))
}

// Cap returns the capacity that New was given.
func (r *Ring[T]) Cap() int { return len(r.turns) }

// What follows is not generic for speed: into code that is made of a generic
// type elsewhere, the compiler inlines only what it has already inlined in this
// package.

// A counter numbers the pushes or the pops, in steps. What it has over a whole
// number of steps are flags, each of which makes the turn that is wanted next one
// that never comes: nothing else has to look at them.
type counter struct{ atomic.Uint64 }

const (
	step = 8

	closed = 1 // for good; of tail only
	inHand = 2 // a Reserve or a Peek is under way
	flags  = closed | inHand
)

// claim moves the counter on from first by n, unless somebody else has, or has set
// a flag.
func (c *counter) claim(first uint64, n int) bool {
	return c.CompareAndSwap(first, first+uint64(n)*step)
}

// index returns which of so many slots is used by push and pop number n.
func index(n uint64, capacity int) int { return int(n / step & uint64(capacity-1)) }

// A turn tells whose a slot is to claim: push number n may on turn n+free, pop
// number n on turn n+full. The turn of a run is that of its first slot, and says of
// the others what follows from it; whoever has claimed all of it writes it, and those
// who have claimed some of its slots write theirs. The later turn counts, since both
// only go on. (One that is not written falls behind, and would look as if it were
// ahead after 2⁶⁰ pushes.)
type turn struct{ atomic.Uint64 }

const (
	free = 0
	full = step / 2

	runLen = 8 // a line of words
)

// early returns by how much want is still to come: 0 if it is there, less if it
// is over.
func (t *turn) early(want uint64) int64 { return int64(want - t.Load()) }

// earlyIn is early for the turn of the run in which slot i is.
func (t *turn) earlyIn(i int, want uint64) int64 { return t.early(want - uint64(i%runLen)*step) }

// publish ends the caller's claim. The turn of a claimed slot has no other
// writer, and nothing ever swaps or adds to a turn, so publishing it is enough.
func (t *turn) publish(next uint64) { cpu.Publish(&t.Uint64, next) }

// agree returns how many of turns are the ones that begin with want, and if not
// all are, by how much the next one is still to come.
func agree(turns []turn, want uint64) (n int, early int64) {
	for i := range turns {
		if early = turns[i].early(want); early != 0 {
			return i, early
		}
		want += step
	}
	return len(turns), 0
}

// waiters are those who sleep.
type waiters struct{ eventcount.Event }

// any reports whether there are some. Whoever has made something happen that they
// may be waiting for asks, and then wakes them.
func (w *waiters) any() bool { return w.Waited() }

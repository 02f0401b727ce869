package mpmc

import (
	"fmt"

	"github.com/ferrule-go/ferrule/spinlock"
)

// claimed is what a Reserve or a Peek has in hand. It belongs to whoever has set
// inHand in the counter, until the counter moves on.
type claimed struct {
	first uint64
	n     int // 0 if nothing is in hand
}

// end returns the first of the slots, of which n are to change hands.
func (c *claimed) end(n int) (first uint64) {
	if n < 0 || n > c.n || c.n == 0 {
		panic(fmt.Sprintf("mpmc: commit or release of %d slots with %d in hand", n, c.n))
	}
	c.n = 0
	return c.first
}

// Reserve returns up to n free slots in a row, to be filled in place and then
// pushed with Commit: a, and where the array ends within them, b, which goes on at
// its beginning. They are fewer if there is less room, and if there are none,
// nothing is reserved and there must be no Commit.
//
// Until Commit the ring is full to everybody else who would push, so be brief: a
// goroutine that is descheduled meanwhile keeps all producers waiting. Poppers
// are not hindered. The slots may hold old values of a T without pointers.
func (r *Ring[T]) Reserve(n int) (a, b []T) { return r.take(&r.tail, free, &r.reserved, n) }

// Commit pushes the first n of the slots reserved, which may be none.
func (r *Ring[T]) Commit(n int) {
	first := r.reserved.end(n)
	r.tail.Add(uint64(n)*step - inHand)
	r.give(first, n, full) // A: release
	if r.poppers.any() {
		r.wakePoppers()
	}
	if r.pushers.any() {
		r.wakePushers()
	}
}

// Peek returns up to n of the oldest values in place, to be read, or changed, and
// then popped with Release: a, and where the array ends within them, b, which goes
// on at its beginning. If there are none, nothing is taken and there must be no
// Release.
//
// Until Release the ring is empty to everybody else who would pop, as with
// Reserve.
func (r *Ring[T]) Peek(n int) (a, b []T) { return r.take(&r.head, full, &r.peeked, n) }

// Release pops the first n of the values peeked at, which may be none.
func (r *Ring[T]) Release(n int) {
	first := r.peeked.end(n)
	if r.pointers {
		a, b := parts(r.values, first, n)
		zero(a)
		zero(b)
	}
	r.head.Add(uint64(n)*step - inHand)
	r.give(first+uint64(len(r.turns))*step, n, free) // B: release
	if r.pushers.any() {
		r.wakePushers()
	}
	if r.poppers.any() {
		r.wakePoppers()
	}
}

// take marks the counter as in hand, if there is one slot at least whose turn it
// is, and returns those of up to n.
func (r *Ring[T]) take(c *counter, side uint64, hand *claimed, n int) (a, b []T) {
	var lost spinlock.Backoff
	for {
		first := c.Load()
		held, early := r.count(first+side, n) // A, B: acquire
		if held == 0 && early >= 0 {
			return nil, nil
		}
		if held > 0 && c.CompareAndSwap(first, first|inHand) {
			*hand = claimed{first, held}
			return parts(r.values, first, held)
		}
		lost.Lost()
	}
}

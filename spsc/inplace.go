package spsc

import "fmt"

// Reserve returns up to n free slots, fewer if there are fewer, for the producer
// to fill before Commit hands them over: a, and then b, which begins the array
// anew. Their contents are of no account. Until Commit no other push may be made,
// and however few it commits, it has to follow if there were any. Producer only.
func (r *Ring[T]) Reserve(n int) (a, b []T) { return r.reserve(n, 1) }

// Commit appends the first n of the slots that Reserve returned, and lets go of
// the others. Producer only. It panics if there are fewer.
func (r *Ring[T]) Commit(n int) {
	tail := r.tail.Load() + uint64(n)
	if n < 0 || tail-r.prod.head.seen > uint64(len(r.slots)) {
		panic(fmt.Sprintf("spsc: Commit of %d slots, which were not reserved", n))
	}
	r.prod.claim.publish(tail)
	r.tail.publish(tail) // A: release
	r.poppers.wake()
}

// Peek returns the oldest values, up to n, in their slots: a, and then b, which
// begins the array anew. They stay where they are, and the consumer may change
// them, until Release hands the slots back. Peek again, and it returns them again.
// Consumer only.
func (r *Ring[T]) Peek(n int) (a, b []T) { return r.peek(n, 1) }

// Release removes the n oldest values, all of which Peek has returned. Consumer
// only. It panics if there are fewer.
func (r *Ring[T]) Release(n int) {
	head := r.head.Load()
	if n < 0 || uint64(n) > r.cons.tail.seen-head {
		panic(fmt.Sprintf("spsc: Release of %d values, which were not peeked", n))
	}
	if r.pointers {
		a, b := r.segments(head, n)
		zero(a)
		zero(b)
	}
	r.head.publish(head + uint64(n)) // B: release
	r.pushers.wake()
}

// reserve returns up to n free slots, or none if there are fewer than least, and
// has a claim if it returns any.
func (r *Ring[T]) reserve(n, least int) (a, b []T) {
	if n <= 0 {
		return nil, nil
	}
	tail := r.tail.Load() // our own word
	r.prod.claim.publish(tail + 1)
	free := int(r.limit.Load()) - int(tail-r.prod.head.seen) // C
	if free < n {
		if free = r.room(tail); free == 0 {
			return nil, nil
		}
		if free < least {
			r.unclaim(tail)
			return nil, nil
		}
	}
	return r.segments(tail, min(n, free))
}

// peek returns the oldest values, up to n, or none if there are fewer than least.
func (r *Ring[T]) peek(n, least int) (a, b []T) {
	head := r.head.Load() // our own word
	held := int(r.cons.tail.seen - head)
	if held < n {
		held = r.held(head)
	}
	if n <= 0 || held < least {
		return nil, nil
	}
	return r.segments(head, min(n, held))
}

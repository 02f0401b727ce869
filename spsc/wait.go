package spsc

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// ErrClosed is returned by Push and PushN if the ring is closed, and by Pop and
// PopN if it is empty as well.
var ErrClosed = errors.New("spsc: ring is closed")

// Push appends v, and waits for room as long as the context allows: first by
// pausing, then asleep. It returns ErrClosed, or the context's error; then v has
// not been appended. With room a context that is done already makes no difference.
// Producer only.
func (r *Ring[T]) Push(ctx context.Context, v T) error {
	if r.TryPush(v) {
		return nil
	}
	pushed := false
	err := r.pushers.Await(ctx, func() bool {
		pushed = r.TryPush(v)
		return pushed || r.Closed()
	})
	if err == nil && !pushed {
		return ErrClosed
	}
	return err
}

// Pop removes the oldest value, and waits for one as long as the context allows:
// first by pausing, then asleep. It returns ErrClosed once the ring is closed and
// empty, or the context's error. Consumer only.
func (r *Ring[T]) Pop(ctx context.Context) (T, error) {
	if v, ok := r.TryPop(); ok {
		return v, nil
	}
	var one [1]T
	_, err := r.popSoon(ctx, one[:])
	return one[0], err
}

// PushN appends vs, and waits for room as Push does, more than once if need be. It
// returns how many it has appended, and if those are not all, why. Producer only.
func (r *Ring[T]) PushN(ctx context.Context, vs []T) (n int, err error) {
	for n < len(vs) {
		pushed := 0
		err := r.pushers.Await(ctx, func() bool {
			pushed = r.TryPushN(vs[n:])
			return pushed > 0 || r.Closed()
		})
		n += pushed
		if err != nil {
			return n, err
		}
		if pushed == 0 {
			return n, ErrClosed
		}
	}
	return n, nil
}

// PopN removes the oldest values, as many as vs holds, puts them in vs, oldest
// first, and returns how many. If there is none it waits for one as Pop does, and
// takes what more there is then. Consumer only.
func (r *Ring[T]) PopN(ctx context.Context, vs []T) (int, error) {
	if len(vs) == 0 {
		return 0, nil
	}
	return r.popSoon(ctx, vs)
}

func (r *Ring[T]) popSoon(ctx context.Context, vs []T) (n int, err error) {
	err = r.poppers.Await(ctx, func() bool {
		n = r.TryPopN(vs)
		return n > 0 || r.drained()
	})
	if n == 0 && err == nil {
		err = ErrClosed
	}
	return n, err
}

// Close lets no push begin any more: to the producer the ring is full from now on,
// and it is woken. What was pushed before can still be popped, and what Reserve
// returned can still be committed. A push that is under way while another goroutine
// closes may take effect after Close has returned: who waits in Pop waits for it, too,
// and gets it before ErrClosed. Anyone may close. A Close of a closed ring does nothing.
func (r *Ring[T]) Close() {
	r.limit.Store(0) // C
	// Either a push found the limit, or its claim is visible now (cpu.Membarrier).
	if !cpu.Membarrier() {
		time.Sleep(100 * time.Microsecond) // a hundred times what a store buffer takes
	}
	r.closed.Store(true) // D: release
	r.pushers.NotifyAll()
	r.poppers.NotifyAll()
}

// Closed reports whether the ring is closed. Anyone may ask.
func (r *Ring[T]) Closed() bool { return r.closed.Load() }

// drained reports whether the ring is closed and empty for good.
func (r *Ring[T]) drained() bool {
	if !r.closed.Load() { // D: acquire
		return false
	}
	claim := r.prod.claim.Load() // C: before tail, which a push moves up to it
	tail := r.tail.Load()
	return claim == tail && r.head.Load() == tail
}

// All yields the oldest value, and removes it, until the ring is empty or the loop
// ends: it does not wait. Consumer only.
func (r *Ring[T]) All() iter.Seq[T] {
	return func(yield func(T) bool) {
		for {
			v, ok := r.TryPop()
			if !ok || !yield(v) {
				return
			}
		}
	}
}

// PopReady returns a channel that is closed once there is a value to pop or the
// ring is closed and empty, for use in a select. The next time ask for another
// channel. Anyone may ask.
func (r *Ring[T]) PopReady() <-chan struct{} {
	return r.poppers.Ready(func() bool { return r.Len() > 0 || r.drained() })
}

// PushReady returns a channel that is closed once there is room or the ring is
// closed; otherwise it is as PopReady.
func (r *Ring[T]) PushReady() <-chan struct{} {
	return r.pushers.Ready(func() bool { return r.Len() < r.Cap() || r.Closed() })
}

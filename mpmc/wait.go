package mpmc

import (
	"context"
	"errors"
	"iter"
)

// ErrClosed is returned by Push and PushN if the ring is closed, and by Pop and
// PopN if it is empty as well.
var ErrClosed = errors.New("mpmc: ring is closed")

// Push appends v, and waits for room as long as the context allows: first by
// pausing, then asleep. It returns ErrClosed, or the context's error; then v has
// not been appended. With room a context that is done already makes no difference.
func (r *Ring[T]) Push(ctx context.Context, v T) error {
	if r.TryPush(v) {
		return nil
	}
	n, err := r.pushSoon(ctx, []T{v})
	if n == 1 {
		return nil
	}
	return err
}

// Pop removes the oldest value, and waits for one as long as the context allows:
// first by pausing, then asleep. It returns ErrClosed once the ring is closed and
// empty, or the context's error.
func (r *Ring[T]) Pop(ctx context.Context) (T, error) {
	if v, ok := r.TryPop(); ok {
		return v, nil
	}
	var one [1]T
	_, err := r.popSoon(ctx, one[:])
	return one[0], err
}

// PushN appends vs, and waits for room as Push does, more than once if need be:
// the values of others may come between. It returns how many it has appended, and
// if those are not all, why.
func (r *Ring[T]) PushN(ctx context.Context, vs []T) (int, error) {
	n := 0
	for n < len(vs) {
		pushed, err := r.pushSoon(ctx, vs[n:])
		n += pushed
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// PopN removes the oldest values, as many as vs holds, puts them in vs, oldest
// first, and returns how many. If there is none it waits for one as Pop does, and
// takes what more there is then.
func (r *Ring[T]) PopN(ctx context.Context, vs []T) (int, error) {
	if len(vs) == 0 {
		return 0, nil
	}
	return r.popSoon(ctx, vs)
}

// pushSoon appends one of vs, and as many more as there is room for.
func (r *Ring[T]) pushSoon(ctx context.Context, vs []T) (n int, err error) {
	err = r.pushers.Await(ctx, func() bool {
		n = r.TryPushN(vs)
		return n > 0 || r.Closed()
	})
	if n == 0 && err == nil {
		err = ErrClosed
	}
	return n, err
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

// Close lets no push begin any more: to pushers the ring is full from now on, and
// they are woken. What was pushed before can still be popped. A Close of a closed
// ring does nothing.
func (r *Ring[T]) Close() {
	r.tail.Or(closed) // a claim that has not been made by now never will be
	r.pushers.NotifyAll()
	r.poppers.NotifyAll()
}

// Closed reports whether the ring is closed.
func (r *Ring[T]) Closed() bool { return r.tail.Load()&closed != 0 }

// drained reports whether the ring is closed and all that was pushed is claimed by
// poppers: tail does not move any more, and head has come to it.
func (r *Ring[T]) drained() bool {
	tail := r.tail.Load()
	return tail&flags == closed && r.head.Load() == tail&^flags
}

// All yields the oldest value, and removes it, until the ring is empty or the loop
// ends: it does not wait.
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
// ring is closed and empty, for use in a select. Somebody else may be first to pop
// it: then ask for another channel.
func (r *Ring[T]) PopReady() <-chan struct{} {
	ready := func() bool {
		n, _ := r.count(r.head.Load()+full, 1)
		return n > 0 || r.drained()
	}
	return r.poppers.Ready(ready)
}

// PushReady returns a channel that is closed once there is room or the ring is
// closed; otherwise it is as PopReady.
func (r *Ring[T]) PushReady() <-chan struct{} {
	ready := func() bool {
		n, _ := r.count(r.tail.Load()+free, 1)
		return n > 0 || r.Closed()
	}
	return r.pushers.Ready(ready)
}

// wakePoppers wakes as many as there are values. The one that was just published
// may have hidden others, whose publishers have woken somebody in vain. When the
// ring is closed, one popper may take what others wait for.
func (r *Ring[T]) wakePoppers() {
	if r.Closed() {
		r.poppers.NotifyAll()
	} else {
		r.poppers.Notify(r.Len())
	}
}

// wakePushers wakes as many as there is room for.
func (r *Ring[T]) wakePushers() {
	tail := r.tail.Load() // first, so that the room is not underrated
	held := int64(tail&^flags-r.head.Load()&^flags) / step
	r.pushers.Notify(len(r.turns) - int(max(0, held)))
}

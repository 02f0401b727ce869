package main

import (
	"context"

	"github.com/ferrule-go/ferrule/spsc"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// An order checks that numbers come in theirs.
type order struct{ next int }

func (o *order) got(vs ...int) {
	for _, v := range vs {
		if o.next++; v != o.next {
			sched.Fail("popped %d, want %d", v, o.next)
		}
	}
}

// spscTry has two values through a ring of one slot, which is full and empty by turns.
func spscTry() ([]func(), func()) {
	r := spsc.New[int](1)
	var popped order
	pushed := 0
	producer := func() {
		for range 2 {
			if r.TryPush(pushed + 1) {
				pushed++
			}
		}
	}
	consumer := func() {
		for range 2 {
			if v, ok := r.TryPop(); ok {
				popped.got(v)
			}
		}
	}
	return []func(){producer, consumer}, func() { spscLeft(r, pushed, &popped) }
}

func spscLeft(r *spsc.Ring[int], pushed int, popped *order) {
	if pushed-popped.next != r.Len() {
		sched.Fail("pushed %d and popped %d with %d left", pushed, popped.next, r.Len())
	}
	for v := range r.All() {
		popped.got(v)
	}
}

// spscBurst has bursts go round the end of a ring of two.
func spscBurst() ([]func(), func()) {
	r := spsc.New[int](2)
	r.TryPush(0)
	r.TryPop()
	var popped order
	pushed := 0
	producer := func() {
		for range 2 {
			pushed += r.TryPushN([]int{pushed + 1, pushed + 2})
		}
	}
	consumer := func() {
		for range 2 {
			var vs [2]int
			popped.got(vs[:r.TryPopN(vs[:])]...)
		}
	}
	return []func(){producer, consumer}, func() { spscLeft(r, pushed, &popped) }
}

// spscInPlace is spscBurst without a copy, by slots reserved and peeked at. Of those
// reserved first, one is not committed.
func spscInPlace() ([]func(), func()) {
	r := spsc.New[int](2)
	r.TryPush(0)
	r.TryPop()
	var popped order
	pushed := 0
	producer := func() {
		for i := range 2 {
			a, b := r.Reserve(2)
			if n := min(len(a)+len(b), i+1); n > 0 {
				for i := range n {
					*spot(a, b, i) = pushed + 1 + i
				}
				pushed += n
				r.Commit(n)
			}
		}
	}
	consumer := func() {
		for range 2 {
			a, b := r.Peek(2)
			popped.got(a...)
			popped.got(b...)
			r.Release(len(a) + len(b))
		}
	}
	return []func(){producer, consumer}, func() { spscLeft(r, pushed, &popped) }
}

// spot returns element i of two slices.
func spot(a, b []int, i int) *int {
	if i < len(a) {
		return &a[i]
	}
	return &b[i-len(a)]
}

// spscWait has both sides wait for the other at a ring of one slot.
func spscWait() ([]func(), func()) {
	r := spsc.New[int](1)
	var popped order
	producer := func() {
		for i := range 2 {
			r.Push(context.Background(), i+1)
		}
	}
	consumer := func() {
		for range 2 {
			v, _ := r.Pop(context.Background())
			popped.got(v)
		}
	}
	return []func(){producer, consumer}, func() { spscLeft(r, 2, &popped) }
}

// spscCancel has a pop that waits be given up when a value comes: it is popped, or
// still there.
func spscCancel() ([]func(), func()) {
	r := spsc.New[int](1)
	ctx := sched.NewContext()
	var popped order
	producer := func() { r.TryPush(1) }
	consumer := func() {
		if v, err := r.Pop(ctx); err == nil {
			popped.got(v)
		} else if err != context.Canceled {
			sched.Fail("%v", err)
		}
	}
	return []func(){producer, consumer, ctx.Cancel}, func() { spscLeft(r, 1, &popped) }
}

// spscClose has a push meet Close, by the one who then waits for all values there are.
func spscClose() ([]func(), func()) {
	r := spsc.New[int](1)
	pushed, popped := 0, 0
	producer := func() {
		if r.TryPush(1) {
			pushed++
		}
	}
	consumer := func() {
		r.Close()
		for {
			if _, err := r.Pop(context.Background()); err != nil {
				return
			}
			popped++
		}
	}
	return []func(){producer, consumer}, func() {
		if pushed != popped {
			sched.Fail("pushed %d and popped %d", pushed, popped)
		}
	}
}

// spscCloseAsleep has Close find one who waits for room, and one who waits for a value.
func spscCloseAsleep(full bool) func() ([]func(), func()) {
	return func() ([]func(), func()) {
		r := spsc.New[int](1)
		sleeper := func() {
			if _, err := r.Pop(context.Background()); err != spsc.ErrClosed {
				sched.Fail("Pop of an empty ring: %v", err)
			}
		}
		if full {
			r.TryPush(1)
			sleeper = func() {
				if err := r.Push(context.Background(), 2); err != spsc.ErrClosed {
					sched.Fail("Push to a full ring: %v", err)
				}
			}
		}
		return []func(){sleeper, r.Close}, func() {}
	}
}

// spscLossy has pushes overtake pops: what is pushed is popped in order, lost or left.
func spscLossy() ([]func(), func()) {
	l := spsc.NewLossy[int](1)
	l.Push(0)
	l.TryPop()
	last, popped := 0, 0
	got := func(v int) {
		if v <= last {
			sched.Fail("popped %d after %d", v, last)
		}
		last = v
		popped++
	}
	producer := func() {
		for i := range 3 {
			l.Push(i + 1)
		}
	}
	consumer := func() {
		for range 2 {
			if v, ok := l.TryPop(); ok {
				got(v)
			}
		}
	}
	return []func(){producer, consumer}, func() {
		for {
			v, ok := l.TryPop()
			if !ok {
				break
			}
			got(v)
		}
		if popped+int(l.Lost()) != 3 {
			sched.Fail("popped %d and lost %d of 3", popped, l.Lost())
		}
	}
}

// spscBytes has records of two sizes go round the end, and fill all there is.
func spscBytes() ([]func(), func()) {
	b := spsc.NewBytes(32)
	b.TryPush(make([]byte, 8))
	b.Peek()
	b.Release()
	pushed, popped := 0, 0
	records := [][]byte{make([]byte, 8), {}, {}, {}, make([]byte, 8)}
	producer := func() {
		for range records {
			if b.TryPush(records[pushed]) {
				pushed++
			}
		}
	}
	pop := func() bool {
		r, ok := b.Peek()
		if ok {
			if len(r) != len(records[popped]) {
				sched.Fail("record %d has %d bytes", popped, len(r))
			}
			popped++
			b.Release()
		}
		return ok
	}
	consumer := func() {
		pop()
		pop()
	}
	return []func(){producer, consumer}, func() {
		for pop() {
		}
		if pushed != popped {
			sched.Fail("pushed %d and popped %d", pushed, popped)
		}
	}
}

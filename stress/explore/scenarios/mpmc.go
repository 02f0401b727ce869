package main

import (
	"context"

	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// A tally is of values that say who pushed them: each comes out once, and those of
// one producer in their order.
type tally struct {
	pushed [2]int
	popped [3][]int // by each popper, the last in the end
}

func value(who, i int) int { return 10*who + i }

func (t *tally) check() {
	var next [2]int
	for _, vs := range t.popped {
		last := [2]int{-1, -1}
		for _, v := range vs {
			if v%10 <= last[v/10] {
				sched.Fail("popped %v", t.popped)
			}
			last[v/10] = v % 10
			next[v/10]++
		}
	}
	if next != t.pushed {
		sched.Fail("pushed %v of each and popped %v", t.pushed, t.popped)
	}
}

// rest pops what is left.
func (t *tally) rest(pop func([]int) int) {
	vs := make([]int, 8)
	t.popped[2] = vs[:pop(vs)]
	t.check()
}

// mpmcTry has two producers and a consumer at a ring of two slots.
func mpmcTry() ([]func(), func()) {
	r := mpmc.New[int](2)
	var t tally
	producer := func(who, n int) func() {
		return func() {
			for i := range n {
				if !r.TryPush(value(who, i)) {
					return
				}
				t.pushed[who]++
			}
		}
	}
	consumer := func() {
		for range 2 {
			if v, ok := r.TryPop(); ok {
				t.popped[0] = append(t.popped[0], v)
			}
		}
	}
	return []func(){producer(0, 2), producer(1, 1), consumer}, func() { t.rest(r.TryPopN) }
}

// mpmcPops has two consumers and a producer at a ring of one slot.
func mpmcPops() ([]func(), func()) {
	r := mpmc.New[int](1)
	var t tally
	producer := func() {
		for range 2 {
			if r.TryPush(value(0, t.pushed[0])) {
				t.pushed[0]++
			}
		}
	}
	consumer := func(who int) func() {
		return func() {
			if v, ok := r.TryPop(); ok {
				t.popped[who] = append(t.popped[who], v)
			}
		}
	}
	return []func(){producer, consumer(0), consumer(1)}, func() { t.rest(r.TryPopN) }
}

// mpmcBurst has a burst meet a push and a burst of pops. A run is two slots: the burst
// is one, or lies across two.
func mpmcBurst() ([]func(), func()) {
	r := mpmc.New[int](4)
	var t tally
	burst := func() { t.pushed[0] = r.TryPushN([]int{value(0, 0), value(0, 1)}) }
	single := func() {
		if r.TryPush(value(1, 0)) {
			t.pushed[1]++
		}
	}
	consumer := func() {
		vs := make([]int, 3)
		t.popped[0] = vs[:r.TryPopN(vs)]
	}
	return []func(){burst, single, consumer}, func() { t.rest(r.TryPopN) }
}

// mpmcRuns has bursts and single values by turns go round the end, so that a slot's
// turn is now its run's and now its own.
func mpmcRuns() ([]func(), func()) {
	r := mpmc.New[int](2)
	var t tally
	producer := func() {
		n := r.TryPushN([]int{value(0, 0), value(0, 1)})
		for range 2 {
			if r.TryPush(value(0, n)) {
				n++
			}
		}
		n += r.TryPushN([]int{value(0, n), value(0, n+1)})
		t.pushed[0] = n
	}
	consumer := func() {
		var got []int
		for _, n := range []int{2, 1, 1, 2} {
			vs := make([]int, n)
			got = append(got, vs[:r.TryPopN(vs)]...)
		}
		t.popped[0] = got
	}
	return []func(){producer, consumer}, func() { t.rest(r.TryPopN) }
}

// mpmcInPlace has one producer who reserves, beside one who does not, and a consumer
// who peeks.
func mpmcInPlace() ([]func(), func()) {
	r := mpmc.New[int](2)
	r.TryPush(0)
	r.TryPop()
	var t tally
	reserver := func() {
		a, b := r.Reserve(2)
		if n := len(a) + len(b); n > 0 {
			for i := range n {
				*spot(a, b, i) = value(0, i)
			}
			t.pushed[0] = n
			r.Commit(n)
		}
	}
	producer := func() {
		if r.TryPush(value(1, 0)) {
			t.pushed[1]++
		}
	}
	consumer := func() {
		a, b := r.Peek(2)
		t.popped[0] = append(append(t.popped[0], a...), b...)
		if n := len(a) + len(b); n > 0 {
			r.Release(n)
		}
	}
	return []func(){reserver, producer, consumer}, func() { t.rest(r.TryPopN) }
}

// mpmcWait has both sides wait for the other at a ring of one slot.
func mpmcWait() ([]func(), func()) {
	r := mpmc.New[int](1)
	var t tally
	producer := func() {
		for i := range 2 {
			r.Push(context.Background(), value(0, i))
			t.pushed[0]++
		}
	}
	consumer := func() {
		for range 2 {
			v, _ := r.Pop(context.Background())
			t.popped[0] = append(t.popped[0], v)
		}
	}
	return []func(){producer, consumer}, func() { t.rest(r.TryPopN) }
}

// mpmcWaitBoth has two consumers wait for a value each, which come in one burst.
func mpmcWaitBoth() ([]func(), func()) {
	r := mpmc.New[int](2)
	var t tally
	producer := func() { t.pushed[0] = r.TryPushN([]int{value(0, 0), value(0, 1)}) }
	consumer := func(who int) func() {
		return func() {
			v, _ := r.Pop(context.Background())
			t.popped[who] = []int{v}
		}
	}
	return []func(){producer, consumer(0), consumer(1)}, func() { t.rest(r.TryPopN) }
}

// mpmcBehind has two producers, so that one may publish behind the gap of the other,
// and a consumer who waits for both values.
func mpmcBehind() ([]func(), func()) {
	r := mpmc.New[int](2)
	var t tally
	producer := func(who int) func() {
		return func() {
			r.TryPush(value(who, 0))
			t.pushed[who]++
		}
	}
	consumer := func() {
		for range 2 {
			v, _ := r.Pop(context.Background())
			t.popped[0] = append(t.popped[0], v)
		}
	}
	return []func(){producer(0), producer(1), consumer}, func() { t.rest(r.TryPopN) }
}

// mpmcCancel has one of two consumers that wait give up: the one value is the other's.
func mpmcCancel() ([]func(), func()) {
	r := mpmc.New[int](1)
	ctx := sched.NewContext()
	var t tally
	producer := func() {
		r.TryPush(value(0, 0))
		t.pushed[0]++
		ctx.Cancel()
	}
	leaves := func() {
		if v, err := r.Pop(ctx); err == nil {
			if err := r.Push(context.Background(), v); err != nil {
				sched.Fail("%v", err)
			}
		}
	}
	stays := func() {
		v, _ := r.Pop(context.Background())
		t.popped[1] = []int{v}
	}
	return []func(){producer, leaves, stays}, func() { t.rest(r.TryPopN) }
}

// mpmcClose has a Close meet a push, and a consumer who waits until all is popped.
func mpmcClose() ([]func(), func()) {
	r := mpmc.New[int](1)
	var t tally
	producer := func() {
		if r.TryPush(value(0, 0)) {
			t.pushed[0]++
		}
	}
	consumer := func() {
		for {
			v, err := r.Pop(context.Background())
			if err != nil {
				return
			}
			t.popped[0] = append(t.popped[0], v)
		}
	}
	return []func(){producer, consumer, r.Close}, func() { t.check() }
}

// mpmcCloseReserved has a Close come while slots are reserved: what is committed then
// is popped before the consumer hears of the end.
func mpmcCloseReserved() ([]func(), func()) {
	r := mpmc.New[int](1)
	var t tally
	producer := func() {
		if a, _ := r.Reserve(1); len(a) == 1 {
			a[0] = value(0, 0)
			t.pushed[0]++
			r.Commit(1)
		}
	}
	consumer := func() {
		r.Close()
		for {
			v, err := r.Pop(context.Background())
			if err != nil {
				return
			}
			t.popped[0] = append(t.popped[0], v)
		}
	}
	return []func(){producer, consumer}, func() { t.check() }
}

// mpmcCloseAsleep has Close find two who wait for room.
func mpmcCloseAsleep() ([]func(), func()) {
	r := mpmc.New[int](1)
	r.TryPush(0)
	sleeper := func() {
		if err := r.Push(context.Background(), 1); err != mpmc.ErrClosed {
			sched.Fail("Push to a full ring: %v", err)
		}
	}
	return []func(){sleeper, sleeper, r.Close}, func() {}
}

// mpmcStaged has values go by two workers, who take them in turn and finish them in
// any order.
func mpmcStaged() ([]func(), func()) {
	r := mpmc.NewStaged[int](2, 1)
	r.TryPushN([]int{0, 1})
	var t tally
	t.pushed[0] = 2
	worker := func() {
		b := r.Acquire(0, 1)
		for i := range b.A {
			b.A[i] += 2
		}
		if b.Len() > 0 {
			r.Release(b)
		}
	}
	popper := func() {
		vs := make([]int, 2)
		t.popped[0] = vs[:r.TryPopN(vs)]
	}
	return []func(){worker, worker, popper}, func() {
		for b := r.Acquire(0, 1); b.Len() > 0; b = r.Acquire(0, 1) {
			b.A[0] += 2
			r.Release(b)
		}
		vs := make([]int, 2)
		t.popped[2] = vs[:r.TryPopN(vs)]
		for _, vs := range t.popped {
			for i := range vs {
				vs[i] -= 2 // or they were popped before the worker was done
			}
		}
		for i, v := range append(t.popped[0], t.popped[2]...) {
			if v != i {
				sched.Fail("popped %v, less 2 each", t.popped)
			}
		}
		if n := len(t.popped[0]) + len(t.popped[2]); n != 2 {
			sched.Fail("%d values came out, want 2", n)
		}
	}
}

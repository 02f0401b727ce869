package main

import (
	"context"

	"github.com/ferrule-go/ferrule/spsc"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// spscTry has two values through a ring of one slot, which is full and empty by turns.
func spscTry() ([]func(), func()) {
	r := spsc.New[int](1)
	pushed, popped := 0, 0
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
				popped++
				if v != popped {
					sched.Fail("popped %d, want %d", v, popped)
				}
			}
		}
	}
	return []func(){producer, consumer}, func() {
		if pushed-popped != r.Len() {
			sched.Fail("pushed %d and popped %d with %d left", pushed, popped, r.Len())
		}
	}
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

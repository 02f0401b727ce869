package main

import (
	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// mpmcTry has two producers and a consumer at a ring of two slots. Each value comes
// out once, and those of one producer in their order.
func mpmcTry() ([]func(), func()) {
	r := mpmc.New[int](2)
	var pushed [2]int
	var popped []int
	producer := func(who, n int) func() {
		return func() {
			for i := range n {
				if r.TryPush(10*who + i) {
					pushed[who]++
				} else {
					return
				}
			}
		}
	}
	pop := func() {
		if v, ok := r.TryPop(); ok {
			popped = append(popped, v)
		}
	}
	consumer := func() {
		pop()
		pop()
	}
	return []func(){producer(0, 2), producer(1, 1), consumer}, func() {
		pop()
		pop()
		var next [2]int
		for _, v := range popped {
			if v%10 != next[v/10] {
				sched.Fail("popped %v", popped)
			}
			next[v/10]++
		}
		if next != pushed {
			sched.Fail("pushed %v of each and popped %v", pushed, popped)
		}
	}
}

package main

import (
	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc"
	"github.com/ferrule-go/ferrule/stress/transfers/sim"
)

const burst = 32

// A word through a ring is an operation. Slots have to come to a consumer, a line at a
// time, and to go back: two references for each line. If turns say whose they are, so
// have those, but one turn may speak for many slots of a burst.
func rings() (all []subject) {
	slots := func(int) float64 { return 2 * 8 / float64(*line) }
	for capacity := 1; capacity <= 4096; capacity *= 4 {
		all = append(all,
			subject{"SPSC", "ferrule.spsc.Ring", capacity, slots, func(int) steps { return single(spsc.New[uint64](capacity)) }},
			subject{"SPSC", "ferrule.spsc.Ring-32", capacity, slots, func(int) steps { return bursts(spsc.New[uint64](capacity)) }},
			subject{"SPSC", "textbook.Lamport", capacity, slots, func(int) steps { return single(newLamport(capacity)) }},
		)
	}
	turnsToo := func(n int) float64 { return 2 * slots(n) }
	return append(all,
		subject{"MPMC", "ferrule.mpmc.Ring", 1024, turnsToo, func(int) steps { return single(mpmc.New[uint64](1024)) }},
		subject{"MPMC", "ferrule.mpmc.Ring-32", 1024, slots, func(int) steps { return bursts(mpmc.New[uint64](1024)) }},
		subject{"MPMC", "textbook.Vyukov", 1024, turnsToo, func(int) steps { return single(newVyukov(1024)) }},
	)
}

// step makes of a try what waits after one that failed, as programs do. The even
// processors push.
func step(id int, push, pop func() int) func() int {
	var b spinlock.Backoff
	try := push
	if id%2 == 1 {
		try = pop
	}
	return func() int {
		n := try()
		if n == 0 {
			b.Wait()
			return 0
		}
		b.Reset()
		sim.Work(sim.Draw(20))
		return n * (id % 2) // counted where they come out
	}
}

func single(r interface {
	TryPush(uint64) bool
	TryPop() (uint64, bool)
}) steps {
	one := func(ok bool) int {
		if ok {
			return 1
		}
		return 0
	}
	return func(id int) func() int {
		return step(id, func() int { return one(r.TryPush(1)) }, func() int { _, ok := r.TryPop(); return one(ok) })
	}
}

func bursts(r interface {
	TryPushN([]uint64) int
	TryPopN([]uint64) int
}) steps {
	return func(id int) func() int {
		vs := alone[[burst]uint64]()[:]
		return step(id, func() int { return r.TryPushN(vs) }, func() int { return r.TryPopN(vs) })
	}
}

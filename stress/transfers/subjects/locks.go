package main

import (
	"github.com/ferrule-go/ferrule/mcs"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/stress/transfers/sim"
)

// Those who spin at one word all lose its line when it is written, and each has to read
// it again: a hand-over takes a reference of each of n-1, one to release and one to
// take. In a queue it takes six, however many wait: to enter at the tail, to link
// oneself to the place in front, for its owner to see that; to be told, to see that,
// and to make one's own place ready again.
var (
	spinning = func(n int) float64 { return float64(n + 1) }
	queue    = constant(6)
)

func locks() []subject {
	return []subject{
		{"Lock", "ferrule.spinlock.Mutex", 0, nil, exclusive[spinlock.Mutex]},
		{"Lock", "ferrule.spinlock.Ticket", 0, nil, exclusive[spinlock.Ticket]},
		{"Lock", "ferrule.mcs.Mutex", 0, nil, exclusive[mcs.Mutex]},
		{"Lock", "ferrule.mcs.Lock", 0, queue, mcsLock},
		{"Lock", "textbook.TAS", 0, nil, exclusive[tas]},
		{"Lock", "textbook.TTAS", 0, spinning, exclusive[ttas]},
		{"Lock", "textbook.Ticket", 0, spinning, exclusive[ticket]},
		{"Lock", "textbook.MCS", 0, queue, textbookMCS},
	}
}

// section is some work on data that the lock guards, as long as a transfer or two.
// outside is what one does between two sections: as long as ten at most, so that all
// want the lock, and seldom one has it twice running because no other knows yet that it
// is free.
func section(data *uint64) { sim.Section(data, sim.Draw(200)) }
func outside()             { sim.Work(sim.Draw(1000)) }

func exclusive[T any, L interface {
	*T
	sim.Locker
}](int) steps {
	var l L = alone[T]()
	data := alone[uint64]()
	return func(int) func() int {
		return func() int {
			l.Lock()
			section(data)
			l.Unlock()
			outside()
			return 1
		}
	}
}

func mcsLock(int) steps {
	l, data := alone[mcs.Lock](), alone[uint64]()
	return func(int) func() int {
		n := alone[mcs.Node]()
		return func() int {
			l.Acquire(n)
			section(data)
			l.Release(n)
			outside()
			return 1
		}
	}
}

func textbookMCS(int) steps {
	l, data := alone[queueLock](), alone[uint64]()
	return func(int) func() int {
		n := alone[queueNode]()
		return func() int {
			l.acquire(n)
			section(data)
			l.release(n)
			outside()
			return 1
		}
	}
}

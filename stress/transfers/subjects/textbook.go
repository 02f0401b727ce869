package main

import "github.com/ferrule-go/ferrule/stress/transfers/sim"

// What is known from the textbooks, in its plainest form, to be compared with.

// A tas is a test-and-set lock: who waits writes all the time.
type tas struct{ held sim.Uint64 }

func (l *tas) Lock() {
	for l.held.Swap(1) != 0 {
		sim.Pause(1)
	}
}

func (l *tas) Unlock() { l.held.Store(0) }

// A ttas is a test-and-test-and-set lock: who waits reads, and writes when it seems
// free.
type ttas struct{ held sim.Uint64 }

func (l *ttas) Lock() {
	for {
		for l.held.Load() != 0 {
			sim.Spin(&l.held)
		}
		if l.held.Swap(1) == 0 {
			return
		}
	}
}

func (l *ttas) Unlock() { l.held.Store(0) }

// A ticket is a lock with numbers, on a line each: who waits reads the one that is
// served.
type ticket struct {
	drawn   sim.Uint64
	_       sim.Pad
	serving sim.Uint64
}

func (l *ticket) Lock() {
	for mine := l.drawn.Add(1) - 1; l.serving.Load() != mine; {
		sim.Spin(&l.serving)
	}
}

func (l *ticket) Unlock() { l.serving.Store(l.serving.Load() + 1) }

// A queueLock is that of Mellor-Crummey and Scott, whose waiters spin for good.
type queueLock struct{ tail sim.Pointer[queueNode] }

type queueNode struct {
	next    sim.Pointer[queueNode]
	waiting sim.Uint64
}

func (l *queueLock) acquire(n *queueNode) {
	n.next.Store(nil)
	ahead := l.tail.Swap(n)
	if ahead == nil {
		return
	}
	n.waiting.Store(1)
	ahead.next.Store(n)
	for n.waiting.Load() != 0 {
		sim.Spin(&n.waiting)
	}
}

func (l *queueLock) release(n *queueNode) {
	if n.next.Load() == nil && l.tail.CompareAndSwap(n, nil) {
		return
	}
	for n.next.Load() == nil {
		sim.Pause(1)
	}
	n.next.Load().waiting.Store(0)
}

// A counted is a lock to read, with one count of all readers. No writer comes.
type counted struct{ readers sim.Int64 }

func (l *counted) Lock()   { l.readers.Add(1) }
func (l *counted) Unlock() { l.readers.Add(-1) }

// A lamport is a ring between two sides, each of which looks at the other's counter
// every time.
type lamport struct {
	tail  sim.Uint64
	_     sim.Pad
	head  sim.Uint64
	_     sim.Pad
	slots []uint64
}

func newLamport(capacity int) *lamport {
	r := alone[lamport]()
	r.slots = alone[[4096]uint64]()[:capacity]
	return r
}

func (r *lamport) TryPush(v uint64) bool {
	tail := r.tail.Load()
	if tail-r.head.Load() == uint64(len(r.slots)) {
		return false
	}
	sim.Set(&r.slots[tail%uint64(len(r.slots))], v)
	r.tail.Store(tail + 1)
	return true
}

func (r *lamport) TryPop() (v uint64, ok bool) {
	head := r.head.Load()
	if head == r.tail.Load() {
		return 0, false
	}
	v = *sim.Read(&r.slots[head%uint64(len(r.slots))])
	r.head.Store(head + 1)
	return v, true
}

// A vyukov is a ring for any number on both sides, each of whom tries again at once
// when another was first.
type vyukov struct {
	tail  sim.Uint64
	_     sim.Pad
	head  sim.Uint64
	_     sim.Pad
	cells []cell
}

type cell struct {
	turn  sim.Uint64
	value uint64
}

func newVyukov(capacity int) *vyukov {
	r := alone[vyukov]()
	r.cells = alone[[4096]cell]()[:capacity]
	for i := range r.cells {
		r.cells[i].turn.Store(uint64(i))
	}
	return r
}

// claim takes the number that a counter has, once its cell has the turn.
func (r *vyukov) claim(counter *sim.Uint64, turn uint64) (c *cell, n uint64) {
	for {
		n = counter.Load()
		c = &r.cells[n%uint64(len(r.cells))]
		switch early := int64(n + turn - c.turn.Load()); {
		case early > 0:
			return nil, 0
		case early == 0 && counter.CompareAndSwap(n, n+1):
			return c, n
		}
	}
}

func (r *vyukov) TryPush(v uint64) bool {
	c, n := r.claim(&r.tail, 0)
	if c == nil {
		return false
	}
	sim.Set(&c.value, v)
	c.turn.Store(n + 1)
	return true
}

func (r *vyukov) TryPop() (v uint64, ok bool) {
	c, n := r.claim(&r.head, 1)
	if c == nil {
		return 0, false
	}
	v = *sim.Read(&c.value)
	c.turn.Store(n + uint64(len(r.cells)))
	return v, true
}

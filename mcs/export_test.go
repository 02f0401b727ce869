package mcs

import (
	"runtime"
	"sync/atomic"
)

// Tail returns what is last in the queue, so that a test can tell who has joined
// it.
func (l *Lock) Tail() any { return l.tail.Load() }

// Free reports whether the queue is empty.
func (l *Lock) Free() bool { return l.tail.Load() == nil }

// Place returns what stands in the queue for n.
func (n *Node) Place() *place { return n.place }

// Behind returns how many places can be reached from that of n.
func (n *Node) Behind() (places int) {
	for p := n.place.next.Load(); p != nil; p = p.next.Load() {
		places++
	}
	return places
}

// LeaveSlowly has somebody stand at the end of the queue and give up, but for taking
// its place out, which the returned function does.
func (l *Lock) LeaveSlowly() (leave func()) {
	p := new(Node).enter(l)
	ahead := l.tail.Swap(p)
	p.ahead.Store(ahead)
	p.join(ahead)
	p.state.Store(left)
	return p.leave
}

// LinkedReady links a place behind another again and again while a goroutine
// watches for that, and reports whether the place said each time that its owner
// waits, when it could be seen.
func LinkedReady(times int) bool {
	var ahead atomic.Pointer[place]
	var seen, unready atomic.Int64
	go func() {
		for n := range int64(times) {
			for spun := 0; ; spun++ {
				if front := ahead.Load(); front != nil {
					if next := front.next.Load(); next != nil {
						if next.state.Load() != waiting {
							unready.Add(1)
						}
						break
					}
				}
				if spun%256 == 255 {
					runtime.Gosched()
				}
			}
			front := ahead.Load()
			for seen.Store(n + 1); ahead.Load() == front; {
				runtime.Gosched()
			}
		}
	}()
	for n := range int64(times) {
		front := new(place)
		ahead.Store(front)
		new(place).join(front)
		for seen.Load() != n+1 {
			runtime.Gosched()
		}
		ahead.Store(nil)
	}
	return unready.Load() == 0
}

// ParkAndEnd has one goroutine park again and again and another end the wait each
// time, at all moments of the parking.
func ParkAndEnd(times int) {
	var s spot
	var turn atomic.Int64 // even: the parker's
	go func() {
		for n := range times {
			for turn.Load() != int64(2*n+1) {
				runtime.Gosched()
			}
			for range n % 64 {
				turn.Load()
			}
			s.end(idle)
		}
	}()
	for n := range times {
		s.state.Store(waiting)
		turn.Store(int64(2*n + 1))
		for range n / 64 % 64 {
			turn.Load()
		}
		if n%16 == 0 {
			runtime.Gosched() // so that the other comes first with one processor, too
		}
		s.park(nil)
		turn.Store(int64(2*n + 2))
	}
}

// Waiting returns how many wait for m.
func (m *Mutex) Waiting() (n int) {
	for {
		s := m.state.Load()
		if s&editing == 0 && m.state.CompareAndSwap(s, s|editing) {
			if s&pending != 0 {
				n++
			}
			if w := m.first; w != nil {
				n++
				for ; w.next != m.first; w = w.next {
					n++
				}
			}
			m.edited(0)
			return n
		}
	}
}

// Parked reports whether the last in line has parked.
func (m *Mutex) Parked() (parkedNow bool) {
	for {
		s := m.state.Load()
		if s&editing == 0 && m.state.CompareAndSwap(s, s|editing) {
			parkedNow = m.first != nil && m.first.prev.state.Load() == parked
			m.edited(0)
			return parkedNow
		}
	}
}

// BePending has the caller be the one who waits without a place in line, and
// StandPending has it take one.
func (m *Mutex) BePending()    { m.state.Store(m.state.Load() | pending) }
func (m *Mutex) StandPending() { m.stand(pending, nil) }

// MaxOvertaken is how often the first in line may be overtaken.
const MaxOvertaken = maxOvertaken

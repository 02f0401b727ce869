package ringtest

import "sync"

// newChan returns a Go channel with the methods of a ring.
func newChan(capacity int) Ring[uint64] { return make(channel, capacity) }

// newLocked returns a ring in the simplest way: a mutex, a slice, two counters.
func newLocked(capacity int) Ring[uint64] { return &locked{slots: make([]uint64, capacity)} }

type channel chan uint64

func (c channel) TryPush(v uint64) bool {
	select {
	case c <- v:
		return true
	default:
		return false
	}
}

func (c channel) TryPop() (v uint64, ok bool) {
	select {
	case v = <-c:
		return v, true
	default:
		return 0, false
	}
}

func (c channel) TryPushN(vs []uint64) int {
	for i, v := range vs {
		if !c.TryPush(v) {
			return i
		}
	}
	return len(vs)
}

func (c channel) TryPopN(vs []uint64) int {
	for i := range vs {
		v, ok := c.TryPop()
		if !ok {
			return i
		}
		vs[i] = v
	}
	return len(vs)
}

func (c channel) Len() int { return len(c) }
func (c channel) Cap() int { return cap(c) }

type locked struct {
	mu         sync.Mutex
	slots      []uint64
	head, tail int
}

func (l *locked) TryPush(v uint64) bool { return l.TryPushN([]uint64{v}) == 1 }

func (l *locked) TryPop() (v uint64, ok bool) {
	var vs [1]uint64
	n := l.TryPopN(vs[:])
	return vs[0], n == 1
}

func (l *locked) TryPushN(vs []uint64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(vs), len(l.slots)-(l.tail-l.head))
	for _, v := range vs[:n] {
		l.slots[l.tail%len(l.slots)] = v
		l.tail++
	}
	return n
}

func (l *locked) TryPopN(vs []uint64) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(len(vs), l.tail-l.head)
	for i := range n {
		vs[i] = l.slots[l.head%len(l.slots)]
		l.head++
	}
	return n
}

func (l *locked) Len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tail - l.head
}

func (l *locked) Cap() int { return len(l.slots) }

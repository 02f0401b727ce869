package mcs

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Mutex is a mutual exclusion lock whose waiters form a line, and which needs no
// Node. It is a sync.Locker.
//
// Progress. Lock blocks while others hold the lock. The first to wait spins for
// less than a microsecond; then, as all others at once, it takes a place in line
// and parks. Unlock never waits: if it finds the line in the middle of a change,
// who changes it sees to what Unlock would have. TryLock is lock-free. In the steady
// state nothing allocates but LockContext, when it parks.
//
// Fairness. The line is first come, first served. When its first was woken it takes
// the lock as soon as it finds it free. Until then others may overtake it, 63 of
// them at most, and none any more when it has looked a few times in vain: then the
// lock is kept for it. Not counted are those who come while another goroutine is
// within the few instructions of entering or leaving the line. Who spins, not yet
// in line, may be overtaken for that long.
//
// Order. In the terminology of the Go memory model, the nth Unlock synchronizes
// before the return of the mth Lock for every n < m; a TryLock that returns true and
// a LockContext that returns nil count as a Lock. Others order nothing.
//
// Ownership. The Mutex belongs to no goroutine: one may lock it and another unlock
// it.
//
// Layout. A Mutex is two words, unpadded: its state, and the line. Waiters in line
// read neither; each waits at a word cpu.LineSize bytes away from everything else.
//
// The zero value is unlocked. A Mutex must not be copied after first use.
type Mutex struct {
	debug lockdebug.Lock
	state atomic.Uint32
	first *waiter // of a ring in order of arrival; belongs to who has set editing
}

// Three edges order what happens here:
//
//	A  locked. Who sets it has what the holder before did, who took it away.
//	B  editing. Who sets it may change the line as the one before left it.
//	C  state of a waiter. Who wakes it says by that what it did before; one that has
//	   parked learns it from the gate or the bell. It has no lock by that, and
//	   goes on to edge A.
//
// All bits change together, so whoever takes one away sees the others: a lock is
// not left free, with a line that nobody will see to. It is the last to go who
// does, of those three: the holder, who wakes the first in line if neither editing
// nor awake is set; who edits, if it finds the lock free at the end; and the first
// in line, who is awake until it has taken the lock, or has taken awake away while
// somebody holds the lock and will wake it again, or has left.

// The bits of Mutex.state.
const (
	locked  = 1 << iota
	pending // a goroutine waits without a place in line
	editing // a goroutine changes the line
	queued  // the line is not empty
	awake   // the first in line was woken and looks for itself

	overtakenOnce = 1 << iota // how often the first in line was overtaken
	overtaken     = maxOvertaken * overtakenOnce
	maxOvertaken  = 63
)

// Lock takes m, waiting for its turn.
func (m *Mutex) Lock() {
	if lockdebug.On {
		m.debug.Wait("mcs.Mutex.Lock")
		defer m.debug.Locked("mcs.Mutex.Lock")
	}
	if !m.state.CompareAndSwap(0, locked) { // A: acquire
		m.lockContended(nil)
	}
}

// LockContext takes m as Lock does, unless ctx ends while it waits: then it returns
// ctx.Err(). A free Mutex it takes whatever ctx says.
func (m *Mutex) LockContext(ctx context.Context) error {
	if lockdebug.On {
		m.debug.Wait("mcs.Mutex.LockContext")
	}
	if !m.state.CompareAndSwap(0, locked) { // A: acquire
		if err := ctx.Err(); err != nil {
			return err
		}
		if !m.lockContended(ctx.Done()) {
			return ctx.Err()
		}
	}
	if lockdebug.On {
		m.debug.Locked("mcs.Mutex.LockContext")
	}
	return nil
}

// TryLock takes m if it may, and reports whether it did. It may not while somebody
// holds m, nor when m is kept for the first in line.
func (m *Mutex) TryLock() bool {
	for {
		s := m.state.Load()
		if !free(s) {
			return false
		}
		if m.state.CompareAndSwap(s, taken(s)) { // A: acquire
			if lockdebug.On {
				m.debug.Locked("mcs.Mutex.TryLock")
			}
			return true
		}
	}
}

// free reports whether somebody who is not the first in line may take the lock.
// While the line is being edited the first cannot, so there is nothing to keep.
func free(s uint32) bool {
	return s&locked == 0 && (s&overtaken != overtaken || s&editing != 0)
}

// taken returns s after that.
func taken(s uint32) uint32 {
	if s&queued != 0 && s&overtaken != overtaken {
		s += overtakenOnce
	}
	return s | locked
}

// lockContended returns false if done was closed first.
func (m *Mutex) lockContended(done <-chan struct{}) bool {
	for {
		s := m.state.Load()
		switch {
		case free(s):
			if m.state.CompareAndSwap(s, taken(s)) { // A: acquire
				return true
			}
		case s == locked:
			if m.state.CompareAndSwap(s, s|pending) {
				return m.watch() || m.stand(pending, done)
			}
		default:
			return m.stand(0, done)
		}
	}
}

// watch is how the first to wait does so, without a place in line. It reports
// whether it got the lock; if not, the caller is still pending.
//
// Two goroutines that pass the lock to each other without ever parking would keep
// two processors, and with them all that wait to run there, for a slice of the
// scheduler. So one watch in sixteen begins with a yield.
func (m *Mutex) watch() bool {
	if rand.Uint32()%16 == 0 {
		runtime.Gosched()
	}
	var b spinlock.Backoff
	for range spins {
		b.Wait()
		if s := m.state.Load(); free(s) && m.state.CompareAndSwap(s, taken(s)&^pending) { // A: acquire
			return true
		}
	}
	return false
}

// stand takes a place in line, at its end or, for the one who was pending, its
// beginning, and waits. It returns false if done was closed first.
func (m *Mutex) stand(was uint32, done <-chan struct{}) bool {
	w := waiters.Get().(*waiter)
	w.state.Store(waiting)
	var b spinlock.Backoff
	for {
		s := m.state.Load()
		switch {
		case free(s):
			if m.state.CompareAndSwap(s, taken(s)&^was) { // A: acquire
				waiters.Put(w)
				return true
			}
		case s&editing != 0:
			b.Wait()
		case m.state.CompareAndSwap(s, s|editing): // B: acquire
			m.insert(w)
			if was == pending && m.first != w {
				m.first = w
				was |= awake // who was the first is no more
			}
			near := w.next.next == w // at most one is ahead
			m.edited(was)
			return m.wait(w, near, done)
		}
	}
}

// wait waits in line. Unless the turn is near there is no use in spinning.
func (m *Mutex) wait(w *waiter, near bool, done <-chan struct{}) bool {
	wait := w.park
	if near {
		wait = w.wait
	}
	for ; wait(done); wait = w.wait {
		if m.compete(w) {
			waiters.Put(w)
			return true
		}
	}
	m.leave(w)
	return false
}

// compete is for the first in line when it was woken. It reports whether it got the
// lock. If others have it each time it looks, they have overtaken it for the last
// time, and who has it now will wake it again.
func (m *Mutex) compete(w *waiter) bool {
	w.state.Store(waiting)
	var b spinlock.Backoff
	for n := 0; ; n++ {
		s := m.state.Load()
		switch {
		case s&editing != 0 || s&locked != 0 && n < spins:
			b.Wait()
		case s&locked == 0:
			if m.state.CompareAndSwap(s, s|locked|editing) { // A, B: acquire
				m.edited(m.remove(w))
				return true
			}
		case m.state.CompareAndSwap(s, s&^awake|overtaken):
			return false
		}
	}
}

// leave takes w, whose owner gives up, out of the line.
func (m *Mutex) leave(w *waiter) {
	var b spinlock.Backoff
	for {
		s := m.state.Load()
		if s&editing != 0 {
			b.Wait()
		} else if m.state.CompareAndSwap(s, s|editing) { // B: acquire
			break
		}
	}
	m.edited(m.remove(w))
	if w.state.Load() == woken {
		w.rest()
	}
	w.bell = nil
	waiters.Put(w)
}

// Unlock gives m back. It panics if m is not locked.
func (m *Mutex) Unlock() {
	if lockdebug.On {
		m.debug.Unlock("mcs.Mutex.Unlock")
	}
	if !m.state.CompareAndSwap(locked, 0) { // A: release
		m.unlockContended()
	}
}

func (m *Mutex) unlockContended() {
	for {
		s := m.state.Load()
		switch {
		case s&locked == 0:
			panic("mcs: Unlock of unlocked Mutex")
		case s&queued == 0, s&(editing|awake) != 0, s&pending != 0 && s&overtaken != overtaken:
			// Nobody is in line, or somebody will see to it.
			if m.state.CompareAndSwap(s, s&^locked) { // A: release
				return
			}
		case m.state.CompareAndSwap(s, s|editing): // B: acquire
			m.edited(locked)
			return
		}
	}
}

// edited ends the change of a line, and takes bits out of the state with that. If
// it leaves the lock free it wakes the first in line.
func (m *Mutex) edited(clear uint32) {
	var (
		first = m.first
		was   uint64
		woke  uint32
	)
	for {
		s := m.state.Load()
		next := s&^(editing|queued|clear) | woke
		switch {
		case first == nil:
			next &^= awake | overtaken
		case next&(locked|awake) == 0:
			was, woke = first.state.Swap(woken), awake // C: release
			continue
		default:
			next |= queued
		}
		if m.state.CompareAndSwap(s, next) { // A, B: release
			if was == parked {
				first.wake()
			}
			return
		}
	}
}

// A waiter is a place in the line of a Mutex.
type waiter struct {
	_ cpu.Pad
	inLine
	_ cpu.Pad
}

type inLine struct {
	spot

	// The ring that is the line belongs to who has set editing. Both are nil in a
	// waiter that is not in line.
	prev, next *waiter
}

var waiters = sync.Pool{New: func() any { return new(waiter) }}

// insert puts w at the end of the line.
func (m *Mutex) insert(w *waiter) {
	if m.first == nil {
		m.first, w.prev, w.next = w, w, w
		return
	}
	w.prev, w.next = m.first.prev, m.first
	w.prev.next, w.next.prev = w, w
}

// remove takes w out of the line, and returns what the state says of the first in
// line if that was w.
func (m *Mutex) remove(w *waiter) (clear uint32) {
	w.prev.next, w.next.prev = w.next, w.prev
	if m.first == w {
		clear = awake | overtaken
		m.first = w.next
		if m.first == w {
			m.first = nil
		}
	}
	w.prev, w.next = nil, nil
	return clear
}

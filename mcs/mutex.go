package mcs

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Mutex is a mutual exclusion lock whose waiters form a line, and which needs no
// Node. It is a sync.Locker.
type Mutex struct {
	debug lockdebug.Lock
	state atomic.Uint32
	first *waiter // of a ring; belongs to who has set editing
}

// The bits of Mutex.state.
const (
	locked  = 1 << iota
	pending // a goroutine without a place in line watches for the lock
	editing // a goroutine changes the line
	queued  // the line is not empty
	awake   // the first in line was woken and looks for itself

	overtakenOnce = 1 << iota // how often the first in line was overtaken
	overtaken     = maxOvertaken * overtakenOnce
	maxOvertaken  = 31
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

// LockContext is Lock for one who may give up: if ctx is done before m is locked,
// it returns ctx.Err().
func (m *Mutex) LockContext(ctx context.Context) error {
	if lockdebug.On {
		m.debug.Wait("mcs.Mutex.LockContext")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if !m.state.CompareAndSwap(0, locked) && !m.lockContended(ctx.Done()) { // A: acquire
		return ctx.Err()
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
		case s == locked && rand.Uint32()%watchers != 0:
			if m.state.CompareAndSwap(s, s|pending) {
				return m.watch() || m.stand(pending, done)
			}
		default:
			return m.stand(0, done)
		}
	}
}

// watchers is how many become pending for one who could and does not. Two
// goroutines that pass the lock to each other without ever parking would keep two
// processors, and with them all that wait to run there, for a slice of the
// scheduler.
const watchers = 16

// watch is how the first to wait does so, without a place in line. It reports
// whether it got the lock; if not, the caller is still pending.
func (m *Mutex) watch() bool {
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
			m.edited(was)
			return m.wait(w, done)
		}
	}
}

// wait waits in line. Others are ahead, or the lock was held for as long as watch
// lasts: there is no use in spinning.
func (m *Mutex) wait(w *waiter, done <-chan struct{}) bool {
	for ended := w.park(done); ; ended = w.wait(done) {
		if !ended {
			m.leave(w)
			return false
		}
		if m.compete(w) {
			waiters.Put(w)
			return true
		}
	}
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

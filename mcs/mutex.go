package mcs

import (
	"context"
	"runtime"
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

// TryLock takes m if nobody holds it and reports whether it did.
func (m *Mutex) TryLock() bool {
	for {
		s := m.state.Load()
		if s&locked != 0 {
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

// taken returns s after somebody took the lock who was not the first in line.
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
		case s&locked == 0:
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

// watch is how the second to come waits, before it takes a place: others have
// gone into the line meanwhile, but none has had to be told of anything. It
// reports whether it got the lock; if not, the caller is still pending.
func (m *Mutex) watch() bool {
	var b spinlock.Backoff
	for range spins {
		s := m.state.Load()
		if s&locked != 0 {
			b.Wait()
		} else if m.state.CompareAndSwap(s, taken(s)&^pending) { // A: acquire
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
		case s&locked == 0:
			if m.state.CompareAndSwap(s, taken(s)&^was) { // A: acquire
				waiters.Put(w)
				return true
			}
		case s&editing != 0:
			b.Wait()
		case m.state.CompareAndSwap(s, s|editing): // D: acquire
			m.insert(w)
			if was == pending && m.first != w {
				m.first = w
				m.finish(pending | awake)
			} else {
				m.finish(was)
			}
			return m.wait(w, done)
		}
	}
}

func (m *Mutex) wait(w *waiter, done <-chan struct{}) bool {
	for {
		switch w.wait(done) {
		case woken:
			if !m.compete(w) {
				continue
			}
			fallthrough
		case idle:
			waiters.Put(w)
			return true
		case parked:
			return m.leave(w)
		}
	}
}

// compete is for the first in line, who was woken: it reports whether it got the
// lock. If others have it each time it looks, they have overtaken it for the last
// time.
func (m *Mutex) compete(w *waiter) bool {
	if !w.state.CompareAndSwap(woken, waiting) { // C: acquire, if it fails
		return true
	}
	var b spinlock.Backoff
	for n := 0; ; n++ {
		s := m.state.Load()
		switch {
		case s&(locked|editing) == 0:
			if m.state.CompareAndSwap(s, s|locked|editing) { // A, D: acquire
				m.keep(m.remove(w))
				return true
			}
		case s&locked != 0 && n >= spins:
			if s&overtaken == overtaken || m.state.CompareAndSwap(s, s|overtaken) {
				return false
			}
		default:
			if w.state.Load() == idle { // C: acquire
				return true
			}
			b.Wait()
		}
	}
}

// leave takes w, whose owner gives up, out of the line. It returns true if the
// lock was handed over before that.
func (m *Mutex) leave(w *waiter) bool {
	var b spinlock.Backoff
	for {
		s := m.state.Load()
		if s&editing != 0 {
			b.Wait()
		} else if m.state.CompareAndSwap(s, s|editing) { // D: acquire
			break
		}
	}
	handed := w.next == nil
	if handed {
		m.finish(0)
		w.rest()
		for w.state.Load() != idle { // C: acquire
			b.Wait()
		}
	} else {
		m.finish(m.remove(w))
		if w.state.Load() == woken {
			w.rest()
		}
		w.bell = nil
	}
	waiters.Put(w)
	return handed
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
		case s&queued == 0, s&editing != 0, s&(awake|pending) != 0 && s&overtaken != overtaken:
			// Nobody is in line, or somebody will see to it.
			if m.state.CompareAndSwap(s, s&^locked) { // A: release
				return
			}
		case m.state.CompareAndSwap(s, s|editing): // D: acquire
			m.pass(0)
			return
		}
	}
}

// finish ends the change of a line, and takes bits out of the state with that. If
// the lock is free, so that nobody else will see to the line, the caller does.
func (m *Mutex) finish(clear uint32) {
	for {
		s := m.state.Load()
		if s&locked == 0 {
			if m.state.CompareAndSwap(s, s|locked) { // A: acquire
				m.pass(clear)
				return
			}
		} else if m.state.CompareAndSwap(s, m.edited(s)&^clear) { // D: release
			return
		}
	}
}

// keep ends the change of a line by the holder of the lock, who keeps it.
func (m *Mutex) keep(clear uint32) {
	for {
		s := m.state.Load()
		if m.state.CompareAndSwap(s, m.edited(s)&^clear) { // D: release
			return
		}
	}
}

// pass gives back the lock and the line. If the first in line has been overtaken
// often enough it gets the lock, else it is woken to come for it.
func (m *Mutex) pass(clear uint32) {
	first := m.first
	var (
		was       uint64
		wokenHere uint32
	)
	for {
		s := m.state.Load()
		switch {
		case first != nil && s&^clear&overtaken == overtaken:
			m.keep(clear | m.remove(first))
			if was == parked {
				first.wake()
			}
			if first.end(idle) != waiting { // C: release
				runtime.Gosched()
			}
			return
		case first != nil && (s&^clear|wokenHere)&awake == 0:
			was, wokenHere = first.state.Swap(woken), awake
		case m.state.CompareAndSwap(s, m.edited(s)&^(clear|locked)|wokenHere): // A, D: release
			if was == parked {
				first.wake()
			}
			return
		}
	}
}

// edited returns s without the right to change the line.
func (m *Mutex) edited(s uint32) uint32 {
	if m.first == nil {
		return s &^ (editing | queued | awake | overtaken)
	}
	return s&^editing | queued
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

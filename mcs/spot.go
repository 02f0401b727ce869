package mcs

import (
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/spinlock"
)

// A spot is where one goroutine waits until another writes into it.
type spot struct {
	// state says how the owner waits. The owner sets it before others can find
	// the spot; who ends the wait takes it away.
	state atomic.Uint64

	// gate is closed while the owner is parked for good.
	gate sync.Mutex

	// bell is what the owner is parked at instead if it may give up: a channel,
	// which can be waited for together with another. It is a new one each time,
	// so that a spot which serves in a testing/synctest bubble may serve outside.
	bell chan struct{}
}

// How the owner of a spot waits.
const (
	idle    = iota // not at all; the lock is its own
	waiting        // reading state
	parked         // at the gate or the bell
	woken          // no more: it is to look for itself (Mutex)
	left           // no more: it has given up (Lock)
)

// spins is how often a waiter looks before it parks, with a Backoff.Wait between:
// for as long as that one pauses. To yield instead would put the waiter behind
// all that run, and the lock with it, once it is handed over.
const spins = 4

// wait waits until the state is no longer waiting. It returns false if done is
// closed before; the state is parked then, or somebody has just ended the wait.
func (s *spot) wait(done <-chan struct{}) (ended bool) {
	var b spinlock.Backoff
	for range spins {
		if s.state.Load() != waiting { // C: acquire
			return true
		}
		b.Wait()
	}
	return s.park(done)
}

// park is wait without spinning: it closes the gate and stands before it until
// another opens it, unless the wait has ended meanwhile.
func (s *spot) park(done <-chan struct{}) (ended bool) {
	if done != nil {
		return s.parkOr(done)
	}
	s.gate.Lock()
	if s.state.CompareAndSwap(waiting, parked) { // C: acquire, if it fails
		s.gate.Lock()
	}
	s.gate.Unlock()
	return true
}

// parkOr is park for one who may give up.
func (s *spot) parkOr(done <-chan struct{}) (ended bool) {
	s.bell = make(chan struct{}, 1)
	if s.state.CompareAndSwap(waiting, parked) { // C: acquire, if it fails
		select {
		case <-s.bell:
		case <-done:
			return false
		}
	}
	s.bell = nil
	return true
}

// rest waits for the bell, which rings or has rung: the wait was ended.
func (s *spot) rest() {
	<-s.bell
	s.bell = nil
}

// end ends the wait by a new state, wakes the owner if it has parked, and returns
// how it waited.
func (s *spot) end(state uint64) (was uint64) {
	was = s.state.Swap(state) // C: release
	if was == parked {
		s.wake()
	}
	return was
}

// wake is for the one that took the state parked away.
func (s *spot) wake() {
	if s.bell != nil {
		s.bell <- struct{}{}
	} else {
		s.gate.Unlock()
	}
}

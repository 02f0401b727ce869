package e1000e

import (
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A turn is the right to touch a queue. The goroutine that polls the queue takes
// it for the length of a call; the port takes it to look at the queue, and to
// hold the queue still while it resets the card.
//
// It is no lock that the two contend for: the port's turns are a few hundred
// nanoseconds in a tenth of a second, and a queue whose card is down is refused,
// not waited for.
type turn struct{ state atomic.Uint64 }

const (
	turnFree   = iota
	turnPolled // by the queue's goroutine
	turnLooked // by the port, for a moment
	turnDown   // by the port, for as long as the card takes to start again
)

// take begins a call of the queue's goroutine. False means that the card is down.
func (t *turn) take() bool {
	return t.state.CompareAndSwap(turnFree, turnPolled) || t.retake() // A: acquire
}

func (t *turn) retake() bool {
	for wait := (spinlock.Backoff{}); ; wait.Wait() {
		switch {
		case t.state.CompareAndSwap(turnFree, turnPolled): // A: acquire
			return true
		case t.state.Load() == turnDown:
			return false
		}
	}
}

// seize begins a turn of the port's.
func (t *turn) seize(state uint64) {
	for wait := (spinlock.Backoff{}); !t.state.CompareAndSwap(turnFree, state); { // A: acquire
		wait.Wait()
	}
}

// leave ends a turn, and hands what was done in it to the next.
func (t *turn) leave() { cpu.Publish(&t.state, turnFree) } // A: release

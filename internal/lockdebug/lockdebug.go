// Package lockdebug lets every lock of a program built with the tag ferrule_debug
// remember who holds it and where that goroutine locked it. Three things become a
// report with the stacks of both places:
//
//   - an unlock of a lock that nobody holds, with where it was last unlocked;
//   - a goroutine that waits for a lock which it holds already, be it to read,
//     with where it locked it: unless another goroutine unlocks it, it waits for
//     ever;
//   - a lock held for longer than MaxHold, with where it was locked and unlocked.
//
// Reports go to standard error, and nothing else changes: a lock panics where it
// would have.
//
// # In a lock
//
// A lock has a field of type Lock, best its first: without the tag it is empty,
// and an empty last field would be padded. Its methods tell it what they do, each
// call behind the constant On, so that without the tag nothing is left of it:
//
//	func (m *Mutex) Lock() {
//		if lockdebug.On {
//			m.debug.Wait("spinlock.Mutex.Lock")
//			defer m.debug.Locked("spinlock.Mutex.Lock")
//		}
//
// A method that takes the lock or gives up calls Wait before it waits, if it may
// wait, and Locked once it has the lock. One that gives the lock back calls
// Unlock before it does. What readers share is told in the same way.
package lockdebug

import (
	"fmt"
	"os"
	"time"
)

// MaxHold is how long a lock may be held without a report. The environment
// variable FERRULE_MAX_HOLD sets it, as in 500us. By default it is two slices of
// the Go scheduler: a holder that lost its processor is not reported the first
// time.
var MaxHold = 20 * time.Millisecond

// Report is called with each report. Tests replace it.
var Report = func(text string) { fmt.Fprint(os.Stderr, text) }

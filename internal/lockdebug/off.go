//go:build !ferrule_debug

package lockdebug

// On says whether the program is built with the tag ferrule_debug.
const On = false

// A Lock is what a lock knows of its holders: without the tag, nothing.
type Lock struct{}

// Wait says that this goroutine is about to wait for the lock in the method named.
func (*Lock) Wait(method string) {}

// Locked says that this goroutine has got the lock.
func (*Lock) Locked(method string) {}

// Unlock says that this goroutine is about to give the lock back.
func (*Lock) Unlock(method string) {}

//go:build ferrule_debug

package lockdebug

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// On says whether the program is built with the tag ferrule_debug.
const On = true

func init() {
	if s := os.Getenv("FERRULE_MAX_HOLD"); s != "" {
		d, err := time.ParseDuration(s)
		if err != nil {
			panic(fmt.Sprintf("lockdebug: FERRULE_MAX_HOLD=%q is not a duration", s))
		}
		MaxHold = d
	}
}

// A Lock is what a lock knows of its holders.
type Lock struct {
	mu      sync.Mutex
	holders []site // several, if they share it
	last    *site  // the last to give it back
}

// A site is where in the program a goroutine did something to the lock.
type site struct {
	goroutine uint64
	method    string
	when      time.Time
	stack     []uintptr
}

// Wait says that this goroutine is about to wait for the lock in the method named.
func (l *Lock) Wait(method string) {
	here := newSite(method)
	l.mu.Lock()
	i := l.heldBy(here.goroutine)
	var held site
	if i >= 0 {
		held = l.holders[i]
	}
	l.mu.Unlock()
	if i >= 0 {
		Report(fmt.Sprintf("%s: goroutine %d waits for a lock that it holds\n%sit locked it in %s", method, here.goroutine, here, held))
	}
}

// Locked says that this goroutine has got the lock.
func (l *Lock) Locked(method string) {
	here := newSite(method)
	l.mu.Lock()
	l.holders = append(l.holders, here)
	l.mu.Unlock()
}

// Unlock says that this goroutine is about to give the lock back. It may be
// another than locked it.
func (l *Lock) Unlock(method string) {
	here := newSite(method)
	l.mu.Lock()
	last := l.last
	if len(l.holders) == 0 {
		l.mu.Unlock()
		was := "it was never locked\n"
		if last != nil {
			was = "it was last unlocked in " + last.String()
		}
		Report(fmt.Sprintf("%s: the lock is not held\n%s%s", method, here, was))
		return
	}
	i := max(0, l.heldBy(here.goroutine))
	held := l.holders[i]
	l.holders = slices.Delete(l.holders, i, i+1)
	l.last = &here
	l.mu.Unlock()
	if took := here.when.Sub(held.when); took > MaxHold {
		Report(fmt.Sprintf("%s: the lock was held for %v, more than %v\n%sit was locked in %s", method, took, MaxHold, here, held))
	}
}

func (l *Lock) heldBy(goroutine uint64) int {
	return slices.IndexFunc(l.holders, func(s site) bool { return s.goroutine == goroutine })
}

func newSite(method string) site {
	const thisAndItsCallers = 4 // Callers, newSite, Wait, and the lock's method
	stack := make([]uintptr, 32)
	return site{
		goroutine: goroutine(),
		method:    method,
		when:      time.Now(),
		stack:     stack[:runtime.Callers(thisAndItsCallers, stack)],
	}
}

// goroutine returns the number of this goroutine, which the runtime tells only in
// the heading of a stack trace.
func goroutine() uint64 {
	var buf [64]byte
	heading := buf[:runtime.Stack(buf[:], false)]
	number, _, _ := bytes.Cut(bytes.TrimPrefix(heading, []byte("goroutine ")), []byte(" "))
	n, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		panic(fmt.Sprintf("lockdebug: no number in %q", heading))
	}
	return n
}

// String returns the method, the goroutine and the stack above the method.
func (s site) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "%s by goroutine %d:\n", s.method, s.goroutine)
	for frames := runtime.CallersFrames(s.stack); ; {
		f, more := frames.Next()
		fmt.Fprintf(&text, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return text.String()
		}
	}
}

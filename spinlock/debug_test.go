//go:build ferrule_debug

package spinlock_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

// reports collects what is reported while f runs.
func reports(t *testing.T, f func()) []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	old := lockdebug.Report
	defer func() { lockdebug.Report = old }()
	lockdebug.Report = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, text)
	}
	f()
	return all
}

// readSide is a lock with readers as its readers see it.
type readSide struct{ locktest.RCanceller }

func (r readSide) Lock()                                 { r.RLock() }
func (r readSide) Unlock()                               { r.RUnlock() }
func (r readSide) TryLock() bool                         { return r.TryRLock() }
func (r readSide) LockContext(ctx context.Context) error { return r.RLockContext(ctx) }

var everyLock = map[string]func() locktest.Canceller{
	"Mutex":     func() locktest.Canceller { return new(spinlock.Mutex) },
	"Ticket":    func() locktest.Canceller { return new(spinlock.Ticket) },
	"RWMutex":   func() locktest.Canceller { return new(spinlock.RWMutex) },
	"reading":   func() locktest.Canceller { return readSide{new(spinlock.RWMutex)} },
	"BigReader": func() locktest.Canceller { return new(spinlock.BigReader) },
	"Reader":    func() locktest.Canceller { return new(spinlock.BigReader).Register() },
	"SeqLock":   func() locktest.Canceller { return new(spinlock.SeqLock) },
}

func takes(l locktest.Canceller)     { l.Lock() }
func gives(l locktest.Canceller)     { l.Unlock() }
func givesBack(l locktest.Canceller) { l.Unlock() }
func takesAgain(l locktest.Canceller) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if l.LockContext(ctx) == nil {
		l.Unlock()
	}
}

func requireReport(t *testing.T, all []string, parts ...string) {
	t.Helper()
	require.True(t, slices.ContainsFunc(all, func(text string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(text, part) })
	}), "no report of %q in:\n%s", parts, strings.Join(all, "\n"))
}

func TestDebugReportsBothStacks(t *testing.T) {
	maxHold := lockdebug.MaxHold
	defer func() { lockdebug.MaxHold = maxHold }()
	for name, newLock := range everyLock {
		t.Run(name, func(t *testing.T) {
			lockdebug.MaxHold = time.Hour
			l := newLock()
			require.Empty(t, reports(t, func() {
				for range 3 {
					takes(l)
					gives(l)
				}
			}), "nothing is wrong")

			requireReport(t, reports(t, func() {
				takes(l)
				defer gives(l)
				defer func() { _ = recover() }() // a Reader panics
				takesAgain(l)
			}), "waits for a lock that it holds", "_test.takes\n", "_test.takesAgain\n")

			requireReport(t, reports(t, func() {
				defer func() { _ = recover() }()
				givesBack(l)
			}), "the lock is not held", "_test.gives\n", "_test.givesBack\n")

			lockdebug.MaxHold = -1 // shorter than anything
			l = newLock()
			requireReport(t, reports(t, func() {
				takes(l)
				gives(l)
			}), "the lock was held for", "_test.takes\n", "_test.gives\n")
		})
	}
}

// A wait that was cancelled leaves no holder behind, and one may unlock for
// another.
func TestDebugFollowsTheHolder(t *testing.T) {
	require.Empty(t, reports(t, func() {
		var m spinlock.Mutex
		m.Lock()
		var all sync.WaitGroup
		all.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			if err := m.LockContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("LockContext of a lock held: %v", err)
			}
			m.Unlock() // for the other goroutine
			m.Lock()
			m.Unlock()
		})
		all.Wait()
		m.Lock()
		m.Unlock()
	}))
}

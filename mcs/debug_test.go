//go:build ferrule_debug

package mcs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/mcs"
)

// reports collects what is reported while f runs.
func reports(f func()) string {
	defer func(old func(string)) { lockdebug.Report = old }(lockdebug.Report)
	var all strings.Builder
	lockdebug.Report = func(text string) { all.WriteString(text) }
	f()
	return all.String()
}

// A second lock by the one who holds it, an unlock of what is not locked and a
// long hold are reported, with where the lock was taken.
func TestDebugReportsBothStacks(t *testing.T) {
	defer func(old time.Duration) { lockdebug.MaxHold = old }(lockdebug.MaxHold)
	lockdebug.MaxHold = time.Hour
	given, cancel := context.WithCancel(t.Context())
	cancel()

	var m mcs.Mutex
	var l mcs.Lock
	var n, second mcs.Node
	for name, c := range map[string]struct{ take, again, give func() }{
		"mcs.Mutex": {m.Lock, func() { _ = m.LockContext(given) }, m.Unlock},
		"mcs.Lock":  {func() { l.Acquire(&n) }, func() { _ = l.AcquireContext(given, &second) }, func() { l.Release(&n) }},
	} {
		require.Empty(t, reports(func() { c.take(); c.give() }), name)

		text := reports(func() { c.take(); c.again(); c.give() })
		require.Contains(t, text, name)
		require.Equal(t, 2, strings.Count(text, " by goroutine "), "both stacks:\n%s", text)

		text = reports(func() {
			defer func() { _ = recover() }()
			c.give()
		})
		require.Contains(t, text, name)

		lockdebug.MaxHold = -1 // shorter than anything
		text = reports(func() { c.take(); c.give() })
		require.Contains(t, text, "held for", name)
		lockdebug.MaxHold = time.Hour
	}
}

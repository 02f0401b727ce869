package spinlock_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

func TestRWMutex(t *testing.T) {
	locktest.RW(t, func() (func() locktest.RWHandle, func() any) {
		l := new(spinlock.RWMutex)
		l.NearWrap()
		return func() locktest.RWHandle { return l }, l.Line
	})
	locktest.FIFO(t, func() (func() locktest.Handle, func() any) {
		l := new(spinlock.RWMutex)
		return func() locktest.Handle { return l }, l.Line
	})
}

func TestUnlockOfUnlockedRWMutexPanics(t *testing.T) {
	var l spinlock.RWMutex
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked RWMutex", l.Unlock)
	l.RLock()
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked RWMutex", l.Unlock)
	l.RUnlock()
	require.True(t, l.TryLock(), "the panic leaves it unlocked")
	l.Unlock()

	l.RUnlock()
	require.PanicsWithValue(t, "spinlock: RUnlock of unlocked RWMutex", l.Lock)
}

func TestRLocker(t *testing.T) {
	var l spinlock.RWMutex
	r := l.RLocker()
	r.Lock()
	require.True(t, l.TryRLock())
	require.False(t, l.TryLock())
	l.RUnlock()
	r.Unlock()
	require.True(t, l.TryLock())
}

// Where a reader counts itself depends on its stack, which may be another when it
// leaves.
func TestReaderLeavesFromAnotherStack(t *testing.T) {
	var l spinlock.RWMutex
	for range 100 {
		l.RLock()
		left := make(chan struct{})
		go func() {
			var grown [64 << 10]byte
			_ = grown[len(left)]
			l.RUnlock()
			close(left)
		}()
		<-left
	}
	require.True(t, l.TryLock())
}

// A reader that came while a writer was about may be counted in one place and have
// left in another.
func TestTryLockAfterAReaderThatWaited(t *testing.T) {
	var l spinlock.RWMutex
	for range 100 {
		l.Lock()
		line := l.Line()
		done := make(chan struct{})
		go func() {
			l.RLock()
			l.RUnlock()
			close(done)
		}()
		for b := (spinlock.Backoff{}); l.Line() == line; {
			b.Wait()
		}
		l.Unlock()
		<-done
		require.True(t, l.TryLock())
		l.Unlock()

		require.True(t, l.Register()) // as one that finds the writer gone
		require.False(t, l.TryLock())
		l.RUnlock()
		require.True(t, l.TryLock())
		l.Unlock()

		require.True(t, l.Register())
		l.RUnlock() // where nobody came, and is counted as less than nothing
		require.True(t, l.TryLock())
		l.Unlock()
	}
}

package spinlock_test

import (
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/spinlock"
)

// In a bubble the clock moves by what is slept and by nothing else.
func slept(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}

func TestLostNeverSleeps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b spinlock.Backoff
		require.Zero(t, slept(func() {
			for range 10_000 {
				b.Lost()
			}
		}))
	})
}

func TestWaitSleepsLateAndBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b spinlock.Backoff
		require.Zero(t, slept(func() {
			for range 1000 {
				b.Wait()
			}
		}), "the first waits spin and yield")

		for !b.Spent() {
			require.Zero(t, slept(b.Wait))
		}
		for want := 16 * time.Microsecond; want < 20*time.Millisecond; want *= 2 {
			require.Equal(t, min(want, 1024*time.Microsecond), slept(b.Wait))
			require.True(t, b.Spent())
		}

		b.Reset()
		require.False(t, b.Spent())
		require.Zero(t, slept(b.Wait), "Reset begins anew")
	})
}

// Who can be woken is told to park, and has slept not at all by then.
func TestSpinEndsInTimeToPark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b spinlock.Backoff
		require.Zero(t, slept(func() {
			for spins := 0; b.Spin(); spins++ {
				require.Less(t, spins, 1000)
			}
		}))
		require.False(t, b.Spin(), "and again, until there is something else to wait for")
		b.Lost()
		require.True(t, b.Spin())
		b.Reset()
		require.True(t, b.Spin())
	})
}

// A race is lost to someone who got on, so the wait before it is over.
func TestLostEndsTheWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b spinlock.Backoff
		for !b.Spent() {
			b.Wait()
		}
		b.Lost()
		require.False(t, b.Spent())
		require.Zero(t, slept(b.Wait))
	})
}

// With one processor the goroutine that is waited for cannot run until Wait
// lets it. The scheduler may prefer the waiter once, and then no more.
func TestWaitYieldsAtOnceOnOneProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for i := range 1000 {
		var done atomic.Bool
		go done.Store(true)

		var b spinlock.Backoff
		waits := 0
		for ; !done.Load(); waits++ {
			if i%2 == 0 {
				b.Wait()
			} else {
				b.Spin()
			}
		}
		require.LessOrEqual(t, waits, 3)
	}
}

func TestBackoffDoesNotAllocate(t *testing.T) {
	require.Zero(t, testing.AllocsPerRun(10, func() {
		var b spinlock.Backoff
		for range 1010 { // into the sleeps
			b.Lost()
			b.Wait()
		}
	}))
}

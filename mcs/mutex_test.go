package mcs_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/mcs"
	"github.com/ferrule-go/ferrule/spinlock"
)

func newMutex() func() locktest.Handle {
	m := new(mcs.Mutex)
	return func() locktest.Handle { return m }
}

func TestMutex(t *testing.T) {
	locktest.Mutex(t, newMutex)
}

func TestMutexServesInOrder(t *testing.T) {
	locktest.FIFO(t, func() (func() locktest.Handle, func() any) {
		m := new(mcs.Mutex)
		return func() locktest.Handle { return m }, func() any { return m.Waiting() }
	})
}

// until waits for a condition that other goroutines bring about.
func until(cond func() bool) {
	for b := (spinlock.Backoff{}); !cond(); {
		b.Wait()
	}
}

// returns wants f to return.
func returns(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("hangs")
	}
}

// With one processor the first in line, once woken, cannot run until the others
// let it.
func TestFirstInLineIsOvertakenSoOften(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var m mcs.Mutex
	m.Lock()
	for range 20 {
		var waiter sync.WaitGroup
		waiter.Go(func() {
			m.Lock()
			m.Unlock()
		})
		until(m.Parked)
		m.Unlock()
		times := 0
		for ; times < 1000 && m.TryLock(); times++ {
			m.Unlock()
		}
		require.LessOrEqual(t, times, mcs.MaxOvertaken)
		returns(t, waiter.Wait)
		returns(t, m.Lock)
	}
}

// The one who waited without a place in line came before all who have one.
func TestPendingStandsInFront(t *testing.T) {
	var (
		m      mcs.Mutex
		served []string
		all    sync.WaitGroup
	)
	m.Lock()
	m.BePending()
	all.Go(func() {
		m.Lock()
		served = append(served, "second")
		m.Unlock()
	})
	until(func() bool { return m.Waiting() == 2 })
	all.Go(func() {
		m.StandPending()
		served = append(served, "first")
		m.Unlock()
	})
	until(func() bool { return m.Waiting() == 2 && m.Parked() })
	for range 100 { // the one pending has taken its place meanwhile, or does when it is free
		runtime.Gosched()
	}
	m.Unlock()
	returns(t, all.Wait)
	require.Equal(t, []string{"first", "second"}, served)
}

// The first in line has been woken and does not know it yet when it gives up: with
// one processor it cannot run in between. The next in line must be woken then.
func TestWhoLeavesAwakeWakesTheNext(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for range 50 {
		var (
			m   mcs.Mutex
			all sync.WaitGroup
		)
		m.Lock()
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if m.LockContext(ctx) == nil {
				m.Unlock()
			}
		})
		until(func() bool { return m.Waiting() == 1 && m.Parked() })
		all.Go(func() {
			m.Lock()
			m.Unlock()
		})
		until(func() bool { return m.Waiting() == 2 && m.Parked() })
		m.Unlock()
		cancel()
		returns(t, all.Wait)
	}
}

func TestUnlockOfUnlockedMutexPanics(t *testing.T) {
	if lockdebug.On {
		defer func(report func(string)) { lockdebug.Report = report }(lockdebug.Report)
		lockdebug.Report = func(string) {}
	}
	var m mcs.Mutex
	require.PanicsWithValue(t, "mcs: Unlock of unlocked Mutex", m.Unlock)
	require.True(t, m.TryLock(), "the panic leaves it unlocked")
	m.Unlock()
}

func TestMutexIsTwoWords(t *testing.T) {
	if !lockdebug.On {
		require.Equal(t, 2*unsafe.Sizeof(uintptr(0)), unsafe.Sizeof(mcs.Mutex{}))
	}
}

// In a bubble time passes when everybody waits, and who waits for a lock with a
// context does.
func TestLockContextWaitsInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m mcs.Mutex
		var l mcs.Lock
		var holder, node mcs.Node
		m.Lock()
		l.Acquire(&holder)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		require.ErrorIs(t, m.LockContext(ctx), context.DeadlineExceeded)
		require.ErrorIs(t, l.AcquireContext(ctx, &node), context.DeadlineExceeded)
		m.Unlock()
		require.NoError(t, m.LockContext(ctx), "a free lock is taken whatever the context says")
	})
}

package rcu_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/rcu"
)

func TestZeroCookieHasPassed(t *testing.T) {
	var d rcu.Domain
	d.Register().Lock()
	require.True(t, d.Passed(rcu.Cookie{}))
	require.NoError(t, d.Wait(t.Context(), rcu.Cookie{}))
}

// Polling needs nobody else: each call goes as far as it can.
func TestPassedDrivesGracePeriods(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		a, b := d.Register(), d.Register()
		for range 4 {
			c := d.Snapshot()
			require.True(t, d.Passed(c), "nobody is inside")

			a.Lock()
			c = d.Snapshot()
			require.False(t, d.Passed(c))
			b.Lock()
			a.Unlock()
			require.True(t, d.Passed(c), "b came later")
			require.True(t, d.Passed(c), "what has passed stays so")
			b.Unlock()
		}
	})
}

// A grace period that had begun before the snapshot does not count for it.
func TestSnapshotDuringGracePeriod(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		a, b := d.Register(), d.Register()
		a.Lock()
		first := d.Snapshot()
		require.False(t, d.Passed(first)) // under way
		b.Lock()
		second := d.Snapshot()
		a.Unlock()
		require.False(t, d.Passed(second))
		require.True(t, d.Passed(first))
		require.False(t, d.Passed(second), "b is inside")
		b.Unlock()
		require.True(t, d.Passed(second))
	})
}

// Passed leaves off where it has to wait, and Wait goes on from there; while Wait
// runs the grace period, Passed only looks.
func TestWaitGoesOnWherePassedLeftOff(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		r.Lock()
		c := d.Snapshot()
		require.False(t, d.Passed(c))
		begun := d.Newest()
		waited := make(chan error)
		go func() { waited <- d.Wait(context.Background(), c) }()
		synctest.Wait()
		require.False(t, d.Passed(c))
		r.Unlock()
		require.NoError(t, <-waited)
		require.True(t, d.Passed(c))
		require.Equal(t, begun, d.Newest(), "a second grace period was run")
	})
}

// Whoever gives up leaves the grace period to the next, be it one who waits
// already or one who comes later.
func TestContextEndsTheWait(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		for range 4 {
			r.Lock()
			ctx, cancel := context.WithCancel(t.Context())
			driver, sharer, patient := make(chan error, 1), make(chan error, 1), make(chan error, 1)
			go func() { driver <- d.SynchronizeContext(ctx) }()
			synctest.Wait()
			go func() { sharer <- d.SynchronizeContext(ctx) }()
			go func() { patient <- d.SynchronizeContext(t.Context()) }()
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-driver, context.Canceled)
			require.ErrorIs(t, <-sharer, context.Canceled)

			returned := synchronizing(d)
			require.False(t, returned())
			require.Empty(t, patient)

			ctx, cancel = context.WithCancel(t.Context())
			go func() { sharer <- d.SynchronizeContext(ctx) }() // another drives
			synctest.Wait()
			cancel()
			require.ErrorIs(t, <-sharer, context.Canceled)
			r.Unlock()
			require.True(t, returned())
			require.NoError(t, <-patient)
			require.NoError(t, d.SynchronizeContext(ctx), "there is nothing to wait for")
		}
	})
}

// Synchronize sleeps, and the end of the section wakes it: the bubble's clock
// would move if either looked again from time to time.
func TestEndOfSectionWakesSynchronize(t *testing.T) {
	for name, use := range map[string]struct{ begin, end func(*rcu.Reader) }{
		"Unlock":  {(*rcu.Reader).Lock, (*rcu.Reader).Unlock},
		"Offline": {(*rcu.Reader).Online, (*rcu.Reader).Offline},
		"Quiesce": {(*rcu.Reader).Online, (*rcu.Reader).Quiesce},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d rcu.Domain
				r := d.Register()
				use.begin(r)
				start := time.Now()
				done := make(chan struct{})
				go func() {
					d.Synchronize()
					close(done)
				}()
				synctest.Wait() // all are asleep
				use.end(r)
				<-done
				require.Zero(t, time.Since(start), "somebody looked from time to time")
			})
		})
	}
}

// A driver that is told costs nothing while it sleeps.
func TestDriverSleepsUntilTold(t *testing.T) {
	var d rcu.Domain
	require.Zero(t, d.LookAgain())
	defer rcu.ReadersFence()()
	require.NotZero(t, d.LookAgain())
}

// A reader that ends section after section while the driver that it told does not
// get to run waits for it in the end.
func TestReaderGivesWayToDriver(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var d rcu.Domain
	r := d.Register()
	r.Lock()
	done := make(chan struct{})
	go func() {
		d.Synchronize()
		close(done)
	}()
	untilParked(t, "select", "rcu.(*Domain).sleep")
	require.True(t, r.Awaited())
	r.Unlock()
	for range rcu.Courtesy + 1 { // none enters the scheduler but the last
		r.Lock()
		r.Unlock()
	}
	require.False(t, r.Awaited(), "the driver has not run")
	<-done
}

// The number of a grace period goes up before the list of readers is taken. Whoever
// calls Synchronize in between must find that this one has begun, for it may miss
// readers that are registered from then on.
func TestListIsTakenAfterTheStart(t *testing.T) {
	d := rcu.NewAt(^uint64(0) - 1)
	before := d.Newest()
	release := d.HoldRegistry()
	done := make(chan struct{})
	go func() {
		d.Synchronize()
		close(done)
	}()
	untilParked(t, "sync.Mutex.Lock", "rcu.(*Domain).advance")
	require.Equal(t, before+rcu.Step, d.Newest())
	release()
	<-done
}

// untilParked returns when a goroutine waits in the named state within the named
// function.
func untilParked(t *testing.T, state, function string) {
	stacks := make([]byte, 1<<20)
	for t.Context().Err() == nil {
		for _, g := range strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			head, frames, _ := strings.Cut(g, "\n")
			if strings.Contains(head, "["+state) && strings.Contains(frames, function+"(") {
				return
			}
		}
		runtime.Gosched()
	}
}

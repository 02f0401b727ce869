package rcu_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/rcu"
)

func TestCallWaitsForSections(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		for range 4 {
			r.Lock()
			called := make(chan int, 3)
			for i := range cap(called) {
				d.Call(func() { called <- i })
			}
			synctest.Wait()
			require.Empty(t, called)
			r.Unlock()
			d.Barrier()
			require.Len(t, called, cap(called))
			for i := range cap(called) {
				require.Equal(t, i, <-called, "order")
			}
		}
		d.Close()
	})
}

// A callback given while a grace period is under way waits for the next: its
// section may be younger than that period.
func TestCallDuringGracePeriod(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		a, b := d.Register(), d.Register()
		first, second := make(chan struct{}), make(chan struct{})
		a.Lock()
		d.Call(func() { close(first) })
		synctest.Wait()
		b.Lock()
		d.Call(func() { close(second) })
		a.Unlock()
		<-first
		synctest.Wait()
		select {
		case <-second:
			t.Fatal("b is inside")
		default:
		}
		b.Unlock()
		<-second
	})
}

// One grace period serves all the callbacks that have come meanwhile.
func TestCallsShareAGracePeriod(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		r.Lock()
		d.Call(func() {})
		synctest.Wait()
		before, n := d.Newest(), 0
		for range 1000 {
			d.Call(func() { n++ })
		}
		r.Unlock()
		d.Barrier()
		require.Equal(t, 1000, n)
		require.Equal(t, before+rcu.Step, d.Newest())
	})
}

// No more than the backlog and the batch that waits for its grace period are ever
// taken in; then Call waits, and each callback is called all the same.
func TestCallHoldsBack(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		r.Lock()
		n := 0
		d.Call(func() { n++ })
		synctest.Wait() // its grace period has begun
		for range rcu.Backlog {
			d.Call(func() { n++ })
		}
		require.False(t, d.TryCall(func() { n++ }))
		returned := make(chan struct{})
		go func() {
			for range rcu.Backlog + 1 {
				d.Call(func() { n++ })
			}
			close(returned)
		}()
		synctest.Wait()
		select {
		case <-returned:
			t.Fatal("there was room")
		default:
		}
		r.Unlock()
		<-returned
		d.Barrier()
		require.Equal(t, 2*rcu.Backlog+2, n)
		require.True(t, d.TryCall(func() {}))
		d.Close()
	})
}

// Barrier waits for what came before it and not for what comes after.
func TestBarrier(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		d.Barrier() // nothing to wait for
		release, entered := make(chan struct{}), make(chan struct{})
		d.Call(func() {
			close(entered)
			<-release
		})
		<-entered
		early, late := make(chan struct{}), make(chan struct{})
		go func() {
			d.Barrier()
			close(early)
		}()
		synctest.Wait()
		select {
		case <-early:
			t.Fatal("a callback has not returned")
		default:
		}
		d.Call(func() { <-late })
		close(release)
		<-early
		close(late)
		d.Close()
	})
}

func TestCallWithinCallback(t *testing.T) {
	var d rcu.Domain
	var n int
	var again func()
	again = func() {
		if n++; n < 100 {
			d.Call(again)
		}
	}
	d.Call(again)
	for range 100 {
		d.Barrier()
	}
	require.Equal(t, 100, n)
}

// While there are no callbacks there is no goroutine for them.
func TestNoGoroutineWhileIdle(t *testing.T) {
	var d rcu.Domain
	for range 3 {
		d.Call(func() {})
		d.Barrier()
		untilGone(t, "rcu.(*Domain).invoke")
	}
	d.Call(func() {})
	d.Close()
	untilGone(t, "rcu.(*Domain).invoke")
}

// untilGone returns when no goroutine is within the named function.
func untilGone(t *testing.T, function string) {
	stacks := make([]byte, 1<<20)
	for t.Context().Err() == nil {
		if !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), function+"(") {
			return
		}
		runtime.Gosched()
	}
}

func TestCloseWaitsForCallbacks(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		r.Lock()
		n := 0
		for range 10 {
			d.Call(func() { n++ })
		}
		closed := make(chan int)
		go func() {
			d.Close()
			closed <- n
		}()
		synctest.Wait()
		require.PanicsWithValue(t, "rcu: Call in a closed Domain", func() { d.Call(func() {}) })
		require.PanicsWithValue(t, "rcu: Close of a closed Domain", d.Close)
		r.Unlock()
		require.Equal(t, 10, <-closed)
		r.Lock()
		r.Unlock()
		d.Synchronize() // all else goes on
	})
	require.PanicsWithValue(t, "rcu: Call of nil", func() { new(rcu.Domain).Call(nil) })
}

// Each goroutine's callbacks are called in its order, and all exactly once.
func TestCallsOfManyGoroutines(t *testing.T) {
	const callers, each = 8, 20_000
	var (
		d     rcu.Domain
		all   sync.WaitGroup
		count [callers]int
	)
	for own := range callers {
		all.Go(func() {
			for i := range each {
				f := func() {
					if count[own] != i {
						t.Errorf("callback %d of caller %d came as number %d", i, own, count[own])
					}
					count[own]++
				}
				if i%2 == 0 || !d.TryCall(f) {
					d.Call(f)
				}
			}
			d.Barrier()
			if count[own] != each {
				t.Errorf("%d callbacks of caller %d were called, want %d", count[own], own, each)
			}
		})
	}
	all.Wait()
	d.Close()
}

package rcu_test

import (
	"fmt"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/rcu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Reader is a sync.Locker.
var _ sync.Locker = (*rcu.Reader)(nil)

// everyStart runs a test with the zero value's number of the newest grace period,
// and with numbers whose successors wrap or change sign; with readers that leave
// the fence to the driver, and with readers that do not. It runs in a bubble, whose
// clock moves only when everybody sleeps.
func everyStart(t *testing.T, test func(t *testing.T, d *rcu.Domain)) {
	for _, n := range []uint64{0, ^uint64(0), ^uint64(0) - 2, 1<<63 - 2, 1<<63 - 4} {
		t.Run(fmt.Sprintf("start=%#x", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, rcu.NewAt(n)) })
		})
		t.Run(fmt.Sprintf("start=%#x/readersFence", n), func(t *testing.T) {
			defer rcu.ReadersFence()()
			synctest.Test(t, func(t *testing.T) { test(t, rcu.NewAt(n)) })
		})
	}
}

// synchronizing calls Synchronize in a goroutine. It returns a function that
// reports whether Synchronize has returned, after as much time as it could need.
func synchronizing(d *rcu.Domain) (returned func() bool) {
	var done atomic.Bool
	go func() {
		d.Synchronize()
		done.Store(true)
	}()
	return func() bool {
		time.Sleep(10 * time.Millisecond) // the bubble's, and so no time at all
		synctest.Wait()
		return done.Load()
	}
}

func TestSynchronizeWithoutReaders(t *testing.T) {
	new(rcu.Domain).Synchronize()
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		for range 4 {
			require.True(t, synchronizing(d)())
		}
	})
}

func TestSynchronizePassesIdleReaders(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		d.Register()
		r := d.Register()
		for range 4 {
			r.Lock()
			r.Unlock()
			require.True(t, synchronizing(d)())
		}
	})
}

func TestSynchronizeWaitsForEverySection(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		a, b := d.Register(), d.Register()
		for range 4 {
			a.Lock()
			b.Lock()
			returned := synchronizing(d)
			require.False(t, returned())
			b.Unlock()
			require.False(t, returned())
			a.Unlock()
			require.True(t, returned())
		}
	})
}

func TestSynchronizeWaitsForOutermostUnlock(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		r.Lock()
		r.Lock()
		returned := synchronizing(d)
		r.Unlock()
		require.False(t, returned())
		r.Lock() // nested, so no section of its own
		r.Unlock()
		require.False(t, returned())
		r.Unlock()
		require.True(t, returned())
	})
}

// Sections that follow one another without a gap must not keep it for ever.
func TestSynchronizePassesLaterSections(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		a, b := d.Register(), d.Register()
		a.Lock()
		returned := synchronizing(d)
		require.False(t, returned())
		b.Lock()
		c := d.Register()
		c.Lock()
		a.Unlock()
		a.Lock()
		require.True(t, returned())

		returned = synchronizing(d)
		require.False(t, returned(), "the next one waits for all three")
		a.Unlock()
		b.Unlock()
		require.False(t, returned())
		c.Unlock()
		require.True(t, returned())
	})
}

func TestRegisterAndCloseDuringSynchronize(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		a, idle := d.Register(), d.Register()
		a.Lock()
		returned := synchronizing(d)
		require.False(t, returned())
		idle.Close()
		for range 3 {
			r := d.Register()
			r.Lock()
			r.Unlock()
			r.Close()
		}
		require.False(t, returned(), "a is still inside")
		a.Unlock()
		a.Close()
		require.True(t, returned())
	})
}

func TestClosedReaderIsNotWaitedFor(t *testing.T) {
	var d rcu.Domain
	readers := []*rcu.Reader{d.Register(), d.Register(), d.Register()}
	for n, r := range readers {
		require.Equal(t, 3-n, d.Readers())
		r.Close()
		d.Synchronize()
	}
	require.Zero(t, d.Readers())
}

func TestDomainsAreApart(t *testing.T) {
	var d, other rcu.Domain
	r := other.Register()
	r.Lock()
	d.Register()
	d.Synchronize()
	r.Unlock()
}

// A section may pass to another goroutine.
func TestReaderPassesToAnotherGoroutine(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		r.Lock()
		returned := synchronizing(d)
		require.False(t, returned())
		go r.Unlock()
		require.True(t, returned())
	})
}

// All who call while a grace period runs are content with the next: two in all,
// however many callers. The rounds go on until they have all come in time.
func TestConcurrentSynchronizeSharesAGracePeriod(t *testing.T) {
	const callers = 8
	d := rcu.NewAt(^uint64(0) - 10)
	r := d.Register()
	for run := uint64(0); run != 2; {
		before := d.Newest()
		var done sync.WaitGroup
		r.Lock()
		for range callers {
			done.Go(d.Synchronize)
		}
		for b := (spinlock.Backoff{}); d.Newest() == before || !b.Spent(); {
			b.Wait()
		}
		r.Unlock()
		done.Wait()
		run = (d.Newest() - before) / rcu.Step
		require.NotZero(t, run)
		require.LessOrEqual(t, run, uint64(callers))
	}
}

func TestMisusePanics(t *testing.T) {
	var d rcu.Domain
	r := d.Register()
	require.PanicsWithValue(t, "rcu: Unlock outside of a section", r.Unlock)
	r.Lock()
	require.PanicsWithValue(t, "rcu: Close within a section", r.Close)
	r.Unlock()
	require.PanicsWithValue(t, "rcu: Unlock outside of a section", r.Unlock)
	r.Close()
	require.PanicsWithValue(t, "rcu: Close of a closed Reader", r.Close)
	require.Panics(t, r.Lock, "a closed Reader protects nothing")
}

func TestPointer(t *testing.T) {
	var p rcu.Pointer[int]
	one, two := new(int), new(int)
	require.Nil(t, p.Load())
	p.Store(one)
	require.Same(t, one, p.Load())
	require.Same(t, one, p.Swap(two))
	require.False(t, p.CompareAndSwap(one, one))
	require.Same(t, two, p.Load())
	require.True(t, p.CompareAndSwap(two, one))
	require.Same(t, one, p.Load())
}

func TestReaderAndSynchronizeDoNotAllocate(t *testing.T) {
	var d rcu.Domain
	r := d.Register()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		r.Lock()
		r.Lock()
		r.Unlock()
		r.Unlock()
		d.Synchronize()
	}))
}

// A copy of any of them is another one: go vet has to say so.
func TestVetSeesCopies(t *testing.T) {
	out, err := exec.Command("go", "vet", "./testdata/copies").CombinedOutput()
	require.Error(t, err)
	for _, name := range []string{"Domain", "Reader", "Pointer[int]"} {
		require.Contains(t, string(out), "passes lock by value: github.com/ferrule-go/ferrule/rcu."+name)
	}
}

package eventcount

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// patience is how long everybody may stand still before they count as stuck.
const patience = 10 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begin := time.Now(); !holds(); runtime.Gosched() {
		if time.Since(begin) > patience {
			t.Fatalf("never %s", what)
		}
	}
}

// done waits for all, and gives up once nothing has moved for long.
func done(t *testing.T, all *sync.WaitGroup, moved func() uint64) {
	t.Helper()
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for before := moved() - 1; ; {
		select {
		case <-ended:
			return
		case <-time.After(patience):
		}
		now := moved()
		if now == before {
			t.Fatal("somebody waits for ever")
		}
		before = now
	}
}

func notified(w *Waiter) bool { return len(w.woken) == 1 }

func TestNotifyInOrder(t *testing.T) {
	var e Event
	ws := []*Waiter{e.Prepare(), e.Prepare(), e.Prepare(), e.Prepare()}
	want := func(woken ...bool) {
		t.Helper()
		for i, w := range ws {
			require.Equal(t, woken[i], notified(w), "waiter %d", i)
		}
	}
	e.Notify(0)
	want(false, false, false, false)
	e.Notify(1)
	want(true, false, false, false)
	e.Notify(2)
	want(true, true, true, false)
	require.True(t, e.Waited())
	e.NotifyAll()
	want(true, true, true, true)
	require.False(t, e.Waited())
	e.Notify(1) // of nobody
	for _, w := range ws {
		require.NoError(t, w.Wait(t.Context()))
	}
}

// Whoever leaves the list, from its first place, its last or between, leaves the
// others in it.
func TestCancelFromEveryPlace(t *testing.T) {
	for place := range 3 {
		var e Event
		ws := []*Waiter{e.Prepare(), e.Prepare(), e.Prepare()}
		ws[place].Cancel()
		require.Equal(t, 2, e.Sleepers())
		e.Notify(3)
		for i, w := range ws {
			if i != place {
				require.True(t, notified(w))
				require.NoError(t, w.Wait(t.Context()))
			}
		}
		require.False(t, e.Waited())
	}
}

// The notification that a waiter got and has no use for is another's.
func TestCancelPassesOn(t *testing.T) {
	var e Event
	first, second := e.Prepare(), e.Prepare()
	e.Notify(1)
	require.False(t, notified(second))
	first.Cancel()
	require.True(t, notified(second))
	require.NoError(t, second.Wait(t.Context()))
	require.False(t, e.Waited())
}

func TestWaitOfDoneContext(t *testing.T) {
	var e Event
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, e.Prepare().Wait(ctx), context.Canceled)
	require.False(t, e.Waited(), "whoever gave up is not waited for")

	// Of the two, the notification counts, whichever the select prefers.
	for range 50 {
		w := e.Prepare()
		e.Notify(1)
		require.NoError(t, w.Wait(ctx))
	}
}

func TestWatch(t *testing.T) {
	var e Event
	e.Notify(1) // too early to count
	c := e.Watch()
	require.Equal(t, c, e.Watch(), "all who watch share a channel")
	require.True(t, e.Waited())
	select {
	case <-c:
		t.Fatal("closed before a notification")
	default:
	}
	w := e.Prepare()
	e.Notify(1)
	<-c
	require.True(t, notified(w), "those who watch take nothing from those who wait")
	require.NoError(t, w.Wait(t.Context()))
	require.False(t, e.Waited())
	require.NotEqual(t, c, e.Watch())
	e.Notify(0)
	require.False(t, e.Waited(), "those who watch count as nobody")
}

func TestAwait(t *testing.T) {
	var e Event
	looks := 0
	require.NoError(t, e.Await(t.Context(), func() bool { looks++; return looks == 3 }))
	require.Equal(t, 3, looks, "and not again after it has said yes")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, e.Await(ctx, func() bool { return true }))
	looks = 0
	require.ErrorIs(t, e.Await(ctx, func() bool { looks++; return false }), context.Canceled)
	require.Equal(t, 1, looks)
}

// The last look of one who is about to sleep may find what was waited for: then
// nobody is left in the list, and a notification of the moment between is not lost.
func TestAwaitLooksOnceMore(t *testing.T) {
	var e Event
	prepared := false
	require.NoError(t, e.Await(t.Context(), func() bool { prepared = e.Waited(); return prepared }))
	require.True(t, prepared)
	require.False(t, e.Waited())
}

// Who has announced itself passes the fence before it looks, or, where there is
// none, waits for as long as a store may take to be seen.
func TestAnnouncedBeforeTheFence(t *testing.T) {
	defer func() { membarrier = cpu.Membarrier }()
	synctest.Test(t, func(t *testing.T) {
		for _, granted := range []bool{true, false} {
			var e Event
			fences := 0
			membarrier = func() bool {
				require.True(t, e.Waited(), "announced first")
				fences++
				return granted
			}
			waited := time.Duration(0)
			if !granted {
				waited = 100 * time.Microsecond
			}
			begin := time.Now()
			e.Prepare().Cancel()
			require.Equal(t, 1, fences)
			require.Equal(t, waited, time.Since(begin))
			e.Watch()
			require.Equal(t, 2, fences)
			require.Equal(t, 2*waited, time.Since(begin))
		}
	})
}

// processors runs the trial with one processor, with two and with more than there
// are.
func processors(t *testing.T, trial func(t *testing.T)) {
	for _, n := range []int{1, 2, 8} {
		t.Run(map[int]string{1: "one", 2: "two", 8: "eight"}[n], func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
			trial(t)
		})
	}
}

// Two take turns, and each sleeps until the other has had its own: a wake-up lost
// is the end of it.
func TestNoWakeUpLostInTurns(t *testing.T) {
	turns := uint64(20_000)
	if testing.Short() {
		turns /= 10
	}
	processors(t, func(t *testing.T) {
		var turn atomic.Uint64
		var events [2]Event
		var both sync.WaitGroup
		for me := range uint64(2) {
			both.Go(func() {
				for n := me; n < turns; n += 2 {
					for turn.Load() != n {
						w := events[me].Prepare()
						if turn.Load() == n {
							w.Cancel()
							break
						}
						_ = w.Wait(context.Background())
					}
					cpu.Publish(&turn, n+1)
					events[1-me].Notify(1)
				}
			})
		}
		done(t, &both, turn.Load)
	})
}

// A notifier's store waits in the store buffer behind others that miss, while its
// load of who waits is done. A waiter who announces itself just then is not seen,
// so its last look has to see the store. In each round one publishes, one prepares,
// and the pause before is another.
func TestNotifierLooksEarly(t *testing.T) {
	rounds := uint64(80_000)
	if testing.Short() {
		rounds /= 10
	}
	var e Event
	var begun, condition, over atomic.Uint64
	var far [40]struct { // lines that are in the waiter's cache
		atomic.Uint64
		_ cpu.Pad
	}
	write := func(n uint64) {
		for i := range far {
			cpu.Publish(&far[i].Uint64, n)
		}
	}
	until := func(word *atomic.Uint64, n uint64) {
		for i := 0; word.Load() != n; i++ {
			if i > 1000 {
				runtime.Gosched()
			}
		}
	}
	var both sync.WaitGroup
	both.Go(func() {
		for n := uint64(1); n <= rounds; n++ {
			until(&begun, n)
			write(n)
			cpu.Publish(&condition, n)
			e.Notify(1)
			over.Store(n)
		}
	})
	lost := uint64(0)
	both.Go(func() {
		for n := uint64(1); n <= rounds; n++ {
			write(n)
			begun.Store(n)
			cpu.Pause(uint32(n % 40))
			w := e.Prepare()
			saw := condition.Load() == n
			until(&over, n)
			if !saw && !notified(w) {
				lost++
			}
			w.Cancel()
		}
	})
	done(t, &both, over.Load)
	require.Zero(t, lost, "of %d rounds", rounds)
}

// Tokens are put one at a time, each with one notification; takers come, give up
// after any while, and come again. Each token finds a taker.
func TestCancelRacesNotify(t *testing.T) {
	tokens := 4000
	if testing.Short() {
		tokens /= 10
	}
	processors(t, func(t *testing.T) {
		const takers = 6
		var e Event
		var held atomic.Int64 // tokens put and not taken
		var left atomic.Int64 // tokens not taken
		left.Store(int64(tokens))
		take := func() bool {
			for n := held.Load(); n > 0; n = held.Load() {
				if held.CompareAndSwap(n, n-1) {
					if left.Add(-1) == 0 {
						e.NotifyAll() // there is nothing to wait for any more
					}
					return true
				}
			}
			return false
		}
		var all sync.WaitGroup
		for i := range takers {
			all.Go(func() {
				for n := 0; left.Load() > 0; n++ {
					ctx, cancel := context.Background(), func() {}
					if i%2 == 0 {
						ctx, cancel = context.WithTimeout(ctx, time.Duration(n%20)*time.Microsecond)
					}
					w := e.Prepare()
					if take() || left.Load() == 0 {
						w.Cancel()
					} else if w.Wait(ctx) == nil {
						take()
					}
					cancel()
				}
			})
		}
		all.Go(func() {
			for range tokens {
				for held.Load() >= 3 {
					runtime.Gosched()
				}
				held.Add(1)
				e.Notify(1)
			}
		})
		done(t, &all, func() uint64 { return uint64(left.Load()) })
		require.Zero(t, held.Load())
		require.False(t, e.Waited())
	})
}

// Whoever watches is told of each change that comes after the call.
func TestWatchMissesNothing(t *testing.T) {
	changes := uint64(10_000)
	if testing.Short() {
		changes /= 10
	}
	processors(t, func(t *testing.T) {
		var e Event
		var made, seen atomic.Uint64
		var both sync.WaitGroup
		both.Go(func() {
			for n := uint64(1); n <= changes; n++ {
				for seen.Load() != n-1 {
					runtime.Gosched()
				}
				cpu.Publish(&made, n)
				e.Notify(1)
			}
		})
		both.Go(func() {
			for n := uint64(1); n <= changes; n++ {
				for made.Load() != n {
					c := e.Watch()
					if made.Load() == n {
						break
					}
					<-c
				}
				seen.Store(n)
			}
		})
		done(t, &both, made.Load)
	})
}

// Who waits is parked, and holds no processor, until it is notified.
func TestWaiterIsParked(t *testing.T) {
	const waiters = 3
	var e Event
	var open atomic.Bool
	var all sync.WaitGroup
	for range waiters {
		all.Go(func() { require.NoError(t, e.Await(context.Background(), open.Load)) })
	}
	stacks := make([]byte, 1<<20)
	eventually(t, "all parked", func() bool {
		parked := 0
		for g := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			head, _, _ := strings.Cut(g, "\n")
			if strings.Contains(head, "[select") && strings.Contains(g, ".(*Event).Await(") {
				parked++
			}
		}
		return parked == waiters
	})
	require.Equal(t, waiters, e.Sleepers())
	open.Store(true)
	e.NotifyAll()
	done(t, &all, func() uint64 { return uint64(e.Sleepers()) })
}

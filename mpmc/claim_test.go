package mpmc

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A producer that has claimed a slot and not yet filled it hides what others
// push after it, and delays them only when the ring has gone once round.
func TestSuspendedProducer(t *testing.T) {
	r := New[string](4)
	first, n := r.claim(&r.tail, free, 1, 1)
	require.Equal(t, 1, n)

	require.True(t, r.TryPush("second"))
	require.Equal(t, 2, r.TryPushN([]string{"third", "fourth"}))
	require.False(t, r.TryPush("fifth"), "its slot is the first's")
	require.Zero(t, r.TryPushN([]string{"fifth"}))
	require.Equal(t, 4, r.Len())

	_, ok := r.TryPop()
	require.False(t, ok, "nothing is to be had before the first")
	require.Zero(t, r.TryPopN(make([]string, 4)))

	r.values[0] = "first"
	r.give(first, 1, full)
	vs := make([]string, 4)
	require.Equal(t, 4, r.TryPopN(vs))
	require.Equal(t, []string{"first", "second", "third", "fourth"}, vs)
}

// A consumer that has claimed a slot and not yet emptied it makes the ring full
// when it has gone once round, though other slots are free.
func TestSuspendedConsumer(t *testing.T) {
	r := New[int](4)
	require.Equal(t, 4, r.TryPushN([]int{0, 1, 2, 3}))
	first, n := r.claim(&r.head, full, 1, 1)
	require.Equal(t, 1, n)

	vs := make([]int, 2)
	require.Equal(t, 2, r.TryPopN(vs))
	require.Equal(t, []int{1, 2}, vs)
	require.False(t, r.TryPush(4), "its slot is not given back")
	require.Zero(t, r.TryPushN([]int{4}))

	r.give(first+4*step, 1, free)
	require.Equal(t, 3, r.TryPushN([]int{4, 5, 6, 7}))
	require.Equal(t, 4, r.Len())
}

// A burst ends before a slot that is still in use, though the next ones are not.
func TestBurstEndsAtSlotInUse(t *testing.T) {
	r := New[int](8)
	require.Equal(t, 8, r.TryPushN(make([]int, 8)))
	require.Equal(t, 3, r.TryPopN(make([]int, 3)))
	slow, n := r.claim(&r.head, full, 1, 1)
	require.Equal(t, 1, n)
	require.Equal(t, 4, r.TryPopN(make([]int, 8)))

	require.Equal(t, 3, r.TryPushN(make([]int, 8)))
	require.Zero(t, r.TryPushN(make([]int, 8)))
	r.give(slow+8*step, 1, free)
	require.Equal(t, 5, r.TryPushN(make([]int, 8)))
}

// A burst says of a run only what it has all of: the first slot may be another's.
func TestBurstEndsWithRun(t *testing.T) {
	r := New[int](runLen)
	first, _ := r.claim(&r.tail, free, 1, 1)
	require.Equal(t, runLen-1, r.TryPushN(make([]int, runLen)))
	require.Zero(t, r.TryPopN(make([]int, runLen)))
	r.give(first, 1, full)
	require.Equal(t, runLen, r.TryPopN(make([]int, runLen)))
	require.Equal(t, runLen, r.TryPushN(make([]int, runLen)))
	first, _ = r.claim(&r.head, full, 1, 1)
	require.Equal(t, runLen-1, r.TryPopN(make([]int, runLen)))
	require.False(t, r.TryPush(0))
	r.give(first+runLen*step, 1, free)
	require.True(t, r.TryPush(0))
}

// Who has loaded a counter that has gone on since finds the turn of a run that is over,
// and has lost a race: that is neither full nor empty.
func TestTurnThatIsOverIsLost(t *testing.T) {
	r := New[int](2 * runLen)
	require.Equal(t, runLen, r.TryPushN(make([]int, runLen)))
	n, early := r.count(free, 2*runLen)
	require.Zero(t, n)
	require.Negative(t, early)
	require.Equal(t, runLen, r.TryPopN(make([]int, runLen)))
	n, early = r.count(full, 2*runLen)
	require.Zero(t, n)
	require.Negative(t, early)
}

// asleep returns when n goroutines wait for values and have parked: they have had
// their last look.
func asleep[T any](r *Ring[T], n int) {
	stacks := make([]byte, 1<<20)
	for parked := -1; parked != n || r.poppers.Sleepers() != n; runtime.Gosched() {
		parked = 0
		for g := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			head, _, _ := strings.Cut(g, "\n")
			if strings.Contains(head, "[select") && strings.Contains(g, ".(*Event).Await(") {
				parked++
			}
		}
	}
}

// A value that another one hid when its producer woke somebody is not forgotten:
// whoever shows both wakes for both.
func TestHiddenValueWakesToo(t *testing.T) {
	r := New[int](4)
	got := make(chan int)
	for range 2 {
		go func() {
			v, _ := r.Pop(context.Background())
			got <- v
		}()
	}
	asleep(r, 2)
	first, _ := r.claim(&r.tail, free, 1, 1)
	require.True(t, r.TryPush(2)) // wakes one, who finds nothing
	asleep(r, 2)
	r.values[0] = 1
	r.give(first, 1, full)
	r.wakePoppers()
	require.Equal(t, 3, <-got+<-got)
}

// Poppers who wait for what is reserved in a closed ring wait for nothing more if
// it is not committed, all of them.
func TestCommitOfNothingIsTheEnd(t *testing.T) {
	r := New[int](4)
	a, _ := r.Reserve(2)
	require.Len(t, a, 2)
	r.Close()
	errs := make(chan error)
	for range 3 {
		go func() {
			_, err := r.Pop(context.Background())
			errs <- err
		}()
	}
	asleep(r, 3)
	r.Commit(0)
	for range 3 {
		require.ErrorIs(t, <-errs, ErrClosed)
	}
}

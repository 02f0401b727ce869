package mcs_test

import (
	"context"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/mcs"
)

// handle is a lock with the node of one goroutine.
type handle struct {
	lock *mcs.Lock
	node mcs.Node
}

func (h *handle) Lock()         { h.lock.Acquire(&h.node) }
func (h *handle) TryLock() bool { return h.lock.TryAcquire(&h.node) }
func (h *handle) Unlock()       { h.lock.Release(&h.node) }

func (h *handle) LockContext(ctx context.Context) error {
	return h.lock.AcquireContext(ctx, &h.node)
}

func newLock() func() locktest.Handle {
	l := new(mcs.Lock)
	return func() locktest.Handle { return &handle{lock: l} }
}

func TestLock(t *testing.T) {
	locktest.Mutex(t, newLock)
}

func TestLockServesInOrder(t *testing.T) {
	locktest.FIFO(t, func() (func() locktest.Handle, func() any) {
		l := new(mcs.Lock)
		return func() locktest.Handle { return &handle{lock: l} }, l.Tail
	})
}

// Someone who holds the lock may let another goroutine release it.
func TestNodePassesToAnotherGoroutine(t *testing.T) {
	var (
		lock mcs.Lock
		node mcs.Node
		done sync.WaitGroup
	)
	lock.Acquire(&node)
	done.Go(func() { lock.Release(&node) })
	done.Wait()
	require.True(t, lock.TryAcquire(&node))
	lock.Release(&node)
}

func TestTwoLocksTakeTwoNodes(t *testing.T) {
	var (
		outer, inner         mcs.Lock
		outerNode, innerNode mcs.Node
	)
	outer.Acquire(&outerNode)
	inner.Acquire(&innerNode)
	outer.Release(&outerNode)
	outer.Acquire(&outerNode)
	inner.Release(&innerNode)
	outer.Release(&outerNode)
	require.True(t, outer.Free())
	require.True(t, inner.Free())

	outer.Acquire(&innerNode) // any node will do, for any lock
	outer.Release(&innerNode)
}

func TestMisuseOfANodePanics(t *testing.T) {
	var (
		lock, other mcs.Lock
		node, idle  mcs.Node
	)
	const inUse, notHeld = "mcs: Node is in use", "mcs: Release with a Node that does not hold the Lock"

	require.PanicsWithValue(t, notHeld, func() { lock.Release(&node) })
	lock.Acquire(&node)
	require.PanicsWithValue(t, inUse, func() { lock.Acquire(&node) })
	require.PanicsWithValue(t, inUse, func() { lock.TryAcquire(&node) })
	require.PanicsWithValue(t, inUse, func() { other.Acquire(&node) })
	require.PanicsWithValue(t, notHeld, func() { other.Release(&node) })
	require.PanicsWithValue(t, notHeld, func() { lock.Release(&idle) })

	lock.Release(&node) // no panic left a trace
	require.PanicsWithValue(t, notHeld, func() { lock.Release(&node) })
	require.True(t, lock.TryAcquire(&idle))
	require.False(t, lock.TryAcquire(&node))
	lock.Release(&idle)
	require.True(t, lock.TryAcquire(&node), "a node that was refused is idle again")
	lock.Release(&node)
}

// A Node whose wait was given up stands for another place from then on.
func TestNodeIsFreeAfterGivingUp(t *testing.T) {
	var (
		lock, other  mcs.Lock
		holder, node mcs.Node
	)
	lock.Acquire(&holder)
	before := lock.Tail()
	ctx, cancel := context.WithCancel(t.Context())
	gaveUp := make(chan error)
	go func() { gaveUp <- lock.AcquireContext(ctx, &node) }()
	until(func() bool { return lock.Tail() != before })
	cancel()
	require.ErrorIs(t, <-gaveUp, context.Canceled)

	require.ErrorIs(t, lock.AcquireContext(ctx, &node), context.Canceled)
	require.True(t, other.TryAcquire(&node))
	other.Release(&node)
	lock.Release(&holder)
	require.True(t, lock.TryAcquire(&node))
	lock.Release(&node)
}

// While one holder stays, others come and leave, some of whom stay longer.
func TestThoseWhoLeftDoNotPileUp(t *testing.T) {
	var (
		lock   mcs.Lock
		holder mcs.Node
		all    sync.WaitGroup
	)
	lock.Acquire(&holder)
	join := func(ctx context.Context) (left chan struct{}) {
		left = make(chan struct{})
		before := lock.Tail()
		all.Go(func() {
			defer close(left)
			var node mcs.Node
			if lock.AcquireContext(ctx, &node) == nil {
				lock.Release(&node)
			}
		})
		until(func() bool { return lock.Tail() != before })
		return left
	}
	for n := range 100 {
		one, cancelOne := context.WithCancel(t.Context())
		two, cancelTwo := context.WithCancel(t.Context())
		a, b := join(one), join(two)
		if n == 50 {
			join(t.Context())
		}
		if n%2 == 0 {
			a, b, cancelOne, cancelTwo = b, a, cancelTwo, cancelOne
		}
		cancelOne()
		<-a
		cancelTwo()
		<-b
		require.LessOrEqual(t, holder.Behind(), 3)
	}
	lock.Release(&holder)
	returns(t, all.Wait)
	require.True(t, lock.Free())
}

// Somebody leaves from behind a holder so slowly that the holder has been back in
// the queue by then, and has left it too.
func TestWhoLeavesLateHarmsNobody(t *testing.T) {
	var (
		lock       mcs.Lock
		a, b, c    mcs.Node
		acquired   = make(chan struct{})
		given, end = context.WithCancel(t.Context())
	)
	lock.Acquire(&a)
	leave := lock.LeaveSlowly()
	lock.Release(&a) // passes it over
	lock.Acquire(&b)
	left := make(chan error)
	go func() { left <- lock.AcquireContext(given, &a) }()
	until(func() bool { return lock.Tail() != any(b.Place()) })
	end()
	require.ErrorIs(t, <-left, context.Canceled)
	leave()
	go func() {
		lock.Acquire(&c)
		close(acquired)
	}()
	returns(t, func() {
		lock.Release(&b)
		<-acquired
	})
	lock.Release(&c)
}

// Whoever sees a place behind its own must find that its owner waits.
func TestPlaceIsReadyWhenLinked(t *testing.T) {
	times := 400_000
	if testing.Short() {
		times = 10_000
	}
	require.True(t, mcs.LinkedReady(times))
}

// Who ends a wait must not miss that its owner has just parked.
func TestParkedAtAnyMoment(t *testing.T) {
	returns(t, func() { mcs.ParkAndEnd(50_000) })
}

// A node in long use must not hold on to those that once stood behind it.
func TestReleaseKeepsNothingAlive(t *testing.T) {
	var (
		lock  mcs.Lock
		first mcs.Node
		done  sync.WaitGroup
	)
	second := new(mcs.Node)
	lock.Acquire(second)
	lock.Release(second)
	remembered := weak.Make(second.Place())
	lock.Acquire(&first)
	done.Go(func() {
		lock.Acquire(second)
		lock.Release(second)
	})
	until(func() bool { return lock.Tail() == any(second.Place()) })
	lock.Release(&first)
	done.Wait()
	second = nil

	runtime.GC()
	require.Nil(t, remembered.Value())
	lock.Acquire(&first) // first and lock are alive until here
	lock.Release(&first)
}

func TestLockDoesNotAllocate(t *testing.T) {
	var (
		lock mcs.Lock
		node mcs.Node
	)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		lock.Acquire(&node)
		lock.Release(&node)
		lock.TryAcquire(&node)
		lock.Release(&node)
	}))
}

// A copy of a lock or of a node is another one: go vet has to say so.
func TestVetSeesCopies(t *testing.T) {
	out, err := exec.Command("go", "vet", "./testdata/copies").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "passes lock by value: github.com/ferrule-go/ferrule/mcs.Lock")
	require.Contains(t, string(out), "passes lock by value: github.com/ferrule-go/ferrule/mcs.Node")
	require.Contains(t, string(out), "passes lock by value: github.com/ferrule-go/ferrule/mcs.Mutex")
}

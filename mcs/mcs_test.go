package mcs_test

import (
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/mcs"
	"github.com/ferrule-go/ferrule/spinlock"
)

// handle is a lock with the node of one goroutine.
type handle struct {
	lock *mcs.Lock
	node mcs.Node
}

func (h *handle) Lock()         { h.lock.Acquire(&h.node) }
func (h *handle) TryLock() bool { return h.lock.TryAcquire(&h.node) }
func (h *handle) Unlock()       { h.lock.Release(&h.node) }

func newLock() func() locktest.Handle {
	l := new(mcs.Lock)
	return func() locktest.Handle { return &handle{lock: l} }
}

func TestLock(t *testing.T) {
	locktest.Mutex(t, newLock)
}

// Each waiter joins only after the one before it stands in the queue.
func TestLockServesInOrder(t *testing.T) {
	const waiters = 20
	var (
		lock   mcs.Lock
		holder mcs.Node
		served []int
		done   sync.WaitGroup
	)
	lock.Acquire(&holder)
	for n := range waiters {
		node := new(mcs.Node)
		done.Go(func() {
			lock.Acquire(node)
			served = append(served, n)
			lock.Release(node)
		})
		for b := (spinlock.Backoff{}); lock.Last() != node; {
			b.Wait()
		}
	}
	lock.Release(&holder)
	done.Wait()

	require.Len(t, served, waiters)
	require.IsIncreasing(t, served)
	require.Nil(t, lock.Last(), "the lock is free")
}

// The first in line parks, then the holder releases.
func TestReleaseWakesWhoParked(t *testing.T) {
	var (
		lock           mcs.Lock
		holder, waiter mcs.Node
		done           sync.WaitGroup
	)
	for range 20 {
		lock.Acquire(&holder)
		done.Go(func() {
			lock.Acquire(&waiter)
			lock.Release(&waiter)
		})
		for b := (spinlock.Backoff{}); !waiter.Parked(); {
			b.Wait()
		}
		lock.Release(&holder)
		done.Wait()
		require.False(t, waiter.Parked())
	}
}

// The lock came just before the waiter would have parked.
func TestParkReturnsIfTheLockHasCome(t *testing.T) {
	var node mcs.Node
	node.Park()
	require.False(t, node.Parked())
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
	require.Nil(t, outer.Last())
	require.Nil(t, inner.Last())

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

// A node in long use must not hold on to those that once stood behind it.
func TestReleaseKeepsNothingAlive(t *testing.T) {
	var (
		lock  mcs.Lock
		first mcs.Node
		done  sync.WaitGroup
	)
	second := new(mcs.Node)
	remembered := weak.Make(second)
	lock.Acquire(&first)
	done.Go(func() {
		lock.Acquire(second)
		lock.Release(second)
	})
	for b := (spinlock.Backoff{}); lock.Last() != second; {
		b.Wait()
	}
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
}

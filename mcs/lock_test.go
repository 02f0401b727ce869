package mcs_test

import (
	"context"
	"os/exec"
	"sync"
	"testing"

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

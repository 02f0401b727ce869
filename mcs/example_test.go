package mcs_test

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/ferrule-go/ferrule/mcs"
)

// Each goroutine brings a node of its own and uses it again and again.
func ExampleLock() {
	var (
		lock  mcs.Lock
		total int
		done  sync.WaitGroup
	)
	for range 4 {
		done.Go(func() {
			var node mcs.Node
			for range 25 {
				lock.Acquire(&node)
				total++
				lock.Release(&node)
			}
		})
	}
	done.Wait()
	fmt.Println(total)
	// Output: 100
}

// Two locks held at once take two nodes.
func ExampleNode() {
	var (
		left, right         mcs.Lock
		leftNode, rightNode mcs.Node
	)
	left.Acquire(&leftNode)
	right.Acquire(&rightNode)
	fmt.Println("both are held")
	right.Release(&rightNode)
	left.Release(&leftNode)
	// Output: both are held
}

// A Mutex needs no node. A wait may end with a context.
func ExampleMutex() {
	var m mcs.Mutex
	m.Lock()

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(m.LockContext(ctx))

	m.Unlock()
	fmt.Println(m.TryLock())
	// Output:
	// context deadline exceeded
	// true
}

// Who gives up keeps its node, and those behind keep their turn.
func ExampleLock_AcquireContext() {
	var (
		lock         mcs.Lock
		holder, node mcs.Node
	)
	lock.Acquire(&holder)

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(lock.AcquireContext(ctx, &node))

	lock.Release(&holder)
	lock.Acquire(&node)
	fmt.Println("acquired with the same node")
	lock.Release(&node)
	// Output:
	// context deadline exceeded
	// acquired with the same node
}

package mcs_test

import (
	"fmt"
	"sync"

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

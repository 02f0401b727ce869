package mpmc_test

import (
	"fmt"
	"slices"
	"sync"

	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/spinlock"
)

// Three workers share the jobs out among themselves, and each chooses how to
// wait.
func ExampleRing() {
	const workers, jobs = 3, 6
	queue, results := mpmc.New[int](2), mpmc.New[int](jobs+2)

	var done sync.WaitGroup
	for range workers {
		done.Go(func() {
			var empty spinlock.Backoff
			for {
				job, ok := queue.TryPop()
				if !ok {
					empty.Wait() // for a producer
					continue
				}
				empty.Reset()
				if job == 0 {
					return
				}
				results.TryPush(job * job) // there is room for all
			}
		})
	}

	for job := range jobs + workers { // the jobs, then a 0 for each worker
		var full spinlock.Backoff
		for !queue.TryPush(max(0, jobs-job)) {
			full.Wait() // for a consumer
		}
	}
	done.Wait()

	squares := make([]int, results.Len())
	results.TryPopN(squares)
	slices.Sort(squares)
	fmt.Println(squares)
	// Output:
	// [1 4 9 16 25 36]
}

// A burst is claimed as a whole: its values stay together whoever else pushes.
func ExampleRing_TryPushN() {
	ring := mpmc.New[int](4)

	n := ring.TryPushN([]int{1, 2, 3, 4, 5, 6})
	fmt.Println(n, "fitted")

	burst := make([]int, 8)
	burst = burst[:ring.TryPopN(burst)]
	fmt.Println(burst)
	// Output:
	// 4 fitted
	// [1 2 3 4]
}

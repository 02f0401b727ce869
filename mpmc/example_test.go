package mpmc_test

import (
	"context"
	"errors"
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

// Pop sleeps until there is a value, and the end is an error like any other.
func ExampleRing_Pop() {
	ring := mpmc.New[string](2)
	ctx := context.Background()

	go func() {
		for _, name := range []string{"syn", "ack", "fin"} {
			_ = ring.Push(ctx, name) // nobody else closes the ring
		}
		ring.Close()
	}()

	for {
		name, err := ring.Pop(ctx)
		if errors.Is(err, mpmc.ErrClosed) {
			return
		}
		fmt.Println(name)
	}
	// Output:
	// syn
	// ack
	// fin
}

// In a select a ring takes the place of a channel.
func ExampleRing_PopReady() {
	ring, stop := mpmc.New[int](2), make(chan struct{})
	go ring.TryPush(7)

	for {
		v, ok := ring.TryPop()
		if ok {
			fmt.Println(v)
			return
		}
		select {
		case <-ring.PopReady():
		case <-stop:
			return
		}
	}
	// Output:
	// 7
}

// Values are made and read where they lie. At the end of the array they come in
// two parts.
func ExampleRing_Reserve() {
	ring := mpmc.New[[4]byte](4)

	a, b := ring.Reserve(2)
	for _, part := range [][][4]byte{a, b} {
		for i := range part {
			copy(part[i][:], "ping")
		}
	}
	ring.Commit(len(a) + len(b))

	a, b = ring.Peek(4)
	fmt.Println(len(a)+len(b), string(a[0][:]))
	ring.Release(1)
	fmt.Println(ring.Len(), "left")
	// Output:
	// 2 ping
	// 1 left
}

package mpmc_test

import (
	"fmt"
	"strings"

	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/spinlock"
)

// Two workers share the only stage, and the words leave in the order in which they
// came.
func ExampleStaged() {
	ring := mpmc.NewStaged[string](4, 1)
	stop := make(chan struct{})
	defer close(stop)
	work := func() {
		var none spinlock.Backoff
		for {
			batch := ring.Acquire(0, 2)
			if batch.Len() == 0 {
				select {
				case <-stop:
					return
				default:
				}
				none.Wait() // for who pushes
				continue
			}
			none.Reset()
			for _, part := range [][]string{batch.A, batch.B} {
				for i := range part {
					part[i] = strings.ToUpper(part[i])
				}
			}
			ring.Release(batch)
		}
	}
	go work()
	go work()

	words := []string{"syn", "ack", "psh", "fin"}
	ring.TryPushN(words) // there is room for all
	var empty spinlock.Backoff
	for left := len(words); left > 0; {
		n := ring.TryPopN(words)
		if n == 0 {
			empty.Wait() // for the workers
			continue
		}
		empty.Reset()
		for _, word := range words[:n] {
			fmt.Println(word)
		}
		left -= n
	}
	// Output:
	// SYN
	// ACK
	// PSH
	// FIN
}

// Two batches are finished in the wrong order, and the values leave in the right one.
func ExampleBatch() {
	ring := mpmc.NewStaged[string](8, 1)
	ring.TryPushN([]string{"one", "two", "three"})

	slow, fast := ring.Acquire(0, 1), ring.Acquire(0, 8)
	out := make([]string, 8)
	for i := range fast.A {
		fast.A[i] += " (fast)"
	}
	ring.Release(fast)
	fmt.Println(ring.TryPopN(out), "passed")

	slow.A[0] += " (slow)"
	ring.Release(slow)
	fmt.Println(out[:ring.TryPopN(out)])
	// Output:
	// 0 passed
	// [one (slow) two (fast) three (fast)]
}

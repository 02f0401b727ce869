package spsc_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc"
)

// One goroutine pushes, one pops, and each chooses how to wait.
func ExampleRing() {
	ring := spsc.New[string](2)

	go func() { // the producer
		for _, name := range []string{"syn", "ack", "fin"} {
			var full spinlock.Backoff
			for !ring.TryPush(name) {
				full.Wait() // for the consumer
			}
		}
	}()

	var empty spinlock.Backoff
	for n := 0; n < 3; { // the consumer
		name, ok := ring.TryPop()
		if !ok {
			empty.Wait() // for the producer
			continue
		}
		empty.Reset()
		fmt.Println(name)
		n++
	}
	// Output:
	// syn
	// ack
	// fin
}

// Bursts cost little more than one value: a side looks at the other once and
// publishes once.
func ExampleRing_TryPushN() {
	ring := spsc.New[int](4)

	n := ring.TryPushN([]int{1, 2, 3, 4, 5, 6})
	fmt.Println(n, "fitted")

	burst := make([]int, 8)
	burst = burst[:ring.TryPopN(burst)]
	fmt.Println(burst)
	// Output:
	// 4 fitted
	// [1 2 3 4]
}

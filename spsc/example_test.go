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

// Who shows the state of things wants the latest, and to know what it missed.
func ExampleLossy() {
	trace := spsc.NewLossy[string](2)
	for _, line := range []string{"up", "busy", "idle", "down"} {
		trace.Push(line)
	}
	for line, ok := trace.TryPop(); ok; line, ok = trace.TryPop() {
		fmt.Println(line)
	}
	fmt.Println(trace.Lost(), "lost")
	// Output:
	// idle
	// down
	// 2 lost
}

// A record is written where it will be read, and only as much of it as there is.
func ExampleBytes() {
	log := spsc.NewBytes(256)
	for i := range 3 {
		if room, ok := log.Claim(16); ok {
			log.Commit(copy(room, fmt.Sprintf("line %d", i)))
		}
	}
	for line := range log.All() {
		fmt.Println(string(line))
	}
	// Output:
	// line 0
	// line 1
	// line 2
}

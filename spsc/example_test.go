package spsc_test

import (
	"context"
	"fmt"
	"sync"

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

// Who shows the state of things wants the latest, and to know what it missed. It
// sleeps until there is something new; who tells it never waits.
func ExampleLossy() {
	trace := spsc.NewLossy[string](2)
	var port sync.WaitGroup
	port.Go(func() {
		for _, line := range []string{"up", "busy", "idle", "down"} {
			trace.Push(line)
		}
	})

	seen, line := uint64(0), ""
	for line != "down" {
		var err error
		if line, err = trace.Pop(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		seen++
	}
	port.Wait()
	fmt.Println(seen+trace.Lost(), "lines were seen or lost, and the port is", line)
	// Output: 4 lines were seen or lost, and the port is down
}

// A record is written where it will be read, and only as much of it as there is.
// Who finds no room, or no record, sleeps until there is.
func ExampleBytes() {
	log, ctx := spsc.NewBytes(64), context.Background()
	go func() {
		for i := range 3 { // there is room for two at a time
			room, err := log.ClaimContext(ctx, 16)
			if err != nil {
				return
			}
			log.Commit(copy(room, fmt.Sprintf("line %d", i)))
		}
	}()

	for range 3 {
		line, err := log.PeekContext(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(line))
		log.Release()
	}
	// Output:
	// line 0
	// line 1
	// line 2
}

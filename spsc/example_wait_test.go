package spsc_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ferrule-go/ferrule/spsc"
)

// Pop sleeps until there is a value, and the end is an error like any other.
func ExampleRing_Pop() {
	ring := spsc.New[string](2)
	ctx := context.Background()

	go func() {
		for _, name := range []string{"syn", "ack", "fin"} {
			_ = ring.Push(ctx, name) // nobody else closes the ring
		}
		ring.Close()
	}()

	for {
		name, err := ring.Pop(ctx)
		if errors.Is(err, spsc.ErrClosed) {
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
	ring, stop := spsc.New[int](2), make(chan struct{})
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
	ring := spsc.New[[4]byte](4)

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

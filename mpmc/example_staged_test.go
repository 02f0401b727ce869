package mpmc_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/mpmc"
)

// Two workers finish in the wrong order, and the values leave in the right one.
func ExampleStaged() {
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

// Package spsc has the compiler make instances of the real ring, one without a
// write barrier and one with.
package spsc

import "github.com/ferrule-go/ferrule/spsc"

// An interface may be asked for any method, so all are made.
var (
	Words    any = spsc.New[uint64](1)
	Pointers any = spsc.New[*int](1)
)

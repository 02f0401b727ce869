// Package probe uses the ring as a program does, which imports neither
// sync/atomic nor internal/cpu itself. The test of the code compiles it.
package probe

import "github.com/ferrule-go/ferrule/spsc"

// Words and Pointers make the compiler instantiate all methods.
var (
	Words    = any(spsc.New[uint64](1))
	Pointers = any(spsc.New[*uint64](1))
)

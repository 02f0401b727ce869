//go:build !linux

package stress

import "math/rand/v2"

// affinity is left to the system where it is not Linux.
type affinity struct{}

func given() affinity               { return affinity{} }
func (affinity) shuffle(*rand.Rand) {}
func (affinity) restore()           {}

//go:build !(amd64 || arm64)

package mmio

import "sync/atomic"

// Elsewhere the only devices are those made of memory, and they are goroutines.
// An atomic read-modify-write is an acquire and a release among those, and the
// compiler moves nothing across it.

func readBarrier() {
	var word atomic.Uint32
	word.Add(0)
}

func writeBarrier() {
	var word atomic.Uint32
	word.Add(0)
}

//go:build amd64 || arm64

// Package probe is compiled for the sake of its listing.
package probe

import "github.com/ferrule-go/ferrule/nicring/internal/mmio"

// Registers makes accesses that a compiler would do away with if it could: the
// same value twice, a value that no one looks at, a value read again.
func Registers(w mmio.Window) uint32 {
	w.Write32(0, 1)
	w.Write32(0, 1)
	w.Read32(4)
	return w.Read32(8) + w.Read32(8)
}

// Descriptors has two of each kind of access that a barrier keeps apart.
func Descriptors(d *[2]uint64) uint64 {
	d[0] = 1
	mmio.WriteBarrier()
	d[0] = 2
	first := d[1]
	mmio.ReadBarrier()
	return first + d[1]
}

// Package mmio is how Ferrule touches what a device touches too: its registers,
// through a Window, and memory that it reads and writes by itself, between
// barriers.
//
// The Go memory model speaks of goroutines. For devices this package gives what
// it does not: accesses of which each reaches the device as it is written, and
// an order between them and accesses to memory. What that takes differs by
// architecture, and stands with the reason in each assembly file. The barriers
// are there on every port. A Window is there on amd64 and arm64 only, which Go
// knows as little-endian alone, as the registers of PCI devices are: no byte is
// ever swapped, and for other ports the type does not exist.
package mmio

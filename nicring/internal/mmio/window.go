//go:build amd64 || arm64

package mmio

import "fmt"

// A Window is the registers of a device, mapped into the process.
//
// Order. Accesses through one Window reach the device in program order. A
// Write32 also comes after every earlier store to memory that the device reads,
// and a Read32 before every later load from memory that the device writes: with
// registers alone there is no need for a barrier.
//
// Accesses. Each call is one 32-bit load or one plain 32-bit store. It is behind
// a call into assembly, so the compiler cannot merge, split, repeat or drop it.
// An atomic store would not do: on amd64 it is an XCHG, which a device sees as a
// read and then a write, and reading a register may clear it.
//
// Ownership. A Window may be copied, and used by several goroutines; whether a
// register may be is for its device to say. Who mapped the memory keeps it
// mapped as long as a copy is in use.
type Window struct{ mem []byte }

// NewWindow returns the window over mem, the mapping of a device's registers.
// It panics if mem does not begin at a multiple of 4.
func NewWindow(mem []byte) Window {
	if a := address(mem); a%4 != 0 {
		panic(fmt.Sprintf("mmio: window at address %#x, which is not a multiple of 4", a))
	}
	return Window{mem}
}

// Read32 returns what the register at an offset reads. It panics if the offset
// is not a multiple of 4 inside the window.
func (w Window) Read32(offset uint32) uint32 { return load(w.at(offset)) }

// Write32 writes the register at an offset. It panics if the offset is not a
// multiple of 4 inside the window.
func (w Window) Write32(offset, value uint32) { store(w.at(offset), value) }

// at returns where a register begins, all of which is in the window.
func (w Window) at(offset uint32) *byte {
	if offset%4 != 0 || int(offset)+4 > len(w.mem) {
		panic(fmt.Sprintf("mmio: register at offset %#x: want a multiple of 4 in a window of %#x bytes", offset, len(w.mem)))
	}
	return &w.mem[offset]
}

//go:noescape
func load(register *byte) uint32

//go:noescape
func store(register *byte, value uint32)

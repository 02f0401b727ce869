package spinlock

import (
	"sync/atomic"
	"unsafe"
)

// count returns the word for the calling goroutine to count itself in. Which one
// it is does not matter and may change with every call, for only the sum counts;
// goroutines that run together should get different ones. Go tells no goroutine
// its processor, but each has a stack of its own, of 2 KiB or more: where it
// stands is hashed by a multiplication with the golden ratio, which spreads
// neighbours well.
func (rw *RWMutex) count() *atomic.Int64 {
	var here byte
	page := uint32(uintptr(unsafe.Pointer(&here)) >> 11)
	return &rw.counts[page*0x9E3779B1>>(32-countBits)].n
}

//go:build amd64 && !race && !ferrule_strict

package cpu

import (
	"sync/atomic"
	"unsafe"
)

// publish is one MOV. Why that is a release store:
//
//   - The processor. Stores become visible in program order, and none passes an
//     earlier load (Intel SDM volume 3, Memory Ordering in P6 and More Recent
//     Processor Families; AMD APM volume 2, Multiprocessor Memory Access
//     Ordering). An aligned eight-byte store is never seen in part (SDM volume 3,
//     Guaranteed Atomic Operations).
//   - The compiler. It promises nothing in words, so a test reads the code it
//     made. In its intermediate form each store takes the memory state that the
//     store before it left, and each load the one it reads from; one state is
//     live at a time, so no store changes place with another and no load moves
//     below the next store. What it may do is drop a store that a later one
//     overwrites with no load between, which leaves the later and complete one.
//
// The Go memory model calls the pair of this store and an atomic load a data
// race: hence builds with -race or the tag ferrule_strict use atomic.Store. That
// is an XCHG, and costs thirty times as much on a line two processors share.
func publish(p *atomic.Uint64, v uint64) {
	*(*uint64)(unsafe.Pointer(p)) = v
}

// The value is all there is to an atomic.Uint64, and so it is where p points.
var _ [8]byte = [unsafe.Sizeof(atomic.Uint64{})]byte{}

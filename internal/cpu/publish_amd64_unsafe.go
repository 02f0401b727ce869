//go:build amd64 && !race && !ferrule_strict

package cpu

import (
	"sync/atomic"
	"unsafe"
)

// publish is one MOV. Why that is a release store:
//
//   - The processor. amd64 stores become visible in program order, and no store
//     passes an earlier load (Intel SDM volume 3, 10.2.2; AMD APM volume 2, 7.2).
//     An aligned 8-byte store is never seen in part (SDM volume 3, 10.1.1).
//   - The compiler. It gives no promise in words, so a test reads the code it
//     made. Every store and every load takes the memory state that the store
//     before it left, and a block's stores form one chain of such states, so
//     none changes place with another, and a load stays before the next store.
//     It may drop a store that a later one overwrites with no load between, which
//     leaves the later, complete one.
//
// The Go memory model calls the pair a data race, since one side is not
// atomic: hence the race build and the ferrule_strict build use atomic.Store,
// an XCHG that costs thirty times as much on a line two processors share.
func publish(p *atomic.Uint64, v uint64) {
	*(*uint64)(unsafe.Pointer(p)) = v
}

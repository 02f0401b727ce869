//go:build race

package sched

import (
	"runtime"
	"unsafe"
)

// Under the race detector, the channels by which the machine hands over from one
// thread to the next do not count as synchronization: what the operations of the
// threads synchronize is all that does. So it reports every pair of plain accesses
// that these leave unordered, in whatever order the schedule had them.

func ignoreSync()              { runtime.RaceDisable() }
func heedSync()                { runtime.RaceEnable() }
func acquire(p unsafe.Pointer) { runtime.RaceAcquire(p) }
func release(p unsafe.Pointer) { runtime.RaceRelease(p) }
func races() int               { return runtime.RaceErrors() }

// Racing says whether plain accesses are watched.
const Racing = true

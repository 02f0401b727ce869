package spinlock

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// What readers of a lock write is a line away from what all of them read, from
// each other's, and from whatever is beside it.
const (
	rwPhasesEnd = unsafe.Offsetof(RWMutex{}.phases) + unsafe.Sizeof(RWMutex{}.phases)
	rwCount     = unsafe.Sizeof(RWMutex{}.counts[0])

	_ = unsafe.Offsetof(RWMutex{}.phases) - cpu.LineSize
	_ = unsafe.Offsetof(RWMutex{}.counts) - rwPhasesEnd - cpu.LineSize
	_ = rwCount - unsafe.Sizeof(RWMutex{}.counts[0].n) - cpu.LineSize

	bigPhasesEnd = unsafe.Offsetof(BigReader{}.phases) + unsafe.Sizeof(BigReader{}.phases)

	_ = unsafe.Offsetof(BigReader{}.phases) - unsafe.Sizeof(BigReader{}.readers) - cpu.LineSize
	_ = unsafe.Sizeof(BigReader{}) - bigPhasesEnd - cpu.LineSize

	ownEnd = unsafe.Offsetof(Reader{}.own) + unsafe.Sizeof(Reader{}.own)

	_ = unsafe.Offsetof(Reader{}.own) - cpu.LineSize
	_ = unsafe.Sizeof(Reader{}) - ownEnd - cpu.LineSize
)

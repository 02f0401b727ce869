package mpmc

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// The layout of a Ring is the same for every T. Its groups are a full line
// apart wherever the allocator puts it; a constant below zero stops the build.
const (
	tailEnd  = unsafe.Offsetof(Ring[byte]{}.tail) + unsafe.Sizeof(Ring[byte]{}.tail)
	headEnd  = unsafe.Offsetof(Ring[byte]{}.head) + unsafe.Sizeof(Ring[byte]{}.head)
	slotsEnd = unsafe.Offsetof(Ring[byte]{}.slots) + unsafe.Sizeof(Ring[byte]{}.slots)

	_ = unsafe.Offsetof(Ring[byte]{}.tail) - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.head) - tailEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.slots) - headEnd - cpu.LineSize
	_ = unsafe.Sizeof(Ring[byte]{}) - slotsEnd - cpu.LineSize
)

// makeSlots returns n slots with at least a line of unused memory before the
// first and after the last: the allocator starts an array in the middle of a
// line if it holds pointers, and puts small ones side by side.
func makeSlots[T any](n int) []slot[T] {
	size := int(unsafe.Sizeof(slot[T]{}))
	margin := (cpu.LineSize + size - 1) / size
	return make([]slot[T], margin+n+margin)[margin : margin+n : margin+n]
}

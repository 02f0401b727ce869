package spsc

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// The layout of a Ring is the same for every T. Its groups are a full line
// apart wherever the allocator puts it; a constant below zero stops the build.
const (
	prodEnd  = unsafe.Offsetof(Ring[byte]{}.prod) + unsafe.Sizeof(Ring[byte]{}.prod)
	consEnd  = unsafe.Offsetof(Ring[byte]{}.cons) + unsafe.Sizeof(Ring[byte]{}.cons)
	slotsEnd = unsafe.Offsetof(Ring[byte]{}.slots) + unsafe.Sizeof(Ring[byte]{}.slots)

	_ = unsafe.Offsetof(Ring[byte]{}.prod) - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.cons) - prodEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.slots) - consEnd - cpu.LineSize
	_ = unsafe.Sizeof(Ring[byte]{}) - slotsEnd - cpu.LineSize
)

// makeSlots returns n slots with at least a line of unused memory before the
// first and after the last: the allocator starts an array in the middle of a
// line if it holds pointers, and puts small ones side by side.
func makeSlots[T any](n int) []T {
	size := max(1, int(unsafe.Sizeof(*new(T))))
	margin := (cpu.LineSize + size - 1) / size
	return make([]T, margin+n+margin)[margin : margin+n : margin+n]
}

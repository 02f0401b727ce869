package spsc

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// The layout of a Ring is the same for every T. Its groups are a full line
// apart wherever the allocator puts it; a constant below zero stops the build.
const (
	tailEnd = unsafe.Offsetof(Ring[byte]{}.tail) + unsafe.Sizeof(Ring[byte]{}.tail)
	prodEnd = unsafe.Offsetof(Ring[byte]{}.prod) + unsafe.Sizeof(Ring[byte]{}.prod)
	headEnd = unsafe.Offsetof(Ring[byte]{}.head) + unsafe.Sizeof(Ring[byte]{}.head)
	consEnd = unsafe.Offsetof(Ring[byte]{}.cons) + unsafe.Sizeof(Ring[byte]{}.cons)
	lastEnd = unsafe.Offsetof(Ring[byte]{}.poppers) + unsafe.Sizeof(Ring[byte]{}.poppers)

	_ = unsafe.Offsetof(Ring[byte]{}.tail) - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.prod) - tailEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.head) - prodEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.cons) - headEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.slots) - consEnd - cpu.LineSize
	_ = unsafe.Sizeof(Ring[byte]{}) - lastEnd - cpu.LineSize
)

// fetch asks for the lines of slots, which will be written or read.
func fetch[T any](slots []T, write bool) {
	addr := uintptr(unsafe.Pointer(unsafe.SliceData(slots)))
	size := uintptr(len(slots)) * unsafe.Sizeof(*new(T))
	if write {
		cpu.PrefetchWrite(addr, size)
	} else {
		cpu.Prefetch(addr, size)
	}
}

package mpmc

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// The layout of a Ring is the same for every T. Its groups are a full line
// apart wherever the allocator puts it; a constant below zero stops the build.
const (
	tailEnd     = unsafe.Offsetof(Ring[byte]{}.tail) + unsafe.Sizeof(Ring[byte]{}.tail)
	headEnd     = unsafe.Offsetof(Ring[byte]{}.head) + unsafe.Sizeof(Ring[byte]{}.head)
	readEnd     = unsafe.Offsetof(Ring[byte]{}.pointers) + unsafe.Sizeof(Ring[byte]{}.pointers)
	poppersEnd  = unsafe.Offsetof(Ring[byte]{}.poppers) + unsafe.Sizeof(Ring[byte]{}.poppers)
	reservedEnd = unsafe.Offsetof(Ring[byte]{}.reserved) + unsafe.Sizeof(Ring[byte]{}.reserved)
	peekedEnd   = unsafe.Offsetof(Ring[byte]{}.peeked) + unsafe.Sizeof(Ring[byte]{}.peeked)

	_ = unsafe.Offsetof(Ring[byte]{}.tail) - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.head) - tailEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.turns) - headEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.pushers) - readEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.reserved) - poppersEnd - cpu.LineSize
	_ = unsafe.Offsetof(Ring[byte]{}.peeked) - reservedEnd - cpu.LineSize
	_ = unsafe.Sizeof(Ring[byte]{}) - peekedEnd - cpu.LineSize
)

// fetch asks for the lines of values, which will be read.
func fetch[T any](values []T) {
	cpu.Prefetch(uintptr(unsafe.Pointer(unsafe.SliceData(values))), uintptr(len(values))*unsafe.Sizeof(*new(T)))
}

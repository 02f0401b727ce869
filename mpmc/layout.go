package mpmc

import (
	"reflect"
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

// makeSlots returns n slots with at least a line of unused memory before the
// first and after the last: the allocator starts an array in the middle of a
// line if it holds pointers, and puts small ones side by side.
func makeSlots[S any](n int) []S {
	size := max(1, int(unsafe.Sizeof(*new(S))))
	margin := (cpu.LineSize + size - 1) / size
	return make([]S, margin+n+margin)[margin : margin+n : margin+n]
}

// pointers reports whether values of type t hold pointers.
func pointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && pointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if pointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	}
	return t.Kind() > reflect.Complex128
}

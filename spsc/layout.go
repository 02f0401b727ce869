package spsc

import (
	"reflect"
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

// makeSlots returns n slots with at least a line of unused memory before the
// first and after the last: the allocator starts an array in the middle of a
// line if it holds pointers, and puts small ones side by side.
func makeSlots[T any](n int) []T {
	size := max(1, int(unsafe.Sizeof(*new(T))))
	margin := (cpu.LineSize + size - 1) / size
	return make([]T, margin+n+margin)[margin : margin+n : margin+n]
}

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

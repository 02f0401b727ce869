// Package slots says what goroutines that hand values to each other in memory need
// to know of it: where it may lie, and whether it holds pointers.
package slots

import (
	"reflect"
	"unsafe"
)

// Make returns n slots with at least so many bytes of unused memory before the
// first and after the last: the allocator starts an array in the middle of a line
// if it holds pointers, and puts small ones side by side.
func Make[T any](n, apart int) []T {
	size := max(1, int(unsafe.Sizeof(*new(T))))
	margin := (apart + size - 1) / size
	return make([]T, margin+n+margin)[margin : margin+n : margin+n]
}

// HavePointers reports whether values of type t hold pointers, as the garbage
// collector sees it.
func HavePointers(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return t.Len() > 0 && HavePointers(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if HavePointers(t.Field(i).Type) {
				return true
			}
		}
		return false
	}
	return t.Kind() > reflect.Complex128
}

package rcu

import (
	"reflect"
	"unsafe"
)

// word returns the ith word of a key that has so many, by wordsOf.
func word[K comparable](key *K, i int) uint64 {
	return *(*uint64)(unsafe.Add(unsafe.Pointer(key), 8*i))
}

// wordsOf returns how many words a key of type t consists of, up to 8, or 0 if it
// is not true that two are equal just when all of their words are.
func wordsOf(t reflect.Type) int {
	size := t.Size()
	if size%8 != 0 || size > 64 || uintptr(t.Align()) < unsafe.Alignof(uint64(0)) || compared(t) != size {
		return 0
	}
	return int(size / 8)
}

// compared returns how many bytes of a t are compared as they are, leaving out
// padding, blank fields and whatever is not made of integers.
func compared(t reflect.Type) (bytes uintptr) {
	switch t.Kind() {
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return t.Size()
	case reflect.Array:
		return uintptr(t.Len()) * compared(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if f := t.Field(i); f.Name != "_" {
				bytes += compared(f.Type)
			}
		}
	}
	return bytes
}

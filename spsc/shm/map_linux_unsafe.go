//go:build linux

package shm

import (
	"sync/atomic"
	"unsafe"
)

// page is the first page of the memory. The other process sees it: its shape is
// what the package comment says.
type page struct {
	magic [8]byte
	size  uint64
	_     [112]byte
	prod  side
	_     [104]byte
	cons  side
}

// side is what one side writes, but for asleep, which both do.
type side struct {
	counter atomic.Uint64
	joined  atomic.Uint32
	closed  atomic.Uint32
	asleep  atomic.Uint32
	_       uint32
}

var (
	_ [128]struct{} = [unsafe.Offsetof(page{}.prod)]struct{}{}
	_ [256]struct{} = [unsafe.Offsetof(page{}.cons)]struct{}{}
	_ [8]struct{}   = [unsafe.Offsetof(side{}.joined)]struct{}{}
	_ [12]struct{}  = [unsafe.Offsetof(side{}.closed)]struct{}{}
	_ [16]struct{}  = [unsafe.Offsetof(side{}.asleep)]struct{}{}
)

// pageOf returns the page at the beginning of memory, which is that large.
func pageOf(memory []byte) *page { return (*page)(unsafe.Pointer(&memory[0])) }

// headerAt is the header at data[i:], which is a multiple of 8.
func headerAt(data []byte, i uint64) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&data[i : i+8][0]))
}

package nictest

import (
	"sync/atomic"
	"unsafe"
)

// alignedBytes returns size zeroed bytes that begin at a multiple of pageSize.
// They hold no pointer and Go moves no object, so their place is fixed.
func alignedBytes(size int) []byte {
	b := make([]byte, size+pageSize-1)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(b))) % pageSize
	return b[skip : int(skip)+size : int(skip)+size]
}

// store64 and store32 are the stores that hand a descriptor back: one piece,
// after everything stored before. They pair with the driver's atomic load of
// the same word. at is a multiple of the word's size.
func (m *Memory) store64(at int, v uint64) {
	atomic.StoreUint64((*uint64)(unsafe.Pointer(&m.bytes[at])), v)
}

func (m *Memory) store32(at int, v uint32) {
	atomic.StoreUint32((*uint32)(unsafe.Pointer(&m.bytes[at])), v)
}

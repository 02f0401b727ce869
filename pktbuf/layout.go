package pktbuf

import "unsafe"

const (
	bufSize   = 8 + unsafe.Sizeof(int(0)) + 4*4 // the fields of a Buf
	chunkBufs = 64
)

// A chunk is a run of Bufs behind what they have in common. Its pointers are
// all at the front, and the garbage collector reads an object only as far as
// its last pointer.
type chunk struct {
	pool   *Pool
	region []byte
	_      [64 - 4*unsafe.Sizeof(uintptr(0))]byte // pool is one word, region three

	bufs [chunkBufs]Buf
}

var (
	_ [64]byte = [unsafe.Sizeof(Buf{})]byte{}
	_ [64]byte = [unsafe.Offsetof(chunk{}.bufs)]byte{}
)

// chunk returns the chunk that b is in. The arithmetic stays inside one object:
// b is bufs[b.index%chunkBufs] of it, since only NewPool makes a Buf and none
// is copied.
func (b *Buf) chunk() *chunk {
	back := unsafe.Offsetof(chunk{}.bufs) + uintptr(b.index%chunkBufs)*unsafe.Sizeof(Buf{})
	return (*chunk)(unsafe.Add(unsafe.Pointer(b), -int(back)))
}

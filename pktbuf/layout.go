package pktbuf

import "unsafe"

const (
	lineShift  = 6    // of 64 bytes, whatever cpu.LineSize is: the unit of layout here
	chunkLines = 1024 // in a chunk, the first of which is its header
	chunkBufs  = chunkLines - 1
)

// A chunk is a run of Bufs behind what they have in common. Its pointers are
// all at the front, and the garbage collector reads an object only as far as
// its last pointer. It is so large that the Go runtime gives it pages of its
// own, without the header that it puts before smaller objects with pointers,
// and so its lines are the processor's.
type chunk struct {
	pool   *Pool
	region []byte // of the pool's arena
	room   uint32 // bytes in each buffer
	_      [1<<lineShift - 4*unsafe.Sizeof(uintptr(0)) - 4]byte

	bufs [chunkBufs]Buf // on lines 1 to chunkBufs
}

// A name says where a Buf is: on which line of which of its arena's chunks. It
// takes the place of a pointer where there must be none. No Buf is on line 0,
// so the name 0 is nobody's.
type name uint32

const maxChunks = 1 << 32 / chunkLines

func (n name) chunk() int { return int(n / chunkLines) }
func (n name) line() int  { return int(n % chunkLines) }

var (
	_ [1 << lineShift]byte          = [unsafe.Sizeof(Buf{})]byte{}
	_ [1 << lineShift]byte          = [unsafe.Offsetof(chunk{}.bufs)]byte{}
	_ [chunkLines << lineShift]byte = [unsafe.Sizeof(chunk{})]byte{}
	_ [16]byte                      = [unsafe.Sizeof(state{})]byte{}
	_ [16]byte                      = [unsafe.Offsetof(Buf{}.state)]byte{}
)

// chunk returns the chunk that b is in. The arithmetic stays inside one object:
// b is on the line that its name says, since only NewPool makes a Buf and none
// is copied.
func (b *Buf) chunk() *chunk {
	return (*chunk)(unsafe.Add(unsafe.Pointer(b), -(b.name.line() << lineShift)))
}

// eight is an array in a struct, since of arrays the compiler has to suppose that
// they overlap in part, and calls what can deal with that.
type eight struct{ bufs [8]*Buf }

// copy8 copies eight pointers, which do not overlap, 16 bytes or more at a time.
func copy8(to, from *[8]*Buf) {
	*(*eight)(unsafe.Pointer(to)) = *(*eight)(unsafe.Pointer(from))
}

// offsetIn returns where in region p begins; ok is false unless all of p is in
// the region.
func offsetIn(region, p []byte) (offset int, ok bool) {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(region)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(p))) - first // huge if p is below
	return int(at), at <= uintptr(len(region)) && uintptr(len(p)) <= uintptr(len(region))-at
}

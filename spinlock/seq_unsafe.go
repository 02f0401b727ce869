package spinlock

import (
	"sync/atomic"
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A box holds a T whose memory is used as atomic words. T has no pointers, so the
// garbage collector does not care how it is written. The first field aligns a box
// as an atomic word, on 32 bits too; the last makes room for the last word of a T
// that is not a whole number of them.
type box[T any] struct {
	_ [0]atomic.Uint64
	v T
	_ uint64
}

// words returns the memory of v as words.
func (b *box[T]) words() []atomic.Uint64 {
	return unsafe.Slice((*atomic.Uint64)(unsafe.Pointer(&b.v)), words[T]())
}

// A copied box is one goroutine's own, with plain words: on 32 bits it may lie on
// the stack, where nothing is aligned for atomic ones.
type copied[T any] struct {
	v T
	_ uint64
}

func (c *copied[T]) words() []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(&c.v)), words[T]())
}

func words[T any]() uintptr {
	var v T
	return (unsafe.Sizeof(v) + 7) / 8
}

// load copies b while others may store.
func (b *box[T]) load() T {
	var c copied[T]
	for i, to := 0, c.words(); i < len(to); i++ {
		to[i] = b.words()[i].Load()
	}
	return c.v
}

// store copies v while others may load.
func (b *box[T]) store(v T) {
	c := copied[T]{v: v}
	for i, from := 0, c.words(); i < len(from); i++ {
		cpu.Publish(&b.words()[i], from[i])
	}
}

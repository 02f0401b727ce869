// Package probe is a ring cut down to what a compiler could reorder. The test
// of Publish reads the code made of it, and knows the accesses to a slot by the
// comments on their lines.
package probe

import (
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

type ring[T any] struct {
	slots []T
	mask  uint64
	tail  atomic.Uint64
	head  atomic.Uint64
}

func (r *ring[T]) push(v T) bool {
	tail := r.tail.Load()
	if tail-r.head.Load() > r.mask {
		return false
	}
	r.slots[tail&r.mask] = v // slot
	cpu.Publish(&r.tail, tail+1)
	return true
}

func (r *ring[T]) pop() (v T, ok bool) {
	head := r.head.Load()
	if head == r.tail.Load() {
		return v, false
	}
	slot := &r.slots[head&r.mask]
	v = *slot // slot
	var zero T
	*slot = zero // slot
	cpu.Publish(&r.head, head+1)
	return v, true
}

func (r *ring[T]) pushTooLate(v T) {
	tail := r.tail.Load()
	slot := &r.slots[tail&r.mask]
	cpu.Publish(&r.tail, tail+1)
	*slot = v // slot
}

func (r *ring[T]) popTooLate() T {
	head := r.head.Load()
	slot := &r.slots[head&r.mask]
	cpu.Publish(&r.head, head+1)
	return *slot // slot
}

// Values of one register, of several, of a block copy, and with a write barrier.
type (
	Word    = uint64
	Words   = struct{ a, b, c uint64 }
	Block   = [64]uint64
	Pointer = *Block
)

// PushWord and the functions up to PopPointer are in order.
func PushWord(r *ring[Word], v Word) bool { return r.push(v) }

// PushWords pushes three words.
func PushWords(r *ring[Words], v Words) bool { return r.push(v) }

// PushBlock pushes half a kilobyte.
func PushBlock(r *ring[Block], v *Block) bool { return r.push(*v) }

// PushPointer pushes a pointer.
func PushPointer(r *ring[Pointer], v Pointer) bool { return r.push(v) }

// PopWord pops one word.
func PopWord(r *ring[Word]) (Word, bool) { return r.pop() }

// PopWords pops three words.
func PopWords(r *ring[Words]) (Words, bool) { return r.pop() }

// PopBlock pops half a kilobyte.
func PopBlock(r *ring[Block]) (Block, bool) { return r.pop() }

// PopPointer pops a pointer.
func PopPointer(r *ring[Pointer]) (Pointer, bool) { return r.pop() }

// PushTooLate and PopTooLate touch the slot after giving it away.
func PushTooLate(r *ring[Pointer], v Pointer) { r.pushTooLate(v) }

// PopTooLate is the pop that PushTooLate speaks of.
func PopTooLate(r *ring[Pointer]) Pointer { return r.popTooLate() }

package nicring

import (
	"fmt"
	"math/bits"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// A Ring is the program's side of a card's descriptor ring: descriptors of the
// card's format D in memory that the card reads and writes, and beside each the
// buffer that it tells the card of. The buffers' table is out of the card's
// reach: whatever it writes into a descriptor, the program goes by the table.
//
// A descriptor is named by a counter that only grows; the ring reduces it. A
// driver keeps two such counters, and the card owns the descriptors between
// them. They are compared by difference, so they may wrap.
//
// Progress. Wait-free, but for NewRing and Free, which take the Arena's mutex.
//
// Order. None: a Ring makes no barrier. A driver makes its own between what it
// writes into descriptors and the register that hands them over, and between what
// says that one is done and what else the card wrote.
//
// Ownership. One goroutine at a time. D must hold no pointer: the garbage
// collector does not look into card memory.
type Ring[D any] struct {
	descs []D
	bufs  []*pktbuf.Buf
	mask  uint32
	arena *pktbuf.Arena
	block pktbuf.Block
}

// NewRing returns a ring of n zeroed descriptors in a block of a. It panics if
// n is not a power of two.
func NewRing[D any](a *pktbuf.Arena, n int) (*Ring[D], error) {
	if n < 1 || bits.OnesCount(uint(n)) != 1 {
		panic(fmt.Sprintf("nicring: ring of %d descriptors: not a power of two", n))
	}
	block, err := a.Alloc(n * descSize[D]())
	if err != nil {
		return nil, fmt.Errorf("nicring: ring of %d descriptors: %w", n, err)
	}
	return &Ring[D]{
		descs: descs[D](block.Bytes, n),
		bufs:  make([]*pktbuf.Buf, n),
		mask:  uint32(n - 1),
		arena: a,
		block: block,
	}, nil
}

// Len returns the number of descriptors.
func (r *Ring[D]) Len() int { return len(r.descs) }

// Bus returns the bus address of the first descriptor, and Size the length of
// all of them in bytes: what the card is told.
func (r *Ring[D]) Bus() uint64 { return r.block.Bus }

// Size returns the length of the ring in bytes; see Bus.
func (r *Ring[D]) Size() int { return len(r.descs) * descSize[D]() }

// Index returns where descriptor i is in the ring: what a tail register holds.
func (r *Ring[D]) Index(i uint32) uint32 { return i & r.mask }

// Desc returns descriptor i.
func (r *Ring[D]) Desc(i uint32) *D { return &r.descs[i&r.mask] }

// Buf returns the buffer beside descriptor i.
func (r *Ring[D]) Buf(i uint32) *pktbuf.Buf { return r.bufs[i&r.mask] }

// SetBuf puts b beside descriptor i.
func (r *Ring[D]) SetBuf(i uint32, b *pktbuf.Buf) { r.bufs[i&r.mask] = b }

// Bufs returns the buffers beside descriptors i to i+n-1, in two parts if they
// lie across the end of the ring; n is at most Len.
func (r *Ring[D]) Bufs(i uint32, n int) (a, b []*pktbuf.Buf) {
	at := int(i & r.mask)
	if end := at + n; end > len(r.bufs) {
		return r.bufs[at:], r.bufs[:end-len(r.bufs)]
	}
	return r.bufs[at : at+n], nil
}

// Free gives the descriptors' memory back. The card must have lost its bus
// mastering, and the buffers must have been taken out.
func (r *Ring[D]) Free() { r.arena.Free(r.block) }

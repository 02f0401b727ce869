package pktbuf

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
)

// unitShift is the logarithm of the smallest block an Arena hands out, a
// descriptor ring of 256 entries of 16 bytes.
const unitShift = 12

// An Arena cuts a Region into blocks. It is a buddy allocator [1]: a block is a
// power of two long and begins at a multiple of its length, so its buddy, the
// other half of the block it was split from, is found by flipping one bit, and
// two free buddies become one again.
//
// A block never crosses a page of the Region, so its bus addresses run on as
// its bytes do. The largest block is a page.
//
// Progress. Alloc and Free take a mutex and O(log n) steps. They belong to
// set-up and tear-down; packets go through a Pool.
//
// Ownership. Alloc hands the bytes of the block to the caller, and Free takes
// them back. A card that was told of the block must have lost its bus mastering
// before Free, or it writes into what the block becomes next.
//
// [1]: K. C. Knowlton, A Fast Storage Allocator, CACM 8(10), 1965.
type Arena struct {
	region Region

	mu    sync.Mutex
	free  []list // free[k] holds the free blocks of 2^k units
	units []unit // one for each unit of the region
	room  int    // bytes in free blocks
	stats ArenaStats

	pageOf map[uint64]int // by bus address, in pages; written by NewArena alone

	chunks atomic.Pointer[[]*chunk] // by number; nil where that is free
}

// unit describes the block that begins at it; of a unit inside a block nothing
// is read.
type unit struct {
	next, prev int32 // in its free list; valid while state is free
	order      uint8
	state      unitState
}

type unitState uint8

const (
	inside unitState = iota // no block begins here
	free
	taken
)

// list is the first unit of a doubly linked list, or none.
type list int32

const none = -1

// A Block is a piece of an Arena: Bytes as the program sees it, beginning at
// bus address Bus as a card sees it.
type Block struct {
	Bytes []byte
	Bus   uint64

	offset int // in the region
}

// NewArena returns an Arena over the whole of r. It panics if r is not as a
// Region has to be.
func NewArena(r Region) *Arena {
	pageOf := r.check()
	a := &Arena{
		region: r,
		free:   make([]list, bits.Len(uint(r.PageSize>>unitShift))),
		units:  make([]unit, len(r.Bytes)>>unitShift),
		room:   len(r.Bytes),
		pageOf: pageOf,
	}
	a.chunks.Store(new([]*chunk))
	for k := range a.free {
		a.free[k] = none
	}
	top := len(a.free) - 1
	for i := len(r.Bus) - 1; i >= 0; i-- {
		a.push(int32(i<<top), top)
	}
	return a
}

// Alloc returns a zeroed block of at least size bytes, rounded up to a power of
// two of at least 4 KiB. It fails if no block of that length is free, and
// always if size is more than a page of the region.
func (a *Arena) Alloc(size int) (Block, error) {
	if size < 1 || size > a.region.PageSize {
		return Block{}, fmt.Errorf("pktbuf: allocate %d bytes: want 1 to %d, a page of the region", size, a.region.PageSize)
	}
	order := bits.Len(uint((size - 1) >> unitShift))

	a.mu.Lock()
	defer a.mu.Unlock()
	k := order
	for k < len(a.free) && a.free[k] == none {
		k++
	}
	if k == len(a.free) {
		a.stats.Failures++
		return Block{}, fmt.Errorf("pktbuf: allocate %d bytes: no free block of that length (%d of %d bytes free)",
			size, a.room, len(a.region.Bytes))
	}
	u := int32(a.free[k])
	a.remove(u)
	for k > order {
		k--
		a.stats.Splits++
		a.push(u+1<<k, k) // the upper half stays free
	}
	a.stats.Allocs++
	a.units[u] = unit{order: uint8(order), state: taken}
	length := 1 << (order + unitShift)
	a.room -= length

	offset := int(u) << unitShift
	b := Block{
		Bytes:  a.region.Bytes[offset : offset+length : offset+length],
		Bus:    a.region.bus(offset),
		offset: offset,
	}
	clear(b.Bytes)
	return b, nil
}

// Free takes back a block that Alloc returned. It panics if b is not one, or
// was freed before.
func (a *Arena) Free(b Block) {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := int32(b.offset >> unitShift)
	if int(u) >= len(a.units) || a.units[u].state != taken || len(b.Bytes) != 1<<(a.units[u].order+unitShift) {
		panic(fmt.Sprintf("pktbuf: free of %d bytes at offset %#x, which is no block in use", len(b.Bytes), b.offset))
	}
	a.stats.Frees++
	a.room += len(b.Bytes)
	k := int(a.units[u].order)
	a.units[u].state = inside
	for k < len(a.free)-1 {
		buddy := u ^ 1<<k
		if a.units[buddy].state != free || int(a.units[buddy].order) != k {
			break
		}
		a.remove(buddy)
		u &^= 1 << k // the merged block begins at the lower of the two
		a.stats.Merges++
		k++
	}
	a.push(u, k)
}

// Room returns how many bytes are free, in blocks of whatever length.
func (a *Arena) Room() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.room
}

// ArenaStats is what an Arena has and has done.
type ArenaStats struct {
	Size    int // bytes in the region
	Free    int // bytes in free blocks
	Largest int // bytes in the largest free block: the most that Alloc can give

	Allocs, Frees  uint64 // calls that succeeded
	Failures       uint64 // calls of Alloc that found no block long enough
	Splits, Merges uint64 // blocks cut in two, and pairs made one again
}

// Stats returns what the arena has and has done, at one moment.
func (a *Arena) Stats() ArenaStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.stats
	s.Size, s.Free = len(a.region.Bytes), a.room
	for k, first := range a.free {
		if first != none {
			s.Largest = 1 << (k + unitShift)
		}
	}
	return s
}

func (a *Arena) push(u int32, order int) {
	first := int32(a.free[order])
	a.units[u] = unit{next: first, prev: none, order: uint8(order), state: free}
	if first != none {
		a.units[first].prev = u
	}
	a.free[order] = list(u)
}

func (a *Arena) remove(u int32) {
	it := a.units[u]
	if it.prev == none {
		a.free[it.order] = list(it.next)
	} else {
		a.units[it.prev].next = it.next
	}
	if it.next != none {
		a.units[it.next].prev = it.prev
	}
	a.units[u].state = inside
}

package pktbuf

import (
	"fmt"
	"math/bits"
)

// A Region is memory that cards can reach. Bytes is how the program sees it,
// one unbroken stretch; Bus says where a card sees each page of it: the page
// that begins at Bytes[i*PageSize] is at bus address Bus[i]. Only within a page
// do addresses run on, so nothing that a card is told of crosses from one page
// into the next.
//
// Whoever made the Region keeps it in place and mapped until every card that
// was told of it has lost its bus mastering.
type Region struct {
	Bytes    []byte
	PageSize int      // bytes, a power of two; len(Bytes) is a multiple of it
	Bus      []uint64 // multiples of PageSize, no two the same
}

// regionMax is how many lines a Buf can count.
const regionMax = 1 << (32 + lineShift)

// check panics if r is not as a Region has to be, and returns which page is at
// each bus address, that counted in pages.
func (r *Region) check() map[uint64]int {
	switch {
	case r.PageSize < 1<<unitShift || bits.OnesCount(uint(r.PageSize)) != 1:
		panic(fmt.Sprintf("pktbuf: page size %d is not a power of two of at least %d", r.PageSize, 1<<unitShift))
	case len(r.Bytes)%r.PageSize != 0 || len(r.Bytes)/r.PageSize != len(r.Bus):
		panic(fmt.Sprintf("pktbuf: region of %d bytes with %d bus addresses of pages of %d bytes",
			len(r.Bytes), len(r.Bus), r.PageSize))
	case uint64(len(r.Bytes)) > regionMax:
		panic(fmt.Sprintf("pktbuf: region of %d bytes: want at most %d", len(r.Bytes), uint64(regionMax)))
	}
	pageOf := make(map[uint64]int, len(r.Bus))
	for i, bus := range r.Bus {
		if bus%uint64(r.PageSize) != 0 {
			panic(fmt.Sprintf("pktbuf: page %d of the region at bus address %#x, which is no multiple of its %d bytes", i, bus, r.PageSize))
		}
		key := bus / uint64(r.PageSize)
		if before, ok := pageOf[key]; ok {
			panic(fmt.Sprintf("pktbuf: pages %d and %d of the region both at bus address %#x", before, i, bus))
		}
		pageOf[key] = i
	}
	return pageOf
}

// bus returns the bus address of the byte at an offset.
func (r *Region) bus(offset int) uint64 {
	return r.Bus[offset/r.PageSize] + uint64(offset%r.PageSize)
}

// Bus returns the bus address of p, which is to be part of the region; ok is
// false if it is not, or crosses from one page into the next and so has no one
// address. It takes a few instructions however many pages there are, and may be
// called by any goroutine at any time.
func (a *Arena) Bus(p []byte) (bus uint64, ok bool) {
	offset, ok := offsetIn(a.region.Bytes, p)
	if !ok || len(p) == 0 || offset%a.region.PageSize+len(p) > a.region.PageSize {
		return 0, false
	}
	return a.region.bus(offset), true
}

// Bytes returns the n bytes that a card sees at bus address bus; nil unless all
// of them are in one page of the region. It is how an address that a card wrote
// is checked before it is believed. It takes one look into a table however many
// pages there are and wherever they lie, and may be called by any goroutine at
// any time.
func (a *Arena) Bytes(bus uint64, n int) []byte {
	size := uint64(a.region.PageSize)
	page, ok := a.pageOf[bus/size]
	at := int(bus % size)
	if !ok || n < 1 || n > a.region.PageSize-at {
		return nil
	}
	at += page * a.region.PageSize
	return a.region.Bytes[at : at+n : at+n]
}

// Package pktbuf cuts memory that cards can reach into packet buffers, and
// hands them out.
//
// A Region is the memory, from wherever it comes. An Arena cuts it into blocks,
// a Pool cuts blocks into buffers of one size, and a Cache lets one worker take
// and give them back without touching anything that another worker touches. A
// packet is one Buf or a chain of them, and a clone of it shares its bytes.
//
// # Cost
//
// A buffer taken from a warm Cache costs the copy of its pointer, and giving it
// back that copy and one load and one store in its Buf, which says where the
// data is: it is made fresh when it is given back, while its line is warm, so
// neither the cache nor the pool has to touch it before it is handed out.
//
// # Looking for mistakes
//
// Built with the tag ferrule_debug, the package panics when a buffer is given
// back twice, used after it was given back, or given to a Pool that is not its
// own, and when its memory was written to while it was free, or past its ends,
// by the program or by a card; the panic says where the buffer was got and where
// it was given back. The error of Pool.Close then says where the buffers were
// got that are still out. Without the tag none of that is there.
package pktbuf

import (
	"fmt"
	"math/bits"
	"sort"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Pool is a fixed number of buffers of one size. All of its methods may be
// called by any number of goroutines at once, but for Close, which comes last.
//
// Progress. Get, GetN and PutN hold a mutex for as long as it takes to copy some
// dozens of numbers, and a Cache does, once in a few hundred buffers, for as many:
// a goroutine that is descheduled in the middle of that holds up whoever comes to
// the pool until it runs again.
//
// Order. The PutN that gives a buffer back synchronizes before the Get that
// hands it out next. What was given back last is handed out first.
type Pool struct {
	arena  *Arena
	count  int
	stride int // from one buffer to the next
	blocks []poolBlock
	seat   seat
	own    marks // of a fresh buffer

	debugPool

	free freeList
}

// A poolBlock holds as many buffers as fit, beginning with number first.
type poolBlock struct {
	Block
	first int
}

// NewPool returns a pool of count buffers, each with room for size bytes of
// data behind the Headroom, in blocks of a. It panics if count or size is less
// than 1, and fails if a buffer does not fit in a page of the region or all of
// them do not fit in the arena.
//
// Buffers that only ever become clones need no size to speak of.
func NewPool(a *Arena, count, size int) (*Pool, error) {
	if count < 1 || size < 1 {
		panic(fmt.Sprintf("pktbuf: pool of %d buffers of %d bytes", count, size))
	}
	if size > a.region.PageSize-Headroom-2*guard {
		return nil, fmt.Errorf("pktbuf: pool of buffers of %d bytes: want at most %d, a page of the region less %d of headroom",
			size, a.region.PageSize-Headroom-2*guard, Headroom)
	}
	room := (Headroom + size + cpu.LineSize - 1) &^ (cpu.LineSize - 1)
	p := &Pool{arena: a, count: count, stride: guard + room + guard}
	if err := p.reserve(); err != nil {
		p.leave()
		return nil, fmt.Errorf("pktbuf: pool of %d buffers of %d bytes: %w", count, size, err)
	}
	p.fill(uint32(room))
	return p, nil
}

// reserve gets the pool's memory, and its place among the pools of the arena.
func (p *Pool) reserve() (err error) {
	for n := 0; n < p.count; {
		b, err := p.arena.Alloc(p.blockSize(p.count - n))
		if err != nil {
			return fmt.Errorf("after %d of them: %w", n, err)
		}
		p.blocks = append(p.blocks, poolBlock{b, n})
		n += len(b.Bytes) / p.stride
	}
	p.seat, err = p.arena.enrol((p.count + chunkBufs - 1) / chunkBufs)
	return err
}

// blockSize chooses the block for the next of n buffers: the largest that they
// fill, so that what is left over at the end of a block is little.
func (p *Pool) blockSize(n int) int {
	size := min(1<<(bits.Len(uint(n*p.stride))-1), p.arena.region.PageSize)
	if size < p.stride {
		size *= 2
	}
	return size
}

// serial numbers the pools of the process.
var serial atomic.Uint32

// fill makes the buffers.
func (p *Pool) fill(room uint32) {
	p.own = marks(serial.Add(1)) << poolShift
	p.free.names = make([]name, 0, p.count)
	p.debugPool.init(p)
	for i := p.count - 1; i >= 0; i-- { // the first is on top in the end
		c := p.seat.chunks[i/chunkBufs]
		c.pool, c.region, c.room = p, p.arena.region.Bytes, room
		b := &c.bufs[i%chunkBufs]
		b.name = name((p.seat.first+i/chunkBufs)*chunkLines + 1 + i%chunkBufs)
		b.refs.Store(1)
		p.place(b)
		p.putFree(b)
	}
}

// index returns the number of a buffer in the pool.
func (p *Pool) index(n name) int { return (n.chunk()-p.seat.first)*chunkBufs + n.line() - 1 }

// place gives b, a buffer of the pool, the memory that is its own.
func (p *Pool) place(b *Buf) {
	i := p.index(b.name)
	k := sort.Search(len(p.blocks), func(k int) bool { return p.blocks[k].first > i }) - 1
	at := (i-p.blocks[k].first)*p.stride + guard
	b.bus = p.blocks[k].Bus + uint64(at)
	b.line = uint32((p.blocks[k].offset + at) >> lineShift)
}

// Cap returns how many buffers the pool has, and Len how many are free in it:
// neither in a Cache nor in use. While others take and give back, Len is a
// moment's view.
func (p *Pool) Cap() int { return p.count }

// Len returns how many buffers are free in the pool; see Cap.
func (p *Pool) Len() int { return p.free.len() }

// Get hands out an empty buffer; false means that none is free.
func (p *Pool) Get() (*Buf, bool) {
	var one [1]*Buf
	ok := p.GetN(one[:]) == 1
	return one[0], ok
}

// GetN fills bufs with empty buffers as far as there are free ones, and returns
// how many.
func (p *Pool) GetN(bufs []*Buf) int {
	var via batch
	n := p.take(bufs, via[:])
	assertGot(bufs[:n])
	return n
}

// PutN gives bufs back, a chain with all that is linked in it. They are to be
// the pool's own; one of another pool goes to its own, as from a Cache, unless
// the tag ferrule_debug says that this is a mistake.
func (p *Pool) PutN(bufs []*Buf) {
	assertOwn(p, bufs)
	assertPut(bufs)
	var via batch
	for {
		n := p.reset(bufs)
		p.give(bufs[:n], via[:])
		if n == len(bufs) {
			return
		}
		p.putTangled(bufs[n])
		bufs = bufs[n+1:]
	}
}

// reset makes buffers of p fresh, up to the first that is of another pool or
// takes more than a reset, and returns how many.
func (p *Pool) reset(bufs []*Buf) int {
	n := 0
	for n < len(bufs) && bufs[n].plain(p.own) {
		bufs[n].state = state{Headroom, 0, p.own}
		n++
	}
	assertFree(bufs[:n])
	return n
}

// putTangled gives back a packet that takes more than a reset.
func (p *Pool) putTangled(b *Buf) {
	for b != nil {
		rest, free := b.settle()
		for _, f := range free {
			if f != nil {
				f.Pool().putFree(f)
			}
		}
		b = rest
	}
}

// putFree gives back a buffer of p that nobody holds.
func (p *Pool) putFree(b *Buf) {
	b.state = state{Headroom, 0, p.own}
	one := [1]*Buf{b}
	assertFree(one[:])
	p.free.push([]name{b.name})
}

// A batch is as many names as a Pool without a Cache moves to or from the free
// list at a time; a Cache has room for more.
type batch [64]name

// take moves free buffers into bufs, as far as there are any, and returns how
// many. It does not touch them. Their names come through via, as many at a time
// as it has room for.
func (p *Pool) take(bufs []*Buf, via []name) int {
	n := 0
	for n < len(bufs) {
		want := min(len(bufs)-n, len(via))
		got := p.free.pop(via[:want])
		for _, name := range via[:got] {
			bufs[n] = p.seat.buf(name)
			n++
		}
		if got < want {
			break
		}
	}
	return n
}

// give moves buffers of p, which have been reset, to the free ones. Their names
// go through via as in take.
func (p *Pool) give(bufs []*Buf, via []name) {
	for len(bufs) > 0 {
		n := min(len(bufs), len(via))
		for i, b := range bufs[:n] {
			via[i] = b.name
		}
		bufs = bufs[n:]
		p.free.push(via[:n])
	}
}

// Close gives the memory of the pool back to its arena. It fails and changes
// nothing if buffers are still out, in use or in a Cache: a card may yet write
// to them.
func (p *Pool) Close() error {
	if n := p.count - p.Len(); n != 0 {
		return fmt.Errorf("pktbuf: close pool of %d buffers: %d are still out (flush each cache, close each port first)%s",
			p.count, n, p.leaks())
	}
	assertUntouched(p)
	p.leave()
	return nil
}

// leave undoes reserve.
func (p *Pool) leave() {
	p.arena.dismiss(p.seat)
	for _, b := range p.blocks {
		p.arena.Free(b.Block)
	}
	p.blocks, p.seat = nil, seat{}
}

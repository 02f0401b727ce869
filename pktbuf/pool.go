// Package pktbuf cuts memory that cards can reach into packet buffers, and
// hands them out.
//
// A Region is the memory, from wherever it comes. An Arena cuts it into blocks,
// a Pool cuts blocks into buffers of one size, and a Cache lets one worker take
// and give them back without touching anything that another worker touches.
package pktbuf

import (
	"fmt"
	"math/bits"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Pool is a fixed number of buffers of one size. All of its methods may be
// called by any number of goroutines at once.
//
// Progress. Get, GetN and PutN take no lock; they are as free as the mpmc.Ring
// of free buffers beneath them: PutN waits for a goroutine that was descheduled
// in the middle of a Get one whole round of the ring ago.
//
// Order. The PutN that gives a buffer back synchronizes before the Get that
// hands it out next.
type Pool struct {
	arena  *Arena
	blocks []Block
	chunks []*chunk
	count  int
	free   *mpmc.Ring[uint32] // indices of free buffers: no pointer to scan
}

// NewPool returns a pool of count buffers, each with room for size bytes of
// data behind the Headroom, in blocks of a. It panics if count or size is less
// than 1, and fails if a buffer does not fit in a page of the region or all of
// them do not fit in the arena.
func NewPool(a *Arena, count, size int) (*Pool, error) {
	if count < 1 || size < 1 {
		panic(fmt.Sprintf("pktbuf: pool of %d buffers of %d bytes", count, size))
	}
	stride := (Headroom + size + cpu.LineSize - 1) &^ (cpu.LineSize - 1)
	if stride > a.region.PageSize {
		return nil, fmt.Errorf("pktbuf: pool of buffers of %d bytes: want at most %d, a page of the region less %d of headroom",
			size, a.region.PageSize-Headroom, Headroom)
	}
	p := &Pool{
		arena:  a,
		chunks: make([]*chunk, (count+chunkBufs-1)/chunkBufs),
		count:  count,
		free:   mpmc.New[uint32](1 << bits.Len(uint(count-1))),
	}
	for i := range p.chunks {
		p.chunks[i] = &chunk{pool: p, region: a.region.Bytes}
	}
	for i := 0; i < count; {
		b, err := a.Alloc(p.blockSize(count-i, stride))
		if err != nil {
			p.release()
			return nil, fmt.Errorf("pktbuf: pool of %d buffers of %d bytes: after %d of them: %w", count, size, i, err)
		}
		p.blocks = append(p.blocks, b)
		for at := 0; at+stride <= len(b.Bytes) && i < count; at += stride {
			buf := p.buf(uint32(i))
			buf.bus = b.Bus + uint64(at)
			buf.offset = b.offset + at
			buf.size = uint32(stride)
			buf.index = uint32(i)
			p.free.TryPush(buf.index)
			i++
		}
	}
	return p, nil
}

// blockSize chooses the block for the next of n buffers: the largest that they
// fill, so that what is left over at the end of a block is little.
func (p *Pool) blockSize(n, stride int) int {
	size := min(1<<(bits.Len(uint(n*stride))-1), p.arena.region.PageSize)
	if size < stride {
		size *= 2
	}
	return size
}

func (p *Pool) buf(i uint32) *Buf { return &p.chunks[i/chunkBufs].bufs[i%chunkBufs] }

// Cap returns how many buffers the pool has, and Len how many are free in it:
// neither in a Cache nor in use. While others take and give back, Len is a
// moment's view.
func (p *Pool) Cap() int { return p.count }

// Len returns how many buffers are free in the pool; see Cap.
func (p *Pool) Len() int { return p.free.Len() }

// Get hands out an empty buffer; false means that none is free.
func (p *Pool) Get() (*Buf, bool) {
	var one [1]*Buf
	ok := p.GetN(one[:]) == 1
	return one[0], ok
}

// GetN fills bufs with empty buffers as far as there are free ones, and returns
// how many.
func (p *Pool) GetN(bufs []*Buf) int {
	var index [chunkBufs]uint32
	n := 0
	for n < len(bufs) {
		want := min(len(bufs)-n, len(index))
		got := p.free.TryPopN(index[:want])
		for i, at := range index[:got] {
			b := p.buf(at)
			b.Reset()
			bufs[n+i] = b
		}
		n += got
		if got < want {
			break
		}
	}
	return n
}

// PutN gives bufs back, each to the pool it came from.
func (p *Pool) PutN(bufs []*Buf) {
	for len(bufs) > 0 {
		home := bufs[0].Pool()
		n := 1
		for n < len(bufs) && n < chunkBufs && bufs[n].Pool() == home {
			n++
		}
		home.putOwn(bufs[:n])
		bufs = bufs[n:]
	}
}

// putOwn gives back at most chunkBufs buffers of p.
func (p *Pool) putOwn(bufs []*Buf) {
	var index [chunkBufs]uint32
	for i, b := range bufs {
		index[i] = b.index
	}
	var wait spinlock.Backoff
	for rest := index[:len(bufs)]; ; wait.Wait() {
		rest = rest[p.free.TryPushN(rest):]
		if len(rest) == 0 {
			return
		}
	}
}

// Close gives the memory of the pool back to its arena. It fails and changes
// nothing if buffers are still out, in use or in a Cache: a card may yet write
// to them.
func (p *Pool) Close() error {
	if n := p.count - p.Len(); n != 0 {
		return fmt.Errorf("pktbuf: close pool of %d buffers: %d are still out (flush each cache, close each port first)", p.count, n)
	}
	p.release()
	return nil
}

func (p *Pool) release() {
	for _, b := range p.blocks {
		p.arena.Free(b)
	}
	p.blocks = nil
}

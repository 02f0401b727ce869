package main

import (
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// A pool of buffers, in one block each.
func newPool(count int) *pktbuf.Pool {
	a := pktbuf.NewArena(pktbuf.Region{Bytes: make([]byte, 1<<12), PageSize: 1 << 12, Bus: []uint64{0}})
	p, err := pktbuf.NewPool(a, count, 1)
	if err != nil {
		sched.Fail("%v", err)
	}
	return p
}

// use writes plainly to a buffer that is one's own, so one handed out twice is a race,
// and found to be another's.
func use(b *pktbuf.Buf, who uint32) {
	b.SetHash(who)
	if h, _ := b.Hash(); h != who {
		sched.Fail("buffer of %d is in use by %d", who, h)
	}
}

// back wants all buffers back in the pool, each once.
func back(p *pktbuf.Pool) {
	if p.Len() != p.Cap() {
		sched.Fail("%d buffers in the pool, want %d", p.Len(), p.Cap())
	}
	seen := make(map[*pktbuf.Buf]bool)
	for range p.Cap() {
		b, ok := p.Get()
		if !ok || seen[b] {
			sched.Fail("a buffer is in the pool twice, or not at all")
		}
		seen[b] = true
	}
}

// poolDirect has two goroutines get and give back buffers of a pool that has not
// enough for both, one of them two at a time.
func poolDirect() ([]func(), func()) {
	p := newPool(2)
	one := func() {
		for range 2 {
			if b, ok := p.Get(); ok {
				use(b, 1)
				p.PutN([]*pktbuf.Buf{b})
			}
		}
	}
	two := func() {
		bufs := make([]*pktbuf.Buf, 2)
		bufs = bufs[:p.GetN(bufs)]
		for _, b := range bufs {
			use(b, 2)
		}
		p.PutN(bufs)
	}
	return []func(){one, two}, func() { back(p) }
}

// poolCaches has two goroutines with a cache each over a pool that has not enough for
// both: they refill it, take its last, and flush.
func poolCaches() ([]func(), func()) {
	p := newPool(5)
	work := func(who uint32) func() {
		c := p.NewCache() // asks for four at a time
		return func() {
			if b, ok := c.Get(); ok {
				use(b, who)
				c.PutN([]*pktbuf.Buf{b})
			}
			c.Flush()
		}
	}
	return []func(){work(1), work(2)}, func() { back(p) }
}

// poolPassed has a buffer got from one cache be given back to another, which is full
// and gives half of what it has to the pool, where the first looks for more.
func poolPassed() ([]func(), func()) {
	p := newPool(13)
	from, to := p.NewCache(), p.NewCache()
	var bufs [8]*pktbuf.Buf
	to.GetN(bufs[:])
	to.PutN(bufs[:])
	var way sched.Pointer[pktbuf.Buf]
	giver := func() {
		b, ok := from.Get()
		if !ok {
			sched.Fail("no buffer, of %d", p.Cap())
		}
		use(b, 1)
		way.Store(b)
		var more [8]*pktbuf.Buf
		n := from.GetN(more[:])
		for _, b := range more[:n] {
			use(b, 1)
		}
		from.PutN(more[:n])
		from.Flush()
	}
	taker := func() {
		if b := way.Load(); b != nil {
			way.Store(nil)
			use(b, 2)
			to.PutN([]*pktbuf.Buf{b})
		}
		if b, ok := to.Get(); ok {
			use(b, 2)
			to.PutN([]*pktbuf.Buf{b})
		}
		to.Flush()
	}
	return []func(){giver, taker}, func() {
		if b := way.Load(); b != nil {
			p.PutN([]*pktbuf.Buf{b})
		}
		back(p)
	}
}

// poolClone has a packet and its clones be given back by one goroutine each: the
// memory is free with the last, and not before.
func poolClone() ([]func(), func()) {
	p := newPool(3)
	c := p.NewCache()
	b, _ := c.Get()
	first, ok := c.Clone(b)
	second, also := c.Clone(b)
	if !ok || !also {
		sched.Fail("no clone")
	}
	c.Flush()
	put := func(b *pktbuf.Buf) func() { return func() { p.PutN([]*pktbuf.Buf{b}) } }
	return []func(){put(b), put(first), put(second)}, func() { back(p) }
}

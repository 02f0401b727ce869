package pktbuf

import "github.com/ferrule-go/ferrule/internal/cpu"

const (
	cacheSize = 512
	cacheHalf = cacheSize / 2 // moved to or from the pool at a time
)

// A Cache is one worker's stock of free buffers of a Pool. Taking from it and
// giving to it touches the pool only once in a few hundred buffers, and the
// buffer given back last, whose lines are still warm, is handed out first.
//
// Progress. Wait-free, but for the call in a few hundred that goes to the pool,
// and waits there as the Pool says.
//
// Ownership. One goroutine at a time. It holds up to 512 buffers that no other
// worker can get: a pool needs that many more for each cache. Flush before the
// worker ends, or they stay out.
//
// Layout. It shares no cache line with another worker's.
type Cache struct {
	_ cpu.Pad

	pool *Pool
	own  marks
	n    int
	bufs [cacheSize]*Buf // bufs[:n] are free, the warmest last
	via  [cacheHalf]name // of those on their way to or from the pool

	_ cpu.Pad
}

// NewCache returns an empty cache over the pool.
func (p *Pool) NewCache() *Cache { return &Cache{pool: p, own: p.own} }

// Pool returns the pool beneath the cache.
func (c *Cache) Pool() *Pool { return c.pool }

// Get hands out an empty buffer; false means that neither the cache nor the
// pool has one.
func (c *Cache) Get() (*Buf, bool) {
	if c.n == 0 && c.refill() == 0 {
		return nil, false
	}
	c.n--
	b := c.bufs[c.n]
	assertGot(c.bufs[c.n : c.n+1])
	return b, true
}

// GetN fills bufs with empty buffers as far as the cache and the pool have
// them, and returns how many.
func (c *Cache) GetN(bufs []*Buf) int {
	if len(bufs) > c.n {
		return c.getPast(bufs)
	}
	n, i := c.n-len(bufs), 0
	c.n = n
	for ; len(bufs)-i >= 8 && uint(n) <= cacheSize-8; n, i = n+8, i+8 {
		copy8((*[8]*Buf)(bufs[i:i+8]), (*[8]*Buf)(c.bufs[n:n+8]))
	}
	for ; i < len(bufs); n, i = n+1, i+1 {
		bufs[i] = c.bufs[n]
	}
	assertGot(bufs)
	return len(bufs)
}

// getPast is GetN for more than the cache holds. What the pool gives to a large
// request goes past the cache.
func (c *Cache) getPast(bufs []*Buf) int {
	n := c.GetN(bufs[:c.n])
	if len(bufs)-n >= cacheHalf {
		return n + c.pool.GetN(bufs[n:])
	}
	rest := min(len(bufs)-n, c.refill())
	return n + c.GetN(bufs[n:n+rest])
}

// refill gets half of what an empty cache can hold, and returns how many.
func (c *Cache) refill() int {
	c.n = c.pool.take(c.bufs[:cacheHalf], c.via[:])
	return c.n
}

// PutN gives bufs back, a chain with all that is linked in it. Those of another
// pool go straight home.
//
// It goes by eights: one comparison says that eight buffers want no more than
// to be made fresh, and the garbage collector, which wants to hear of a pointer
// that is overwritten, is asked once whether it is running.
func (c *Cache) PutN(bufs []*Buf) {
	assertPut(bufs)
	if len(bufs) > cacheSize-c.n {
		bufs = c.makeRoom(bufs)
	}
	own, n, i := c.own, c.n, 0
	for ; len(bufs)-i >= 8 && uint(n) <= cacheSize-8; n, i = n+8, i+8 {
		f := (*[8]*Buf)(bufs[i : i+8])
		b0, b1, b2, b3, b4, b5, b6, b7 := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
		odd := b0.marks ^ own | (b1.marks ^ own) | (b2.marks ^ own) | (b3.marks ^ own) |
			(b4.marks ^ own) | (b5.marks ^ own) | (b6.marks ^ own) | (b7.marks ^ own)
		if odd != 0 {
			if odd&(markPool|entangled) != 0 {
				break
			}
			for _, b := range f {
				b.marks = own
			}
		}
		b0.start, b0.length = Headroom, 0
		b1.start, b1.length = Headroom, 0
		b2.start, b2.length = Headroom, 0
		b3.start, b3.length = Headroom, 0
		b4.start, b4.length = Headroom, 0
		b5.start, b5.length = Headroom, 0
		b6.start, b6.length = Headroom, 0
		b7.start, b7.length = Headroom, 0
		copy8((*[8]*Buf)(c.bufs[n:n+8]), f)
	}
	for ; i < len(bufs) && uint(n) < cacheSize && bufs[i].plain(own); n, i = n+1, i+1 {
		bufs[i].state = state{Headroom, 0, own}
		c.bufs[n] = bufs[i]
	}
	c.n = n
	assertFree(bufs[:i])
	for _, b := range bufs[i:] {
		c.putTangled(b)
	}
}

// makeRoom takes as many of bufs as it has to for the rest to fit in the cache,
// half of it at most, and returns the rest.
func (c *Cache) makeRoom(bufs []*Buf) (rest []*Buf) {
	extra := max(0, len(bufs)-cacheHalf)
	for _, b := range bufs[:extra] {
		c.putTangled(b)
	}
	if rest = bufs[extra:]; len(rest) > cacheSize-c.n {
		c.flushColdHalf()
	}
	return rest
}

// flushColdHalf gives the half that has lain longest back to the pool.
func (c *Cache) flushColdHalf() {
	c.pool.give(c.bufs[:cacheHalf], c.via[:])
	c.n = copy(c.bufs[:], c.bufs[cacheHalf:c.n])
}

// putTangled gives back a packet, whatever it takes.
func (c *Cache) putTangled(b *Buf) {
	for b != nil {
		rest, free := b.settle()
		for _, f := range free {
			if f != nil {
				c.putFree(f)
			}
		}
		b = rest
	}
}

// putFree gives back a buffer that nobody holds.
func (c *Cache) putFree(b *Buf) {
	if b.Pool() != c.pool {
		b.Pool().putFree(b)
		return
	}
	if c.n == cacheSize {
		c.flushColdHalf()
	}
	b.state = state{Headroom, 0, c.own}
	c.bufs[c.n] = b
	c.n++
	assertFree(c.bufs[c.n-1 : c.n])
}

// Flush gives all that the cache holds back to the pool.
func (c *Cache) Flush() {
	c.pool.give(c.bufs[:c.n], c.via[:])
	c.n = 0
}

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
// Progress. Wait-free, but for the call in a few hundred that goes to the pool.
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
	c.n -= len(bufs)
	from, to := c.bufs[c.n:], bufs
	for len(to) >= 8 && len(from) >= 8 { // see PutN
		f, t := from[:8], to[:8]
		b0, b1, b2, b3, b4, b5, b6, b7 := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
		t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7] = b0, b1, b2, b3, b4, b5, b6, b7
		from, to = from[8:], to[8:]
	}
	for i := range to {
		to[i] = from[i]
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
	c.n = c.pool.take(c.bufs[:cacheHalf])
	return c.n
}

// PutN gives bufs back, a chain with all that is linked in it. Those of another
// pool go straight home.
//
// It goes by eights: the garbage collector wants to hear of a pointer that is
// overwritten, and eight stores in a row ask once whether it is running. It does
// not copy: that moves 16 bytes or more at a time, and to load as many from
// where pointers were just stored one by one, the processor waits until the
// stores have reached the cache.
func (c *Cache) PutN(bufs []*Buf) {
	assertPut(bufs)
	if len(bufs) > cacheSize-c.n {
		bufs = c.makeRoom(bufs)
	}
	own, room, rest := c.own, c.bufs[c.n:], bufs
	for len(rest) >= 8 && len(room) >= 8 {
		f, t := rest[:8], room[:8]
		b0, b1, b2, b3, b4, b5, b6, b7 := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]
		odd := b0.marks ^ own | (b1.marks ^ own) | (b2.marks ^ own) | (b3.marks ^ own) |
			(b4.marks ^ own) | (b5.marks ^ own) | (b6.marks ^ own) | (b7.marks ^ own)
		if odd&(markPool|entangled) != 0 {
			break
		}
		b0.state = state{Headroom, 0, own}
		b1.state = state{Headroom, 0, own}
		b2.state = state{Headroom, 0, own}
		b3.state = state{Headroom, 0, own}
		b4.state = state{Headroom, 0, own}
		b5.state = state{Headroom, 0, own}
		b6.state = state{Headroom, 0, own}
		b7.state = state{Headroom, 0, own}
		t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7] = b0, b1, b2, b3, b4, b5, b6, b7
		rest, room = rest[8:], room[8:]
	}
	for len(rest) > 0 && len(room) > 0 && rest[0].plain(own) {
		rest[0].state = state{Headroom, 0, own}
		room[0] = rest[0]
		rest, room = rest[1:], room[1:]
	}
	c.n = cacheSize - len(room)
	assertFree(bufs[:len(bufs)-len(rest)])
	for _, b := range rest {
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
	c.pool.give(c.bufs[:cacheHalf])
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
	c.pool.give(c.bufs[:c.n])
	c.n = 0
}

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
	n    int
	bufs [cacheSize]*Buf // bufs[:n] are free, the warmest last

	_ cpu.Pad
}

// NewCache returns an empty cache over the pool.
func (p *Pool) NewCache() *Cache { return &Cache{pool: p} }

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
	n := len(bufs)
	if n <= c.n {
		c.n -= n
		copy(bufs, c.bufs[c.n:])
	} else {
		n = c.getPast(bufs)
	}
	assertGot(bufs[:n])
	return n
}

// getPast is GetN for more than the cache holds. What the pool gives to a large
// request goes past the cache.
func (c *Cache) getPast(bufs []*Buf) int {
	n := copy(bufs, c.bufs[:c.n])
	c.n = 0
	if len(bufs)-n >= cacheHalf {
		return n + c.pool.take(bufs[n:])
	}
	c.refill()
	rest := min(len(bufs)-n, c.n)
	c.n -= rest
	return n + copy(bufs[n:], c.bufs[c.n:c.n+rest])
}

// refill gets half of what an empty cache can hold, and returns how many.
func (c *Cache) refill() int {
	c.n = c.pool.take(c.bufs[:cacheHalf])
	return c.n
}

// PutN gives bufs back, a chain with all that is linked in it. Those of another
// pool go straight home.
func (c *Cache) PutN(bufs []*Buf) {
	for {
		assertPut(bufs)
		n := c.pool.reset(bufs)
		c.push(bufs[:n])
		if n == len(bufs) {
			return
		}
		c.putTangled(bufs[n])
		bufs = bufs[n+1:]
	}
}

// putTangled gives back a packet that takes more than a reset of its state.
func (c *Cache) putTangled(b *Buf) {
	for b != nil {
		rest, free := b.settle()
		for _, f := range free {
			if f == nil {
				continue
			}
			own := [1]*Buf{f}
			if c.pool.reset(own[:]) == 1 {
				c.push(own[:])
			} else {
				f.Pool().giveHome(f)
			}
		}
		b = rest
	}
}

// push puts buffers that have been reset on top. If they do not fit, what has
// lain longest makes room: of very many the first, else the lower half.
func (c *Cache) push(bufs []*Buf) {
	if len(bufs) > cacheSize-c.n {
		bufs = c.makeRoom(bufs)
	}
	c.n += copy(c.bufs[c.n:], bufs)
}

// makeRoom returns what is left to push of bufs, at most half a cache.
func (c *Cache) makeRoom(bufs []*Buf) []*Buf {
	if extra := len(bufs) - cacheHalf; extra > 0 {
		c.pool.give(bufs[:extra])
		bufs = bufs[extra:]
	}
	if len(bufs) > cacheSize-c.n {
		c.pool.give(c.bufs[:cacheHalf])
		c.n = copy(c.bufs[:], c.bufs[cacheHalf:c.n])
	}
	return bufs
}

// Flush gives all that the cache holds back to the pool.
func (c *Cache) Flush() {
	c.pool.give(c.bufs[:c.n])
	c.n = 0
}

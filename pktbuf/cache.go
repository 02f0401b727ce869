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
	var one [1]*Buf
	ok := c.GetN(one[:]) == 1
	return one[0], ok
}

// GetN fills bufs with empty buffers as far as the cache and the pool have
// them, and returns how many.
func (c *Cache) GetN(bufs []*Buf) int {
	done := 0
	for done < len(bufs) {
		want := len(bufs) - done
		if c.n == 0 {
			if want >= cacheHalf {
				return done + c.pool.GetN(bufs[done:])
			}
			c.n = c.pool.GetN(c.bufs[:cacheHalf])
			if c.n == 0 {
				break
			}
		}
		take := min(want, c.n)
		c.n -= take
		for i, b := range c.bufs[c.n : c.n+take] {
			b.Reset()
			bufs[done+i] = b
		}
		done += take
	}
	return done
}

// PutN gives bufs back. Those of another pool go straight home.
func (c *Cache) PutN(bufs []*Buf) {
	for i, b := range bufs {
		if b.Pool() != c.pool {
			b.Pool().PutN(bufs[i : i+1])
			continue
		}
		if c.n == cacheSize {
			c.flushColdHalf()
		}
		c.bufs[c.n] = b
		c.n++
	}
}

// flushColdHalf gives the half that has lain longest back to the pool.
func (c *Cache) flushColdHalf() {
	c.pool.PutN(c.bufs[:cacheHalf])
	c.n = copy(c.bufs[:], c.bufs[cacheHalf:c.n])
}

// Flush gives all that the cache holds back to the pool.
func (c *Cache) Flush() {
	c.pool.PutN(c.bufs[:c.n])
	c.n = 0
}

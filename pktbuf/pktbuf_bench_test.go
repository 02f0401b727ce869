package pktbuf_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// BenchmarkCache takes a batch and gives it back; an operation is one buffer
// got and put. With impl=cache one worker does both, with impl=pipeline it takes
// from one cache and gives to another, as two workers in a row do, and every
// buffer goes through the pool; impl=pool has no cache.
func BenchmarkCache(b *testing.B) {
	for _, count := range []int{2 << 10, 64 << 10, 1 << 20} {
		p := newPool(b, count, 64)
		c, other := p.NewCache(), p.NewCache()
		impls := []struct {
			name string
			get  func([]*pktbuf.Buf) int
			put  func([]*pktbuf.Buf)
		}{
			{"cache", c.GetN, c.PutN},
			{"pipeline", c.GetN, other.PutN},
			{"pool", p.GetN, p.PutN},
		}
		for _, impl := range impls {
			for _, batch := range []int{1, 4, 32, 256} {
				b.Run(fmt.Sprintf("impl=%s/batch=%d/buffers=%d", impl.name, batch, count), func(b *testing.B) {
					bufs := make([]*pktbuf.Buf, batch)
					moved := 0
					for i := 0; i < b.N; i += batch {
						n := impl.get(bufs)
						impl.put(bufs[:n])
						moved += n
					}
					if moved < b.N {
						b.Fatalf("%d of %d buffers moved", moved, b.N)
					}
				})
			}
		}
	}
}

// BenchmarkClone clones a packet of one buffer and gives the clone back.
func BenchmarkClone(b *testing.B) {
	p := newPool(b, 1024, 64)
	c := p.NewCache()
	buf := get(b, c, "data")
	one := make([]*pktbuf.Buf, 1)
	for b.Loop() {
		one[0], _ = c.Clone(buf)
		c.PutN(one)
	}
}

// BenchmarkCollection is a whole garbage collection of a heap in which there is
// a pool and little else.
func BenchmarkCollection(b *testing.B) {
	for _, count := range []int{2 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("buffers=%d", count), func(b *testing.B) {
			p := newPool(b, count, 64)
			for b.Loop() {
				runtime.GC()
			}
			runtime.KeepAlive(p)
		})
	}
}

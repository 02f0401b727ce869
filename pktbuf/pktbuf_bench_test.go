package pktbuf_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc"
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

// BenchmarkPass passes buffers from one worker, which gets them, to another, which
// puts them back. Each has a processor, if there are two.
func BenchmarkPass(b *testing.B) {
	const batch = 32
	for _, count := range []int{2 << 10, 64 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("batch=%d/buffers=%d", batch, count), func(b *testing.B) {
			p := newPool(b, count, 64)
			r := spsc.New[*pktbuf.Buf](512)
			var worker sync.WaitGroup
			worker.Go(func() {
				c := p.NewCache()
				defer c.Flush()
				bufs := make([]*pktbuf.Buf, batch)
				var wait spinlock.Backoff
				for put := 0; put < b.N; {
					n := r.TryPopN(bufs)
					c.PutN(bufs[:n])
					put += n
					pace(&wait, n)
				}
			})
			c := p.NewCache()
			bufs := make([]*pktbuf.Buf, batch)
			var wait spinlock.Backoff
			b.ResetTimer()
			for got := 0; got < b.N; {
				some := bufs[:c.GetN(bufs[:min(batch, b.N-got)])]
				for _, b := range some {
					b.Extend(64)
				}
				got += len(some)
				for len(some) > 0 {
					n := r.TryPushN(some)
					some = some[n:]
					pace(&wait, n)
				}
			}
			worker.Wait()
			c.Flush()
			if p.Len() != count {
				b.Fatalf("%d of %d buffers are left", p.Len(), count)
			}
		})
	}
}

// BenchmarkPool has goroutines take from a pool and give to it, without caches.
func BenchmarkPool(b *testing.B) {
	for _, goroutines := range []int{1, 2, 16} {
		for _, batch := range []int{1, 32} {
			b.Run(fmt.Sprintf("batch=%d/goroutines=%d", batch, goroutines), func(b *testing.B) {
				p := newPool(b, 64<<10, 64)
				var workers sync.WaitGroup
				for range goroutines {
					workers.Go(func() {
						bufs := make([]*pktbuf.Buf, batch)
						for i := 0; i < b.N/goroutines; i += batch {
							p.PutN(bufs[:p.GetN(bufs)])
						}
					})
				}
				workers.Wait()
				if p.Len() != p.Cap() {
					b.Fatalf("%d of %d buffers are left", p.Len(), p.Cap())
				}
			})
		}
	}
}

// pace waits after a call that moved nothing.
func pace(wait *spinlock.Backoff, moved int) {
	if moved > 0 {
		wait.Reset()
	} else {
		wait.Wait()
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

package pktbuf_test

import (
	"fmt"
	"testing"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// BenchmarkCache takes a batch and gives it back; an operation is one buffer
// got and put.
func BenchmarkCache(b *testing.B) {
	for _, batch := range []int{1, 4, 32} {
		for _, impl := range []string{"cache", "pool"} {
			b.Run(fmt.Sprintf("impl=%s/batch=%d", impl, batch), func(b *testing.B) {
				p := newPool(b, 2048, 2048)
				c := p.NewCache()
				bufs := make([]*pktbuf.Buf, batch)
				get, put := c.GetN, c.PutN
				if impl == "pool" {
					get, put = p.GetN, p.PutN
				}
				moved := 0
				b.ResetTimer()
				for i := 0; i < b.N; i += batch {
					n := get(bufs)
					put(bufs[:n])
					moved += n
				}
				b.StopTimer()
				if moved < b.N {
					b.Fatalf("%d of %d buffers moved", moved, b.N)
				}
			})
		}
	}
}

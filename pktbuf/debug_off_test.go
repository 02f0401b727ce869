//go:build !ferrule_debug

package pktbuf_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/pktbuf"
)

func TestNoAllocation(t *testing.T) {
	p := newPool(t, 1000, 64)
	c := p.NewCache()
	bufs := make([]*pktbuf.Buf, 300)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c.PutN(bufs[:c.GetN(bufs)])
		p.PutN(bufs[:p.GetN(bufs)])
		b, _ := c.Get()
		b.Append(10)
		bufs[0] = b
		twin, _ := c.Clone(b)
		b.Link(twin)
		c.PutN(bufs[:1])
	}))
}

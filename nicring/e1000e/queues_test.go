package e1000e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// testTransmitQueues sends on two queues in turn. Each keeps its own order.
func testTransmitQueues(t *testing.T, r *rig) {
	d := r.open(t, func(c *e1000e.Config) { c.TxCaches = append(c.TxCaches, c.TxCaches[0]) })
	const n = 3 * ringSize
	want := map[int][][]byte{}
	for i := 0; i < n; i += 8 {
		for queue := range 2 {
			f := r.frames(queue<<16+i, 8)
			want[queue] = append(want[queue], f...)
			d.tx = d.port.TxQueue(queue)
			d.send(f...)
		}
	}
	got := map[int][][]byte{}
	for _, f := range d.sent(2 * n) {
		got[int(f[15])] = append(got[int(f[15])], f)
	}
	require.Equal(t, want, got)
}

func TestConfigRefuses(t *testing.T) {
	pool, err := pktbuf.NewPool(pktbuf.NewArena(nictest.NewMemory(1<<21).Region()), 8, 64)
	require.NoError(t, err)
	one := []*pktbuf.Cache{pool.NewCache()}
	for _, c := range []struct {
		cfg  e1000e.Config
		want string
	}{
		{e1000e.Config{RxCaches: one, TxCaches: one, TxRing: 48}, "e1000e: ring of 48 descriptors: want a power of two from 8 to 32768"},
		{e1000e.Config{RxCaches: one}, "e1000e: 0 caches of one direction: want 1 or 2, one for each queue, and none nil"},
		{e1000e.Config{RxCaches: append(one, one[0], one[0]), TxCaches: one}, "e1000e: 3 caches of one direction: want 1 or 2, one for each queue, and none nil"},
		{e1000e.Config{RxCaches: []*pktbuf.Cache{nil}, TxCaches: one}, "e1000e: 1 caches of one direction: want 1 or 2, one for each queue, and none nil"},
	} {
		require.PanicsWithValue(t, c.want, func() { e1000e.Open(nil, nil, c.cfg) })
	}
}

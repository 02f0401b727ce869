package pktbuf_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// region returns pages of ordinary memory with bus addresses that are far apart.
func region(pages, pageSize int) pktbuf.Region {
	r := pktbuf.Region{Bytes: make([]byte, pages*pageSize), PageSize: pageSize}
	for i := range pages {
		r.Bus = append(r.Bus, 1<<40-uint64(i)<<32)
	}
	return r
}

// TestAddressesBothWays goes from bytes to bus addresses and back, over pages
// that lie in no order, some side by side.
func TestAddressesBothWays(t *testing.T) {
	const pages, pageSize = 8, 1 << 12
	r := region(pages, pageSize)
	copy(r.Bus, []uint64{7 << 12, 6 << 12, 8 << 12, 1 << 52, 0})
	a := pktbuf.NewArena(r)
	random := rand.New(rand.NewPCG(8, 9))
	crossed := 0
	for range 20000 {
		at, n := random.IntN(len(r.Bytes)), 1+random.IntN(pageSize+10)
		n = min(n, len(r.Bytes)-at)
		bus, ok := a.Bus(r.Bytes[at : at+n])
		if at/pageSize != (at+n-1)/pageSize {
			crossed++
			require.False(t, ok, "%d bytes at %d cross a page", n, at)
			require.Nil(t, a.Bytes(r.Bus[at/pageSize]+uint64(at%pageSize), n))
			continue
		}
		require.True(t, ok)
		require.Equal(t, r.Bus[at/pageSize]+uint64(at%pageSize), bus)
		back := a.Bytes(bus, n)
		require.Equal(t, []int{n, n}, []int{len(back), cap(back)})
		require.Same(t, &r.Bytes[at], &back[0])
	}
	require.NotZero(t, crossed)

	for _, bus := range []uint64{1 << 12, 5<<12 + 4095, 9 << 12, 1<<52 - 1, 1<<52 + 1<<12, ^uint64(0)} {
		require.Nil(t, a.Bytes(bus, 1), "nothing is at %#x", bus)
	}
	require.Nil(t, a.Bytes(0, 0))
	require.Nil(t, a.Bytes(0, -1))
	for _, foreign := range [][]byte{nil, make([]byte, 10), r.Bytes[:0], r.Bytes[len(r.Bytes):]} {
		_, ok := a.Bus(foreign)
		require.False(t, ok)
	}
}

func TestNewArenaRefuses(t *testing.T) {
	for _, bad := range []struct {
		change func(r *pktbuf.Region)
		want   string
	}{
		{func(r *pktbuf.Region) { r.PageSize = 3 << 14 }, "pktbuf: page size 49152 is not a power of two of at least 4096"},
		{func(r *pktbuf.Region) { r.PageSize = 1 << 11 }, "pktbuf: page size 2048 is not a power of two of at least 4096"},
		{func(r *pktbuf.Region) { r.PageSize = 1 << 15 }, "pktbuf: region of 131072 bytes with 2 bus addresses of pages of 32768 bytes"},
		{func(r *pktbuf.Region) { r.Bus[1] += 64 }, "pktbuf: page 1 of the region at bus address 0xff00000040, which is no multiple of its 65536 bytes"},
		{func(r *pktbuf.Region) { r.Bus[1] = r.Bus[0] }, "pktbuf: pages 0 and 1 of the region both at bus address 0x10000000000"},
	} {
		r := region(2, 1<<16)
		bad.change(&r)
		require.PanicsWithValue(t, bad.want, func() { pktbuf.NewArena(r) })
	}
}

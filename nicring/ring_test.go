package nicring_test

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
)

func arena() *pktbuf.Arena { return pktbuf.NewArena(region()) }

func region() pktbuf.Region {
	return pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{1 << 33}}
}

// TestDescriptorsAreInTheBlock writes each descriptor through one lap and reads it
// through the next, across the wrap of the counter.
func TestDescriptorsAreInTheBlock(t *testing.T) {
	r := region()
	a := pktbuf.NewArena(r)
	ring, err := nicring.NewRing[[2]uint64](a, 16)
	require.NoError(t, err)
	require.Equal(t, []int{16, 256}, []int{ring.Len(), ring.Size()})
	require.Equal(t, uint64(1<<33), ring.Bus())
	first := ^uint32(4)
	for i := range uint32(16) {
		ring.Desc(first + i)[1] = uint64(i)
	}
	for i := range uint32(16) {
		require.EqualValues(t, i, ring.Desc(first + i + 32)[1])
		at := ring.Index(first + i)
		require.Less(t, at, uint32(16))
		require.EqualValues(t, i, binary.NativeEndian.Uint64(r.Bytes[16*at+8:]), "where the card reads it")
	}
	ring.Free()
	require.Equal(t, 1<<16, a.Room())
}

func TestBufsInTwoParts(t *testing.T) {
	a := arena()
	ring, err := nicring.NewRing[uint64](a, 8)
	require.NoError(t, err)
	pool, err := pktbuf.NewPool(a, 8, 64)
	require.NoError(t, err)
	for i := range uint32(8) {
		b, _ := pool.Get()
		ring.SetBuf(i, b)
	}
	for first := range uint32(24) {
		for n := range 9 {
			front, back := ring.Bufs(first, n)
			all := append(append([]*pktbuf.Buf{}, front...), back...)
			require.Len(t, all, n)
			for i, b := range all {
				require.Same(t, ring.Buf(first+uint32(i)), b)
			}
		}
	}
}

func TestNewRingRefuses(t *testing.T) {
	a := arena()
	require.PanicsWithValue(t, "nicring: ring of 12 descriptors: not a power of two", func() { nicring.NewRing[uint64](a, 12) })
	require.PanicsWithValue(t, "nicring: ring of 0 descriptors: not a power of two", func() { nicring.NewRing[uint64](a, 0) })
	_, err := nicring.NewRing[uint64](a, 1<<14)
	require.EqualError(t, err, "nicring: ring of 16384 descriptors: pktbuf: allocate 131072 bytes: want 1 to 65536, a page of the region")
}

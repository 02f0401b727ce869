package pktbuf_test

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// TestArenaAgainstModel makes random calls and holds every block against the
// bytes it may cover: each byte of the region in one block at most.
func TestArenaAgainstModel(t *testing.T) {
	const pages, pageSize = 3, 1 << 16
	r := region(pages, pageSize)
	a := pktbuf.NewArena(r)
	owner := make([]byte, pages*pageSize) // 1 where a block is
	var held []pktbuf.Block
	room := len(owner)
	random := rand.New(rand.NewPCG(1, 2))
	failed := 0
	for op := range 20000 {
		if random.IntN(2) == 0 || len(held) == 0 {
			size := 1 + random.IntN(1<<random.IntN(17))
			b, err := a.Alloc(size)
			if err != nil {
				failed++
				continue
			}
			n := len(b.Bytes)
			require.GreaterOrEqual(t, n, size)
			require.Equal(t, 1, bits.OnesCount(uint(n)))
			at := offset(r, b)
			require.Zero(t, at%n, "op %d: block of %d at %#x is not aligned", op, n, at)
			require.Equal(t, at/pageSize, (at+n-1)/pageSize, "op %d: block crosses a page", op)
			require.Zero(t, bytes.Count(owner[at:at+n], []byte{1}), "op %d: a byte is in two blocks", op)
			require.Equal(t, n, bytes.Count(b.Bytes, []byte{0}), "op %d: a block is not zeroed", op)
			copy(owner[at:], bytes.Repeat([]byte{1}, n))
			copy(b.Bytes, owner[at:])
			room -= n
			held = append(held, b)
		} else {
			i := random.IntN(len(held))
			b := held[i]
			held[i] = held[len(held)-1]
			held = held[:len(held)-1]
			at := offset(r, b)
			clear(owner[at : at+len(b.Bytes)])
			room += len(b.Bytes)
			a.Free(b)
		}
		require.Equal(t, room, a.Room())
	}
	require.NotZero(t, failed, "the arena was never full")

	for _, b := range held {
		a.Free(b)
	}
	for range pages { // all halves have become whole again
		_, err := a.Alloc(pageSize)
		require.NoError(t, err)
	}
	require.Zero(t, a.Room())
}

// offset finds b in the region by its bus address.
func offset(r pktbuf.Region, b pktbuf.Block) int {
	for i, bus := range r.Bus {
		if b.Bus >= bus && b.Bus < bus+uint64(r.PageSize) {
			at := i*r.PageSize + int(b.Bus-bus)
			if &r.Bytes[at] == &b.Bytes[0] {
				return at
			}
		}
	}
	panic("a block whose bus address is not that of its bytes")
}

func TestArenaRefuses(t *testing.T) {
	a := pktbuf.NewArena(region(1, 1<<16))
	_, err := a.Alloc(1<<16 + 1)
	require.EqualError(t, err, "pktbuf: allocate 65537 bytes: want 1 to 65536, a page of the region")
	_, err = a.Alloc(0)
	require.EqualError(t, err, "pktbuf: allocate 0 bytes: want 1 to 65536, a page of the region")
	b, err := a.Alloc(4096)
	require.NoError(t, err)
	_, err = a.Alloc(1 << 16)
	require.EqualError(t, err, "pktbuf: allocate 65536 bytes: no free block of that length (61440 of 65536 bytes free)")
	a.Free(b)
	require.Panics(t, func() { a.Free(b) }, "free of a free block")
	whole, err := a.Alloc(1 << 16)
	require.NoError(t, err)
	require.Panics(t, func() { a.Free(b) }, "free of a part of a block")
	a.Free(whole)

	bad := region(1, 1<<16)
	bad.PageSize = 3 << 14
	require.PanicsWithValue(t, "pktbuf: page size 49152 is not a power of two of at least 4096", func() { pktbuf.NewArena(bad) })
	bad.PageSize = 1 << 15
	require.PanicsWithValue(t, "pktbuf: region of 65536 bytes with 1 bus addresses of pages of 32768 bytes", func() { pktbuf.NewArena(bad) })
}

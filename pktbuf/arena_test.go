package pktbuf_test

import (
	"bytes"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// TestArenaAgainstModel makes random calls; see model.
func TestArenaAgainstModel(t *testing.T) {
	m := newModel(t)
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		m.step(uint16(random.Uint32()), 1+random.IntN(1<<random.IntN(17)))
	}
	m.finish()
	require.NotZero(t, m.a.Stats().Failures, "the arena was never full")
}

// FuzzArena makes the calls that its input says, three bytes each.
func FuzzArena(f *testing.F) {
	f.Add([]byte{0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0})
	f.Add([]byte{0, 0xFF, 0xFF, 0, 0x10, 0, 0, 0x0F, 0xFF, 1, 1, 0, 0, 0x20, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, calls []byte) {
		m := newModel(t)
		for ; len(calls) >= 3; calls = calls[3:] {
			m.step(uint16(calls[0]), 1+int(calls[1])<<8+int(calls[2]))
		}
		m.finish()
	})
}

const modelPages, modelPage = 3, 1 << 16

// A model holds every block of an arena against the bytes it may cover: each
// byte of the region is in one block at most.
type model struct {
	t     testing.TB
	r     pktbuf.Region
	a     *pktbuf.Arena
	owner []byte // 1 where a block is
	held  []pktbuf.Block
	stats pktbuf.ArenaStats
}

func newModel(t testing.TB) *model {
	r := region(modelPages, modelPage)
	n := len(r.Bytes)
	return &model{
		t: t, r: r, a: pktbuf.NewArena(r), owner: make([]byte, n),
		stats: pktbuf.ArenaStats{Size: n, Free: n},
	}
}

// step frees a block if choice is odd, and else allocates size bytes.
func (m *model) step(choice uint16, size int) {
	if choice%2 == 0 || len(m.held) == 0 {
		m.alloc(size)
	} else {
		i := int(choice/2) % len(m.held)
		m.free(m.held[i])
		m.held[i] = m.held[len(m.held)-1]
		m.held = m.held[:len(m.held)-1]
	}
	got := m.a.Stats()
	require.Equal(m.t, m.stats.Free, m.a.Room())
	require.LessOrEqual(m.t, got.Largest, got.Free)
	got.Largest, got.Splits, got.Merges = 0, 0, 0
	require.Equal(m.t, m.stats, got)
}

func (m *model) alloc(size int) {
	largest := m.a.Stats().Largest
	b, err := m.a.Alloc(size)
	if err != nil {
		require.Less(m.t, largest, size, "refused although a block is long enough")
		m.stats.Failures++
		return
	}
	n := len(b.Bytes)
	require.GreaterOrEqual(m.t, n, size)
	require.True(m.t, n == 4096 || n/2 < size, "%d bytes for %d", n, size)
	require.Equal(m.t, 1, bits.OnesCount(uint(n)))
	at := offset(m.r, b)
	require.Zero(m.t, at%n, "block of %d at %#x is not aligned", n, at)
	require.Equal(m.t, at/modelPage, (at+n-1)/modelPage, "block crosses a page")
	require.Zero(m.t, bytes.Count(m.owner[at:at+n], []byte{1}), "a byte is in two blocks")
	require.Equal(m.t, n, bytes.Count(b.Bytes, []byte{0}), "a block is not zeroed")
	copy(m.owner[at:], bytes.Repeat([]byte{1}, n))
	copy(b.Bytes, m.owner[at:])
	m.stats.Free -= n
	m.stats.Allocs++
	m.held = append(m.held, b)
}

func (m *model) free(b pktbuf.Block) {
	at := offset(m.r, b)
	clear(m.owner[at : at+len(b.Bytes)])
	m.stats.Free += len(b.Bytes)
	m.stats.Frees++
	m.a.Free(b)
}

// finish frees all, and wants the pages whole again.
func (m *model) finish() {
	for _, b := range m.held {
		m.free(b)
	}
	s := m.a.Stats()
	require.Equal(m.t, s.Splits, s.Merges, "each half has found the other")
	for range modelPages {
		_, err := m.a.Alloc(modelPage)
		require.NoError(m.t, err)
	}
	require.Zero(m.t, m.a.Room())
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
}

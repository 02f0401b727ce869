package nictest

import (
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func TestMemoryIsAlignedAndScattered(t *testing.T) {
	m, other := NewMemory(7*pageSize), NewMemory(7*pageSize)
	r := m.Region()
	require.Len(t, r.Bytes, 7*pageSize)
	require.Equal(t, pageSize, r.PageSize)
	require.Len(t, r.Bus, 7)
	require.Zero(t, uintptr(unsafe.Pointer(&r.Bytes[0]))%pageSize)
	for i, a := range r.Bus {
		require.Zero(t, a%pageSize)
		require.Greater(t, a, uint64(1<<32))
		require.Less(t, a, uint64(1<<52))
		for j, b := range append(r.Bus[:i:i], other.Region().Bus...) {
			require.NotEqual(t, a>>32, b>>32, "high words of pages %d and %d", i, j)
			require.NotEqual(t, a+pageSize, b, "pages %d and %d follow each other", i, j)
			require.NotEqual(t, b+pageSize, a, "pages %d and %d follow each other", j, i)
		}
	}
}

func TestMemorySize(t *testing.T) {
	for _, size := range []int{0, -pageSize, pageSize - 1, pageSize + 4096} {
		require.Panics(t, func() { NewMemory(size) }, "%d bytes", size)
	}
}

// TestMemoryFind asks for every kind of address and compares with a look at each
// page.
func TestMemoryFind(t *testing.T) {
	m := NewMemory(5 * pageSize)
	slow := func(bus uint64, size int) (int, bool) {
		for i, b := range m.bus {
			if bus >= b && bus+uint64(size) <= b+pageSize {
				return i*pageSize + int(bus-b), true
			}
		}
		return 0, false
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	found := 0
	for range 200_000 {
		bus := m.bus[rnd.IntN(len(m.bus))] + rnd.Uint64N(3*pageSize) - pageSize
		switch rnd.IntN(6) {
		case 0:
			bus = uint64(uint32(bus)) // the high half lost
		case 1:
			bus &^= 1 << rnd.IntN(64)
		case 2:
			bus = rnd.Uint64()
		}
		size := rnd.IntN(20_000) + 1
		at, ok := m.find(bus, size)
		wantAt, want := slow(bus, size)
		require.Equal(t, want, ok, "%d bytes at %#x", size, bus)
		if ok {
			require.Equal(t, wantAt, at)
			found++
		}
	}
	require.Greater(t, found, 10_000)
}

// TestMemoryClaims claims and releases ranges at random next to a table of
// bytes.
func TestMemoryClaims(t *testing.T) {
	const span = 4096
	m := NewMemory(pageSize)
	var model [span]bool
	type claimed struct{ at, size int }
	var all []claimed
	rnd := rand.New(rand.NewPCG(3, 4))
	refused := 0
	for range 20_000 {
		if len(all) > 0 && rnd.IntN(2) == 0 {
			i := rnd.IntN(len(all))
			c := all[i]
			all[i] = all[len(all)-1]
			all = all[:len(all)-1]
			m.release(c.at, c.size)
			clear(model[c.at:][:c.size])
			continue
		}
		c := claimed{at: rnd.IntN(span)}
		c.size = rnd.IntN(min(300, span-c.at)) + 1
		want := true
		for _, taken := range model[c.at:][:c.size] {
			want = want && !taken
		}
		require.Equal(t, want, m.claim(c.at, c.size), "%+v", c)
		if !want {
			refused++
			continue
		}
		all = append(all, c)
		for i := range c.size {
			model[c.at+i] = true
		}
	}
	require.Greater(t, refused, 1000)
}

// TestFIFO pushes and takes frames at random, at every place in the buffer.
func TestFIFO(t *testing.T) {
	const kib = 2
	var f fifo
	f.reset(kib)
	rnd := rand.New(rand.NewPCG(5, 6))
	var model [][]byte
	used, refused := 0, 0
	for n := range 50_000 {
		if rnd.IntN(2) == 0 {
			frame := make([]byte, 60+rnd.IntN(600))
			for i := range frame {
				frame[i] = byte(n + i)
			}
			want := used+len(frame)+4 <= kib<<10
			require.Equal(t, want, f.push(frame, finding{queue: uint8(n), status: 0}, false))
			if want {
				model = append(model, frame)
				used += len(frame) + 4
			} else {
				refused++
			}
			continue
		}
		require.Equal(t, len(model) == 0, f.empty())
		if len(model) == 0 {
			continue
		}
		_, got := f.front()
		require.Equal(t, model[0], got)
		half := len(got) / 2
		f.advance(half)
		_, got = f.front()
		require.Equal(t, model[0][half:], got)
		got = model[0]
		f.advance(len(got) - half)
		used -= len(got) + 4
		model = model[1:]
	}
	require.Greater(t, refused, 1000)
}

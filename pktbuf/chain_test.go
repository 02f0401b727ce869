package pktbuf_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// get returns a buffer that holds data.
func get(t testing.TB, from interface{ Get() (*pktbuf.Buf, bool) }, data string) *pktbuf.Buf {
	t.Helper()
	b, ok := from.Get()
	require.True(t, ok)
	copy(b.Append(len(data)), data)
	return b
}

// text returns the whole data of a packet.
func text(b *pktbuf.Buf) string {
	p := make([]byte, b.PacketLen())
	return string(p[:b.CopyTo(p, 0)])
}

func TestChain(t *testing.T) {
	p := newPool(t, 100, 64)
	head := get(t, p, "to be, ")
	require.True(t, head.Link(get(t, p, "or ")))
	tail := get(t, p, "not ")
	require.True(t, tail.Link(get(t, p, "to be")))
	require.True(t, head.Link(tail), "a chain behind a chain")

	require.Equal(t, "to be, or not to be", text(head))
	require.Equal(t, 4, head.NumSegments())
	require.Equal(t, []int{7, 19}, []int{head.Len(), head.PacketLen()})
	require.Equal(t, "not to be", text(tail), "a chain seen from its middle")

	p4 := make([]byte, 4)
	for offset, want := range map[int]string{0: "to b", 6: " or ", 7: "or n", 15: "o be", 17: "be", 19: "", 20: "", -1: ""} {
		require.Equal(t, want, string(p4[:head.CopyTo(p4, offset)]), "from byte %d", offset)
	}
	require.Equal(t, "be,", string(head.Slice(3, 3)))
	require.Equal(t, 3, cap(head.Slice(3, 3)), "an append by mistake must not reach what is behind")
	require.NotNil(t, head.Slice(7, 0))
	for _, bad := range [][2]int{{3, 5}, {8, 0}, {-1, 2}, {2, -1}, {1, math.MaxInt}} {
		require.Nil(t, head.Slice(bad[0], bad[1]), "%v", bad)
	}

	var seen []string
	for s := range head.Segments() {
		if seen = append(seen, string(s.Bytes())); len(seen) == 2 {
			break
		}
	}
	require.Equal(t, []string{"to be, ", "or "}, seen)

	middle := head.Next()
	require.Same(t, tail, middle.Unlink())
	require.Nil(t, middle.Unlink())
	require.Nil(t, middle.Next())
	require.Equal(t, "to be, or ", text(head))
	require.Equal(t, "not to be", text(tail))

	p.PutN([]*pktbuf.Buf{head, tail})
	require.NoError(t, p.Close(), "every buffer of both chains is back")
}

func TestChainOfTwoPools(t *testing.T) {
	a := pktbuf.NewArena(region(4, 1<<16))
	small, err := pktbuf.NewPool(a, 10, 64)
	require.NoError(t, err)
	large, err := pktbuf.NewPool(a, 10, 2048)
	require.NoError(t, err)
	c := small.NewCache()
	b := get(t, c, "header ")
	require.True(t, b.Link(get(t, large, "payload ")))
	require.True(t, b.Link(get(t, c, "trailer")))
	require.Equal(t, "header payload trailer", text(b))
	c.PutN([]*pktbuf.Buf{b})
	require.Equal(t, 10, large.Len(), "each goes to its own")
	c.Flush()
	require.Equal(t, 10, small.Len())

	elsewhere := get(t, newPool(t, 1, 64), "far away")
	b = get(t, small, "here")
	require.False(t, b.Link(elsewhere), "no card reaches both")
	require.Equal(t, 1, b.NumSegments())
}

// A buffer comes out of a pool with nothing left of its last use, whichever way
// it went back.
func TestBufsComeFresh(t *testing.T) {
	p := newPool(t, 1, 64)
	c := p.NewCache()
	puts := map[string]func([]*pktbuf.Buf){"cache": c.PutN, "pool": p.PutN}
	for name, put := range puts {
		b, _ := c.Get()
		b.SetHash(1)
		b.SetVLAN(0xFFFF)
		b.SetChecksums(pktbuf.Bad, pktbuf.Good)
		b.SetTime(2)
		b.SetOffload(pktbuf.Offload{SegmentSize: 1460})
		b.Append(10)
		b.TrimFront(5)
		put([]*pktbuf.Buf{b})
		again, _ := c.Get()
		require.Same(t, b, again)
		requireFresh(t, b, name)
		b.SetHash(1)
		b.Append(10)
		b.Prepend(3)
		b.Reset()
		requireFresh(t, b, "Reset")
		p.PutN([]*pktbuf.Buf{b})
	}
}

func requireFresh(t testing.TB, b *pktbuf.Buf, how string) {
	t.Helper()
	_, hash := b.Hash()
	_, vlan := b.VLAN()
	_, at := b.Time()
	network, transport := b.Checksums()
	require.False(t, hash || vlan || at, how)
	require.Equal(t, []pktbuf.Checksum{0, 0}, []pktbuf.Checksum{network, transport}, how)
	require.Zero(t, b.Offload(), how)
	require.Equal(t, []int{pktbuf.Headroom, 0, 1}, []int{b.Headroom(), b.Len(), b.NumSegments()}, how)
	require.False(t, b.Shared(), how)
}

func TestMetadata(t *testing.T) {
	b, _ := newPool(t, 1, 64).Get()
	o := pktbuf.Offload{L2Len: 18, L3Len: 320, L4Len: 60, SegmentSize: 8948, Checksum: pktbuf.TCP, IPv4Checksum: true}
	for range 2 { // each is set for itself, and set again
		for vlan := range uint16(3) {
			b.SetVLAN(^vlan)
			b.SetChecksums(pktbuf.Good, pktbuf.Bad)
			b.SetHash(0xDEADBEEF)
			b.SetTime(1 << 63)
			b.SetOffload(o)
			tci, ok := b.VLAN()
			require.True(t, ok)
			require.Equal(t, ^vlan, tci)
			network, transport := b.Checksums()
			require.Equal(t, "Good Bad", network.String()+" "+transport.String())
			hash, ok := b.Hash()
			require.True(t, ok)
			require.Equal(t, uint32(0xDEADBEEF), hash)
			ns, ok := b.Time()
			require.True(t, ok)
			require.Equal(t, uint64(1<<63), ns)
			require.Equal(t, o, b.Offload())
			require.Equal(t, 1, b.NumSegments())
		}
		b.SetChecksums(pktbuf.Unchecked, pktbuf.Good)
		network, transport := b.Checksums()
		require.Equal(t, "Unchecked Good", network.String()+" "+transport.String())
		b.ClearVLAN()
		_, ok := b.VLAN()
		require.False(t, ok)
		require.Equal(t, o, b.Offload())
	}
	b.SetOffload(pktbuf.Offload{})
	require.Zero(t, b.Offload())
}

func TestClone(t *testing.T) {
	p := newPool(t, 10, 64)
	c := p.NewCache()
	b := get(t, c, "shared")
	room := b.Tailroom()
	b.Link(get(t, c, " by two"))
	b.SetHash(7)
	b.SetVLAN(8)
	twin, ok := c.Clone(b)
	require.True(t, ok)
	require.Equal(t, "shared by two", text(twin))
	require.Equal(t, b.Bus(), twin.Bus())
	require.Same(t, &b.Bytes()[0], &twin.Bytes()[0])
	hash, _ := twin.Hash()
	vlan, _ := twin.VLAN()
	require.Equal(t, []uint32{7, 8}, []uint32{hash, uint32(vlan)})

	require.True(t, b.Shared() && twin.Shared())
	require.Nil(t, b.Append(1), "what is shared is not written to")
	require.Nil(t, b.Prepend(1))
	require.Nil(t, twin.Append(1))
	require.Nil(t, twin.Prepend(1))
	require.True(t, twin.TrimFront(3))
	twin.ClearVLAN()
	require.Equal(t, "red by two", text(twin))
	require.Equal(t, "shared by two", text(b), "all but the bytes is each one's own")
	_, ok = b.VLAN()
	require.True(t, ok)

	c.PutN([]*pktbuf.Buf{b})
	require.False(t, twin.Shared())
	require.Equal(t, "red by two", text(twin))
	copy(twin.Prepend(3), "SHA")
	require.Equal(t, "SHAred by two", text(twin), "the last one may write")
	require.Equal(t, room, twin.Tailroom(), "it has all of its origin's room")
	c.PutN([]*pktbuf.Buf{twin})
	c.Flush()
	require.Equal(t, 10, p.Len())

	all := make([]*pktbuf.Buf, 10) // each has its own memory again
	require.Equal(t, 10, p.GetN(all))
	seen := map[uint64]bool{}
	for _, b := range all {
		requireFresh(t, b, "after a clone")
		require.False(t, seen[b.Bus()], "two buffers with one memory")
		seen[b.Bus()] = true
		b.Append(64)
	}
	p.PutN(all)
	require.NoError(t, p.Close())
}

func TestCloneFindsNoBuffer(t *testing.T) {
	p := newPool(t, 5, 64)
	c := p.NewCache()
	b := get(t, c, "one")
	b.Link(get(t, c, "two"))
	b.Link(get(t, c, "three"))
	_, ok := c.Clone(b)
	require.False(t, ok, "two are not enough for three")
	for s := range b.Segments() {
		require.False(t, s.Shared())
	}
	_, ok = newPool(t, 5, 64).NewCache().Clone(b)
	require.False(t, ok, "of another arena")
	c.PutN([]*pktbuf.Buf{b})
	c.Flush()
	require.NoError(t, p.Close())
}

// TestPacketsAgainstModel makes, clones, links, cuts and gives back packets at
// random, of three pools through caches of two, and holds each against what it
// is to say. In the end every buffer is back, in whatever order clones went.
func TestPacketsAgainstModel(t *testing.T) {
	a := pktbuf.NewArena(region(30, 1<<16))
	var pools []*pktbuf.Pool
	for _, size := range []int{1, 100, 1000} {
		p, err := pktbuf.NewPool(a, 200, size)
		require.NoError(t, err)
		pools = append(pools, p)
	}
	caches := []*pktbuf.Cache{pools[0].NewCache(), pools[1].NewCache()}
	type packet struct {
		b    *pktbuf.Buf
		want []byte
	}
	var held []packet
	random := rand.New(rand.NewPCG(6, 7))
	pick := func() (p packet) {
		i := random.IntN(len(held))
		p = held[i]
		held = slices.Delete(held, i, i+1)
		return p
	}
	dry := 0
	for op := range 30000 {
		c := caches[random.IntN(2)]
		switch kind := random.IntN(8); {
		case kind < 3 || len(held) < 2:
			pool := pools[random.IntN(3)]
			b, ok := pool.Get()
			if !ok {
				dry++
				for range len(held) / 2 {
					c.PutN([]*pktbuf.Buf{pick().b})
				}
				caches[0].Flush()
				caches[1].Flush()
				continue
			}
			requireFresh(t, b, "Get")
			want := bytes.Repeat([]byte{byte(op)}, 1+random.IntN(b.Tailroom()))
			copy(b.Append(len(want)), want)
			held = append(held, packet{b, want})
		case kind < 5:
			from := held[random.IntN(len(held))]
			if twin, ok := c.Clone(from.b); ok {
				held = append(held, packet{twin, from.want})
			}
		case kind < 6:
			x, y := pick(), pick()
			require.True(t, x.b.Link(y.b))
			held = append(held, packet{x.b, slices.Concat(x.want, y.want)})
		case kind < 7:
			x := pick()
			n := x.b.Len()
			if rest := x.b.Unlink(); rest != nil {
				held = append(held, packet{rest, x.want[n:]})
			}
			held = append(held, packet{x.b, x.want[:n]})
		default:
			x := pick()
			require.Equal(t, string(x.want), text(x.b), "op %d", op)
			c.PutN([]*pktbuf.Buf{x.b})
		}
	}
	require.NotZero(t, dry, "no pool was ever empty")
	random.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	for _, x := range held {
		require.Equal(t, string(x.want), text(x.b))
		caches[0].PutN([]*pktbuf.Buf{x.b})
	}
	caches[0].Flush()
	caches[1].Flush()
	for _, p := range pools {
		require.NoError(t, p.Close())
	}
	require.Equal(t, a.Stats().Size, a.Room())
}

// TestClonesUnderStress has workers share packets: each clones what it gets,
// passes clones on, reads what was written once, and gives all back in whatever
// order. Memory that went back too early would be written to by its next owner.
func TestClonesUnderStress(t *testing.T) {
	const workers, count = 6, 400
	rounds := 4000
	if testing.Short() {
		rounds = 400
	}
	p := newPool(t, count, 64)
	pass := make(chan *pktbuf.Buf, 32)
	var last atomic.Int64 // how often memory was one owner's alone, and was written to
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			c := p.NewCache()
			defer c.Flush()
			random := rand.New(rand.NewPCG(uint64(w), 10))
			for range rounds {
				var mine []*pktbuf.Buf
				if b, ok := p.Get(); ok {
					binary.LittleEndian.PutUint64(b.Append(8), random.Uint64()|1)
					binary.LittleEndian.PutUint64(b.Append(8), ^binary.LittleEndian.Uint64(b.Bytes()))
					mine = append(mine, b)
				}
				for range 3 {
					select {
					case b := <-pass:
						mine = append(mine, b)
					default:
					}
				}
				for _, b := range mine {
					if random.IntN(3) == 0 {
						continue
					}
					if twin, ok := c.Clone(b); ok {
						select {
						case pass <- twin:
						default:
							mine = append(mine, twin)
						}
					}
				}
				random.Shuffle(len(mine), func(i, j int) { mine[i], mine[j] = mine[j], mine[i] })
				for _, b := range mine {
					v := binary.LittleEndian.Uint64(b.Bytes())
					if v != ^binary.LittleEndian.Uint64(b.Bytes()[8:]) {
						t.Errorf("a shared buffer was written to by another owner")
					}
					if !b.Shared() {
						if head := b.Prepend(1); head != nil {
							head[0] = byte(w)
							last.Add(1)
						}
					}
				}
				if random.IntN(2) == 0 {
					c.PutN(mine)
				} else {
					p.PutN(mine)
				}
				if random.IntN(8) == 0 {
					c.Flush()
				}
			}
		})
	}
	wg.Wait()
	close(pass)
	for b := range pass {
		p.PutN([]*pktbuf.Buf{b})
	}
	require.NotZero(t, last.Load())
	require.NoError(t, p.Close(), "every buffer is back")
}

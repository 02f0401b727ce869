package pktbuf_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/pktbuf"
)

func newPool(t testing.TB, count, size int) *pktbuf.Pool {
	t.Helper()
	p, err := pktbuf.NewPool(pktbuf.NewArena(region(8+2*count*(size+256)>>16, 1<<16)), count, size)
	require.NoError(t, err)
	return p
}

// TestBuffersAreDisjoint fills every buffer to its last byte and then looks
// whether any of them was written by another.
func TestBuffersAreDisjoint(t *testing.T) {
	for _, count := range []int{1, 15, 16, 63, 64, 65, 300} {
		for _, size := range []int{1, 128, 1500, 2048, 9234} {
			p := newPool(t, count, size)
			bufs := make([]*pktbuf.Buf, count+1)
			require.Equal(t, count, p.GetN(bufs))
			for i, b := range bufs[:count] {
				require.GreaterOrEqual(t, b.Tailroom(), size)
				b.Prepend(b.Headroom())
				b.Append(b.Tailroom())
				copy(b.Bytes(), bytes.Repeat([]byte{byte(i)}, b.Len()))
				require.Zero(t, b.Bus()%cpu.LineSize)
				require.Less(t, b.Bus()%(1<<16)+uint64(b.Len()), uint64(1<<16)+1, "a buffer crosses a page")
			}
			for i, b := range bufs[:count] {
				require.Equal(t, b.Len(), bytes.Count(b.Bytes(), []byte{byte(i)}))
			}
			require.Error(t, p.Close())
			p.PutN(bufs[:count])
			require.NoError(t, p.Close())
		}
	}
}

func TestBufMovesItsEnds(t *testing.T) {
	b, ok := newPool(t, 1, 2048).Get()
	require.True(t, ok)
	require.Equal(t, []int{pktbuf.Headroom, 0, 2048}, []int{b.Headroom(), b.Len(), b.Tailroom()})
	start := b.Bus()
	copy(b.Append(6), "packet")
	copy(b.Prepend(4), "head")
	require.Equal(t, "headpacket", string(b.Bytes()))
	require.Equal(t, start-4, b.Bus())
	require.True(t, b.TrimFront(2))
	require.True(t, b.TrimBack(3))
	require.Equal(t, "adpac", string(b.Bytes()))
	require.Equal(t, start-2, b.Bus())

	require.Nil(t, b.Append(b.Tailroom()+1))
	require.Nil(t, b.Prepend(b.Headroom()+1))
	require.Nil(t, b.Append(-1))
	require.Nil(t, b.Prepend(-1))
	require.False(t, b.TrimFront(6))
	require.False(t, b.TrimBack(6))
	require.False(t, b.TrimFront(-1))
	require.False(t, b.TrimBack(-1))
	require.Equal(t, "adpac", string(b.Bytes()))
	require.Equal(t, 5, cap(b.Bytes()), "an append by mistake must not reach what is behind")
	b.Reset()
	require.Equal(t, []int{pktbuf.Headroom, 0, 2048}, []int{b.Headroom(), b.Len(), b.Tailroom()})
}

func TestPoolRefuses(t *testing.T) {
	a := pktbuf.NewArena(region(2, 1<<16))
	_, err := pktbuf.NewPool(a, 1000, 2048)
	each := 1 << 16 / (2176 + 2*pktbuf.Guard)
	require.EqualError(t, err, fmt.Sprintf("pktbuf: pool of 1000 buffers of 2048 bytes: after %d of them: "+
		"pktbuf: allocate 65536 bytes: no free block of that length (0 of 131072 bytes free)", 2*each))
	require.Equal(t, 2<<16, a.Room(), "what it had is given back")
	_, err = pktbuf.NewPool(a, 1, 1<<16)
	require.EqualError(t, err, fmt.Sprintf("pktbuf: pool of buffers of 65536 bytes: want at most %d, a page of the region less 128 of headroom", 65408-2*pktbuf.Guard))
	require.PanicsWithValue(t, "pktbuf: pool of 0 buffers of 2048 bytes", func() { pktbuf.NewPool(a, 0, 2048) })

	p, err := pktbuf.NewPool(a, 2, 2048)
	require.NoError(t, err)
	b, _ := p.Get()
	require.ErrorContains(t, p.Close(), "pktbuf: close pool of 2 buffers: 1 are still out (flush each cache, close each port first)")
	p.PutN([]*pktbuf.Buf{b})
	require.NoError(t, p.Close())
	require.Equal(t, 2<<16, a.Room())
}

// TestCacheAgainstModel makes random calls on a cache and its pool. A buffer
// handed out while it is held, or lost, is found at once.
func TestCacheAgainstModel(t *testing.T) {
	p, other := newPool(t, 2000, 64), newPool(t, 50, 64)
	c := p.NewCache()
	held := map[*pktbuf.Buf]bool{}
	random := rand.New(rand.NewPCG(3, 4))
	bufs := make([]*pktbuf.Buf, 700)
	for op := range 20000 {
		n := random.IntN(1 << random.IntN(10))
		n = min(n, len(bufs))
		switch call := random.IntN(6); call {
		case 0, 1:
			got := c.GetN(bufs[:n])
			if got < n {
				require.Len(t, held, p.Cap()-got-strayed(held, other), "op %d: fewer than asked for while some are free", op)
			}
			take(t, held, bufs[:got])
		case 2:
			take(t, held, bufs[:other.GetN(bufs[:n])])
		default:
			some := bufs[:0]
			for b := range held {
				if len(some) == n {
					break
				}
				some = append(some, b)
				delete(held, b)
			}
			if call == 3 {
				for _, b := range some {
					b.Pool().PutN([]*pktbuf.Buf{b})
				}
			} else {
				c.PutN(some)
			}
		}
	}
	for b := range held {
		c.PutN([]*pktbuf.Buf{b})
	}
	c.Flush()
	require.Equal(t, p.Cap(), p.Len())
	require.Equal(t, other.Cap(), other.Len(), "buffers of another pool go to theirs")
}

func take(t *testing.T, held map[*pktbuf.Buf]bool, bufs []*pktbuf.Buf) {
	for _, b := range bufs {
		require.False(t, held[b], "a buffer handed out twice")
		require.Zero(t, b.Len())
		b.Append(1)
		held[b] = true
	}
}

func strayed(held map[*pktbuf.Buf]bool, other *pktbuf.Pool) (n int) {
	for b := range held {
		if b.Pool() == other {
			n--
		}
	}
	return n
}

// TestCacheFlushesTheColdHalf fills a cache and gives it one more: what was given
// back last stays, and comes out first.
func TestCacheFlushesTheColdHalf(t *testing.T) {
	p := newPool(t, 2048, 64)
	c := p.NewCache()
	bufs := make([]*pktbuf.Buf, 513)
	require.Equal(t, 513, p.GetN(bufs))
	c.PutN(bufs[:256])
	c.PutN(bufs[256:512])
	require.Equal(t, 2048-513, p.Len(), "as many as it holds")
	c.PutN(bufs[512:])
	require.Equal(t, 2048-513+256, p.Len(), "one half went home")
	again := make([]*pktbuf.Buf, 257)
	require.Equal(t, 257, c.GetN(again))
	require.Equal(t, bufs[256:], again, "the half that was given back last stayed")
	require.Equal(t, 2048-513+256, p.Len(), "and no other had to be fetched")
	c.PutN(again[:200])
	warm, _ := c.Get()
	require.Same(t, again[199], warm, "the one given back last comes first")
}

// TestCacheLetsManyPass gives and takes more at once than a cache is to keep.
func TestCacheLetsManyPass(t *testing.T) {
	p := newPool(t, 4096, 64)
	c := p.NewCache()
	bufs := make([]*pktbuf.Buf, 2000)
	require.Equal(t, 2000, c.GetN(bufs))
	require.Equal(t, 2096, p.Len(), "none more was fetched than asked for")
	c.PutN(bufs)
	held := 4096 - p.Len()
	require.GreaterOrEqual(t, held, 256, "half a cache stays")
	warm := make([]*pktbuf.Buf, held)
	require.Equal(t, held, c.GetN(warm))
	require.Equal(t, bufs[2000-held:], warm, "the last ones given back")
	require.Equal(t, 1, c.GetN(bufs[:1]))
	require.Equal(t, 4096-held-256, p.Len(), "half a cache is fetched at a time")
	c.PutN(bufs[:1])
	c.PutN(warm)
	c.Flush()
	require.NoError(t, p.Close())
}

// TestBurstsOfEveryKind gives back bursts in which one packet, wherever it stands,
// is not like the others, and wants every buffer back and fresh.
func TestBurstsOfEveryKind(t *testing.T) {
	const burst = 19 // two blocks of eight, and some
	a := pktbuf.NewArena(region(4, 1<<16))
	p, err := pktbuf.NewPool(a, 3*burst, 64)
	require.NoError(t, err)
	other, err := pktbuf.NewPool(a, burst, 64)
	require.NoError(t, err)
	c := p.NewCache()
	kinds := map[string]func(b *pktbuf.Buf) *pktbuf.Buf{
		"plain":  func(b *pktbuf.Buf) *pktbuf.Buf { return b },
		"marked": func(b *pktbuf.Buf) *pktbuf.Buf { b.SetVLAN(1); b.SetHash(2); return b },
		"chain":  func(b *pktbuf.Buf) *pktbuf.Buf { b.Link(get(t, c, "tail")); return b },
		"chain of two pools": func(b *pktbuf.Buf) *pktbuf.Buf {
			b.Link(get(t, other, "tail"))
			return b
		},
		"clone": func(b *pktbuf.Buf) *pktbuf.Buf {
			twin, _ := c.Clone(b)
			p.PutN([]*pktbuf.Buf{b})
			return twin
		},
		"cloned": func(b *pktbuf.Buf) *pktbuf.Buf {
			twin, _ := c.Clone(b)
			p.PutN([]*pktbuf.Buf{twin})
			return b
		},
		"foreign": func(b *pktbuf.Buf) *pktbuf.Buf {
			p.PutN([]*pktbuf.Buf{b})
			return get(t, other, "foreign")
		},
	}
	all := make([]*pktbuf.Buf, 3*burst)
	for kind, odd := range kinds {
		for i := range burst {
			require.Equal(t, burst, c.GetN(all[:burst]))
			for _, b := range all[:burst] {
				b.Append(1 + i)
				b.TrimFront(1)
			}
			all[i] = odd(all[i])
			c.PutN(all[:burst])
			c.Flush()
			require.Equal(t, []int{p.Cap(), other.Cap()}, []int{p.Len(), other.Len()}, "%s at %d", kind, i)
			require.Equal(t, p.Cap(), p.GetN(all))
			for _, b := range all {
				requireFresh(t, b, kind)
				require.Same(t, p, b.Pool())
			}
			p.PutN(all)
		}
	}
}

// TestLastBackIsFirstOut passes buffers through a large pool: only as many are
// touched as are under way.
func TestLastBackIsFirstOut(t *testing.T) {
	p := newPool(t, 10000, 64)
	all := make([]*pktbuf.Buf, 10000)
	require.Equal(t, 10000, p.GetN(all))
	p.PutN(all)
	last, _ := p.Get()
	require.Same(t, all[9999], last)
	p.PutN([]*pktbuf.Buf{last})

	from, to := p.NewCache(), p.NewCache()
	seen := map[*pktbuf.Buf]bool{}
	bufs := make([]*pktbuf.Buf, 32)
	for range 2000 {
		require.Equal(t, 32, from.GetN(bufs))
		for _, b := range bufs {
			seen[b] = true
		}
		to.PutN(bufs)
	}
	require.LessOrEqual(t, len(seen), 1024, "two caches full")
}

// TestPoolUnderStress has workers take buffers, mark them as their own, pass some
// to one another and give them back. A buffer in two hands is caught by its mark.
func TestPoolUnderStress(t *testing.T) {
	const workers, count = 8, 700 // fewer buffers than the caches could hold: the pool runs dry
	rounds := 3000
	if testing.Short() {
		rounds = 300
	}
	p := newPool(t, count, 64)
	owner := make([]atomic.Int32, count)
	pass := make(chan *pktbuf.Buf, 64)
	var dry atomic.Int64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			c := p.NewCache()
			defer c.Flush()
			random := rand.New(rand.NewPCG(uint64(w), 5))
			bufs := make([]*pktbuf.Buf, 64)
			for range rounds {
				n := c.GetN(bufs[:1+random.IntN(64)])
				if n == 0 {
					dry.Add(1)
					c.Flush()
				}
				for _, b := range bufs[:n] {
					if !owner[pktbuf.Index(b)].CompareAndSwap(0, int32(w+1)) {
						t.Errorf("buffer %d handed out while worker %d has it", pktbuf.Index(b), owner[pktbuf.Index(b)].Load()-1)
					}
					b.Append(8)[0] = byte(w)
				}
				if random.IntN(4) == 0 {
					runtime.Gosched() // with buffers in hand
				}
				for _, b := range bufs[:n] {
					if b.Bytes()[0] != byte(w) {
						t.Errorf("buffer %d of worker %d was written by worker %d", pktbuf.Index(b), w, b.Bytes()[0])
					}
					owner[pktbuf.Index(b)].Store(0)
				}
				back := bufs[:n]
				if n > 0 {
					select {
					case pass <- bufs[0]:
						back = bufs[1:n]
					case b := <-pass:
						back = slices.Concat(bufs[:n], []*pktbuf.Buf{b})
					}
				}
				c.PutN(back)
			}
		})
	}
	wg.Wait()
	close(pass)
	for b := range pass {
		p.PutN([]*pktbuf.Buf{b})
	}
	require.Equal(t, count, p.Len())
	require.NoError(t, p.Close())
	require.NotZero(t, dry.Load(), "the pool never ran dry")
}

package stress

import (
	"encoding/binary"

	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/pktbuf"
)

var bufferTrials = []Trial{
	{"pktbuf.Arena", "no two blocks share a byte, and all of them make the region whole again", arena},
	{"pktbuf.Pool", "a buffer has one owner, or only readers; caches, chains and clones lose none", pool},
}

// region makes memory of so many pages, with bus addresses that are not in order.
func region(pages int) pktbuf.Region {
	const page = 1 << 16
	reg := pktbuf.Region{Bytes: make([]byte, pages*page), PageSize: page}
	for i := range pages {
		reg.Bus = append(reg.Bus, uint64(3*(pages-i))*page)
	}
	return reg
}

func arena(r *round) {
	a := pktbuf.NewArena(region(1 + r.rand.IntN(8)))
	before := a.Stats()
	for i := range r.some() {
		r.run("allocate", func(p *part) {
			type owned struct {
				pktbuf.Block
				mark byte
			}
			var blocks []owned
			free := func(n int) {
				b := blocks[n]
				for _, at := range []int{0, len(b.Bytes) / 2, len(b.Bytes) - 1} {
					p.want(b.Bytes[at] == b.mark, "byte %d of my block is %d, want %d", at, b.Bytes[at], b.mark)
				}
				bus, ok := a.Bus(b.Bytes)
				p.want(ok && bus == b.Block.Bus, "the block is at bus address %#x, says the arena, and %#x, says the block", bus, b.Block.Bus)
				a.Free(b.Block)
				blocks[n] = blocks[len(blocks)-1]
				blocks = blocks[:len(blocks)-1]
				p.did(1)
			}
			for p.on() {
				b, err := a.Alloc(1 + p.rand.IntN(1<<(4+p.rand.IntN(13))))
				if err == nil {
					mark := byte(i + len(blocks) + 1)
					for _, at := range []int{0, len(b.Bytes) / 2, len(b.Bytes) - 1} {
						p.want(b.Bytes[at] == 0, "a fresh block has %d as its byte %d", b.Bytes[at], at)
						b.Bytes[at] = mark
					}
					blocks = append(blocks, owned{b, mark})
					p.did(1)
				}
				p.pause()
				for len(blocks) > 0 && (err != nil || p.one(2)) {
					free(p.rand.IntN(len(blocks)))
					err = nil
				}
			}
			for len(blocks) > 0 {
				free(0)
			}
		})
	}
	r.join()
	after := a.Stats()
	r.want(after.Free == after.Size && after.Largest == before.Largest && after.Allocs == after.Frees,
		"in the end %d of %d bytes are free, the largest block has %d of %d, and %d of %d blocks were freed",
		after.Free, after.Size, after.Largest, before.Largest, after.Frees, after.Allocs)
}

// A stamp is what the owner of a buffer writes into it: who it is, and how often it
// did so.
const stampSize = 64

func stamp(b *pktbuf.Buf, n uint64) {
	bytes := b.Bytes()
	for i := 0; i+8 <= len(bytes); i += 8 {
		binary.NativeEndian.PutUint64(bytes[i:], n)
	}
}

// stampOf returns the stamp of a segment, and whether it is whole.
func stampOf(b *pktbuf.Buf) (n uint64, whole bool) {
	bytes := b.Bytes()
	n = binary.NativeEndian.Uint64(bytes)
	for i := 0; i+8 <= len(bytes); i += 8 {
		if binary.NativeEndian.Uint64(bytes[i:]) != n {
			return n, false
		}
	}
	return n, true
}

// A keeper is a goroutine with buffers.
type keeper struct {
	*part
	pool  *pktbuf.Pool
	cache *pktbuf.Cache
	post  *mpmc.Ring[*pktbuf.Buf] // to other keepers
	kept  []*pktbuf.Buf           // heads of chains, each segment with one stamp
	next  uint64                  // stamp
}

func pool(r *round) {
	const room = 256
	a := pktbuf.NewArena(region(32))
	before := a.Room()
	two := make([]*pktbuf.Pool, 2)
	for i := range two {
		var err error
		if two[i], err = pktbuf.NewPool(a, 1+r.rand.IntN(1500), room); err != nil {
			r.violated("%v", err)
			return
		}
	}
	post := mpmc.New[*pktbuf.Buf](64)
	for i := range r.some() {
		r.run("keep", func(p *part) {
			k := &keeper{part: p, pool: two[i%2], cache: two[i%2].NewCache(), post: post, next: uint64(i) << 40}
			for p.on() {
				k.step()
				p.pause()
			}
			k.put(len(k.kept))
			k.cache.Flush()
		})
	}
	r.join()
	for b := range post.All() {
		b.Pool().PutN([]*pktbuf.Buf{b})
	}
	for _, pool := range two {
		err := pool.Close()
		r.want(err == nil, "%v", err)
	}
	r.want(a.Room() == before, "%d bytes are free in the end, want %d", a.Room(), before)
}

// step does one of the things that can be done with buffers.
func (k *keeper) step() {
	switch n := k.rand.IntN(16); {
	case n < 5:
		k.get(1 + k.rand.IntN(40))
	case n < 8:
		k.put(k.rand.IntN(len(k.kept) + 1))
	case len(k.kept) == 0 || len(k.kept) > 400:
		k.put(len(k.kept))
	case n < 11:
		k.clone()
	case n < 12:
		k.link()
	case n < 13:
		k.unlink()
	case n < 14:
		k.exchange()
	case n < 15:
		k.twin()
	default:
		k.cache.Flush()
	}
}

func (k *keeper) get(n int) {
	bufs := make([]*pktbuf.Buf, n)
	if k.one(4) {
		bufs = bufs[:k.pool.GetN(bufs)]
	} else {
		bufs = bufs[:k.cache.GetN(bufs)]
	}
	for _, b := range bufs {
		k.want(b.Len() == 0 && b.Headroom() == pktbuf.Headroom && b.Next() == nil && !b.Shared(),
			"a fresh buffer has %d bytes, headroom %d, next %v, shared %v", b.Len(), b.Headroom(), b.Next(), b.Shared())
		if b.Append(stampSize) == nil {
			k.fail("a fresh buffer has room for %d bytes", b.Tailroom())
			continue
		}
		stamp(b, k.stamp())
	}
	k.kept = append(k.kept, bufs...)
	k.did(len(bufs))
}

func (k *keeper) stamp() uint64 { k.next++; return k.next }

// check wants each segment as its owner left it.
func (k *keeper) check(head *pktbuf.Buf) {
	for b := range head.Segments() {
		if _, whole := stampOf(b); !whole || b.Len() != stampSize {
			k.fail("a buffer that is mine has %d bytes %x", b.Len(), b.Bytes())
			return
		}
		if !b.Shared() { // then it is mine to write
			stamp(b, k.stamp())
		}
	}
}

// put gives n chains back, those at random places.
func (k *keeper) put(n int) {
	for i := range n {
		j := i + k.rand.IntN(len(k.kept)-i)
		k.kept[i], k.kept[j] = k.kept[j], k.kept[i]
		k.check(k.kept[i])
	}
	if k.one(4) {
		k.pool.PutN(k.kept[:n])
	} else {
		k.cache.PutN(k.kept[:n])
	}
	k.kept = append(k.kept[:0], k.kept[n:]...)
	k.did(n)
}

func (k *keeper) oneOf() *pktbuf.Buf { return k.kept[k.rand.IntN(len(k.kept))] }

func (k *keeper) clone() {
	b := k.oneOf()
	before, _ := stampOf(b)
	if c, ok := k.cache.Clone(b); ok {
		after, _ := stampOf(c)
		k.want(after == before && c.NumSegments() == b.NumSegments(), "a clone of %d has %d", before, after)
		k.want(b.Shared() && c.Shared(), "a buffer and its clone say that they share nothing")
		k.kept = append(k.kept, c)
		k.did(1)
	}
}

// link makes a chain of the last two.
func (k *keeper) link() {
	if n := len(k.kept); n > 1 {
		a, b := k.kept[n-2], k.kept[n-1]
		want := a.NumSegments() + b.NumSegments()
		k.want(a.Link(b), "two buffers of one arena cannot be linked")
		k.want(a.NumSegments() == want && a.PacketLen() == want*stampSize, "a chain has %d segments, want %d", a.NumSegments(), want)
		k.kept = k.kept[:n-1]
		k.did(1)
	}
}

func (k *keeper) unlink() {
	if rest := k.oneOf().Unlink(); rest != nil {
		k.kept = append(k.kept, rest)
		k.did(1)
	}
}

// exchange sends one to another keeper, who is as much its owner then, and takes one.
func (k *keeper) exchange() {
	i := len(k.kept) - 1
	k.check(k.kept[i])
	if k.post.TryPush(k.kept[i]) {
		k.kept = k.kept[:i]
		k.did(1)
	}
	if b, ok := k.post.TryPop(); ok {
		k.check(b)
		k.kept = append(k.kept, b)
		k.did(1)
	}
}

// twin sends a clone of one to another keeper and gives its own back, while that one
// may do the same. Then it takes one and gives that back.
func (k *keeper) twin() {
	i := len(k.kept) - 1
	if c, ok := k.cache.Clone(k.kept[i]); ok {
		own := k.kept[i : i+1]
		if !k.post.TryPush(c) {
			own = []*pktbuf.Buf{c}
		} else {
			k.kept = k.kept[:i]
		}
		k.cache.PutN(own)
		k.did(1)
	}
	if b, ok := k.post.TryPop(); ok {
		k.cache.PutN([]*pktbuf.Buf{b})
		k.did(1)
	}
}

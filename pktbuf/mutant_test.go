package pktbuf_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

func TestMutants(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{
		// Cache and pool.
		{Name: "one odd among eight goes with the others", File: "cache.go", Caught: "TestBurstsOfEveryKind",
			Old: "			if odd&(markPool|entangled) != 0 {\n", New: "			if odd&markPool != 0 {\n"},
		{Name: "a foreign one among eight stays", File: "cache.go", Caught: "TestBurstsOfEveryKind",
			Old: "			if odd&(markPool|entangled) != 0 {\n", New: "			if odd&entangled != 0 {\n"},
		{Name: "the marks of eight stay", File: "cache.go", Caught: "TestBurstsOfEveryKind",
			Old: "				b.marks = own\n", New: "				_ = b\n"},
		{Name: "one of eight is not made fresh", File: "cache.go", Caught: "TestBurstsOfEveryKind",
			Old: "		b6.start, b6.length = Headroom, 0\n", New: ""},
		{Name: "the warm half is flushed", File: "cache.go", Caught: "TestCacheFlushesTheColdHalf",
			Old: "	c.pool.give(c.bufs[:cacheHalf], c.via[:])\n	c.n = copy(c.bufs[:], c.bufs[cacheHalf:c.n])\n",
			New: "	c.n -= cacheHalf\n	c.pool.give(c.bufs[c.n:][:cacheHalf], c.via[:])\n"},
		{Name: "a refill loses one", File: "cache.go", Caught: "TestCacheAgainstModel",
			Old: "	c.n = c.pool.take(c.bufs[:cacheHalf], c.via[:])\n", New: "	c.n = max(0, c.pool.take(c.bufs[:cacheHalf], c.via[:])-1)\n"},
		{Name: "a burst that finds too few forgets them", File: "cache.go", Caught: "TestCacheAgainstModel",
			Old: "	return n + c.GetN(bufs[n:n+rest])\n", New: "	return c.GetN(bufs[:rest])\n"},
		{Name: "first back is first out", File: "freelist.go", Caught: "TestLastBackIsFirstOut",
			Old: "	n := copy(names, f.names[left:])\n	f.names = f.names[:left]\n",
			New: "	n := copy(names, f.names)\n	copy(f.names, f.names[n:])\n	f.names = f.names[:left]\n"},
		{Name: "one takes while another gives", File: "freelist.go", Caught: "TestPoolUnderStress", Race: true,
			Old: "	f.mu.Lock()\n	f.names = append(f.names, names...)\n	f.mu.Unlock()\n",
			New: "	f.names = append(f.names, names...)\n"},
		{Name: "Close takes memory that is out", File: "pool.go", Caught: "TestPoolRefuses",
			Old: "	if n := p.count - p.Len(); n != 0 {\n", New: "	if n := p.count - p.Len(); n < 0 {\n"},
		{Name: "buffers overlap by a line", File: "pool.go", Caught: "TestBuffersAreDisjoint",
			Old: "stride: guard + room + guard}", New: "stride: guard + room + guard - cpu.LineSize}"},

		// Packets.
		{Name: "a chain is given back without its tail", File: "cache.go", Caught: "TestBurstsOfEveryKind",
			Old: "				c.putFree(f)\n			}\n		}\n		b = rest\n", New: "				c.putFree(f)\n			}\n		}\n		_, b = rest, nil\n"},
		{Name: "a chain is given to the pool without its tail", File: "pool.go", Caught: "TestChain",
			Old: "		b = rest\n", New: "		_, b = rest, nil\n"},
		{Name: "what was cut off stays linked", File: "chain.go", Caught: "TestChain",
			Old: "	b.marks &^= markNext\n", New: ""},
		{Name: "shared by two is not shared", File: "clone.go", Caught: "TestClone",
			Old: "	return b.refs.Load() > 1 // R: acquire\n", New: "	return b.refs.Load() > 2\n"},
		{Name: "a clone of a clone is not counted", File: "clone.go", Caught: "TestPacketsAgainstModel",
			Old: "	origin.refs.Add(1) // s holds a reference, so it is not 0\n",
			New: "	if origin == s {\n		origin.refs.Add(1)\n	}\n"},
		{Name: "a clone keeps the memory of its origin", File: "clone.go", Caught: "TestClone",
			Old: "		b.Pool().place(b)\n", New: ""},
		{Name: "one before the last is the last", File: "clone.go", Caught: "TestPacketsAgainstModel",
			Old: "	if b.refs.Load() == 1 { // R: acquire\n", New: "	if b.refs.Load() <= 2 {\n"},
		{Name: "shared memory has headroom", File: "buf.go", Caught: "TestClone",
			Old: "		return 0\n	}\n	return int(b.start)\n", New: "	}\n	return int(b.start)\n"},

		// The arena.
		{Name: "the buddy is always above", File: "arena.go", Caught: "TestArenaAgainstModel",
			Old: "		buddy := u ^ 1<<k\n", New: "		buddy := min(u+1<<k, int32(len(a.units)-1))\n"},
		{Name: "a buddy in use is merged", File: "arena.go", Caught: "TestArenaAgainstModel",
			Old: "a.units[buddy].state != free || int", New: "int"},
		{Name: "a part of the buddy is merged", File: "arena.go", Caught: "TestArenaAgainstModel",
			Old: " || int(a.units[buddy].order) != k {", New: " {"},
		{Name: "the upper half of a split is lost", File: "arena.go", Caught: "TestArenaAgainstModel",
			Old: "		a.push(u+1<<k, k) // the upper half stays free\n", New: ""},
		{Name: "an address past the end of its page", File: "region.go", Caught: "TestAddressesBothWays",
			Old: "	if !ok || n < 1 || n > a.region.PageSize-at {\n", New: "	if !ok || n < 1 || n > len(a.region.Bytes)-page*a.region.PageSize-at {\n"},

		// What the tag ferrule_debug looks for.
		{Name: "given back twice goes unnoticed", File: "debug.go", Tags: "ferrule_debug", Caught: "TestDebugDoubleFree",
			Old: "				if !r.out {\n					s.blame(r, \"is given back twice\")\n				}\n", New: ""},
		{Name: "use after it was given back goes unnoticed", File: "debug.go", Tags: "ferrule_debug", Caught: "TestDebugUseAfterFree/Bytes",
			Old: "		if !r.out {\n			b.blame(r, \"is used while it is free\")\n		}\n", New: ""},
		{Name: "a write past the end goes unnoticed", File: "debug.go", Tags: "ferrule_debug", Caught: "TestDebugOverrun",
			Old: "			b.check(r, \"past its ends\", cookie)\n", New: ""},
		{Name: "a write to a free buffer goes unnoticed", File: "debug.go", Tags: "ferrule_debug", Caught: "TestDebugWriteAfterFree",
			Old: "			b.check(r, \"while it was free\", poison)\n			r.out, r.got = true, at\n", New: "			r.out, r.got = true, at\n"},
		{Name: "a leak is nobody's", File: "debug.go", Tags: "ferrule_debug", Caught: "TestDebugLeak",
			Old: "			sites[r.got.String()]++\n", New: ""},
	})
}

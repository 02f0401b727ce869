package pktbuf_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// A program that drives a card gets its region from uio.NewMemory. Here it is
// a page of ordinary memory, which no card sees.
func Example() {
	region := pktbuf.Region{Bytes: make([]byte, 1<<20), PageSize: 1 << 20, Bus: []uint64{0x1_0000_0000}}
	arena := pktbuf.NewArena(region)
	pool, err := pktbuf.NewPool(arena, 256, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}

	cache := pool.NewCache() // one for each worker
	burst := make([]*pktbuf.Buf, 32)
	n := cache.GetN(burst)
	for i, b := range burst[:n] {
		copy(b.Append(5), fmt.Sprintf("no %02d", i))
		copy(b.Prepend(3), "to ") // a header, in front of what is there
	}
	fmt.Printf("%d buffers, the last %q\n", n, burst[n-1].Bytes())
	cache.PutN(burst[:n])

	fmt.Println("close:", pool.Close())
	cache.Flush()
	fmt.Println("close:", pool.Close())
	// Output:
	// 32 buffers, the last "to no 31"
	// close: pktbuf: close pool of 256 buffers: 256 are still out (flush each cache, close each port first)
	// close: <nil>
}

// An Arena serves what is not a packet, too: descriptor rings, jumbo buffers.
func ExampleArena() {
	arena := pktbuf.NewArena(pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0x40_0000}})
	ring, _ := arena.Alloc(512 * 16)
	jumbo, _ := arena.Alloc(9234)
	fmt.Printf("ring: %d bytes at %#x\n", len(ring.Bytes), ring.Bus)
	fmt.Printf("jumbo: %d bytes at %#x\n", len(jumbo.Bytes), jumbo.Bus)

	// What a card says of a bus address is looked up before it is believed.
	copy(jumbo.Bytes[100:], "payload")
	fmt.Printf("%s, %v\n", arena.Bytes(jumbo.Bus+100, 7), arena.Bytes(0xBAD, 1) == nil)

	arena.Free(ring)
	arena.Free(jumbo)
	s := arena.Stats()
	fmt.Printf("%d of %d bytes free, %d splits, %d merges\n", s.Free, s.Size, s.Splits, s.Merges)
	// Output:
	// ring: 8192 bytes at 0x400000
	// jumbo: 16384 bytes at 0x404000
	// payload, true
	// 65536 of 65536 bytes free, 3 splits, 3 merges
}

// A Buf's data has room on both sides.
func ExampleBuf() {
	pool, _ := pktbuf.NewPool(pktbuf.NewArena(pktbuf.Region{
		Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0},
	}), 1, 2048)
	b, _ := pool.Get()
	copy(b.Append(12), "hello, world")
	b.TrimFront(7)
	copy(b.Prepend(6), "brave ")
	fmt.Printf("%s, %d before, %d behind\n", b.Bytes(), b.Headroom(), b.Tailroom())
	pool.PutN([]*pktbuf.Buf{b})
	// Output:
	// brave world, 129 before, 2036 behind
}

// A Pool is shared by all. It can be empty, and whoever needs a buffer then goes
// on without: it drops a packet, or leaves it where it is.
func ExamplePool() {
	region := pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0}}
	pool, _ := pktbuf.NewPool(pktbuf.NewArena(region), 4, 2048)

	burst := make([]*pktbuf.Buf, 8)
	n := pool.GetN(burst)
	_, ok := pool.Get()
	fmt.Println(n, "handed out, another:", ok)

	pool.PutN(burst[:n])
	fmt.Println(pool.Len(), "of", pool.Cap(), "free")
	// Output:
	// 4 handed out, another: false
	// 4 of 4 free
}

// What a worker gave back last it gets first, while its lines are warm. What is
// in its cache nobody else can have, until it is flushed.
func ExampleCache() {
	region := pktbuf.Region{Bytes: make([]byte, 2<<20), PageSize: 2 << 20, Bus: []uint64{0}}
	pool, _ := pktbuf.NewPool(pktbuf.NewArena(region), 600, 2048)
	cache := pool.NewCache()

	b, _ := cache.Get()
	cache.PutN([]*pktbuf.Buf{b})
	again, _ := cache.Get()
	fmt.Println("the same one:", again == b)
	cache.PutN([]*pktbuf.Buf{again})

	fmt.Println(pool.Len(), "free to others")
	cache.Flush()
	fmt.Println(pool.Len(), "free to others")
	// Output:
	// the same one: true
	// 344 free to others
	// 600 free to others
}

// A packet longer than a buffer is a chain of them. What is put in front of it
// can be a buffer, too.
func ExampleBuf_Link() {
	region := pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0}}
	pool, _ := pktbuf.NewPool(pktbuf.NewArena(region), 8, 2048)
	header, _ := pool.Get()
	payload, _ := pool.Get()
	copy(header.Append(8), "header, ")
	copy(payload.Append(7), "payload")
	header.Link(payload)

	for s := range header.Segments() {
		fmt.Printf("%q\n", s.Bytes())
	}
	fmt.Println(header.PacketLen(), "bytes in", header.NumSegments(), "buffers")
	pool.PutN([]*pktbuf.Buf{header}) // and with it the payload
	fmt.Println(pool.Len(), "free")
	// Output:
	// "header, "
	// "payload"
	// 15 bytes in 2 buffers
	// 8 free
}

// A packet is sent twice, and copied never.
func ExampleCache_Clone() {
	region := pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0}}
	pool, _ := pktbuf.NewPool(pktbuf.NewArena(region), 8, 2048)
	cache := pool.NewCache()
	b, _ := cache.Get()
	copy(b.Append(5), "hello")

	twin, _ := cache.Clone(b)
	twin.TrimFront(1)
	fmt.Printf("%s %s, shared: %v\n", b.Bytes(), twin.Bytes(), b.Shared())
	cache.PutN([]*pktbuf.Buf{b}) // in whatever order
	fmt.Printf("%s, shared: %v\n", twin.Bytes(), twin.Shared())
	cache.PutN([]*pktbuf.Buf{twin})
	// Output:
	// hello ello, shared: true
	// ello, shared: false
}

// What the card found out about a packet stays beside it.
func ExampleChecksum() {
	region := pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0}}
	pool, _ := pktbuf.NewPool(pktbuf.NewArena(region), 1, 2048)
	b, _ := pool.Get()
	b.SetChecksums(pktbuf.Good, pktbuf.Bad) // a driver does

	network, transport := b.Checksums()
	fmt.Println(network, transport)
	_, tagged := b.VLAN()
	fmt.Println("tagged:", tagged)
	// Output:
	// Good Bad
	// tagged: false
}

// A TCP segment that is longer than a frame, which the card is to cut up.
func ExampleOffload() {
	region := pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0}}
	pool, _ := pktbuf.NewPool(pktbuf.NewArena(region), 1, 32<<10)
	b, _ := pool.Get()
	b.Append(14 + 20 + 20 + 20000)
	b.SetOffload(pktbuf.Offload{
		L2Len: 14, L3Len: 20, L4Len: 20,
		SegmentSize: 1460, Checksum: pktbuf.TCP, IPv4Checksum: true,
	})
	fmt.Printf("%+v\n", b.Offload())
	// Output:
	// {SegmentSize:1460 L3Len:20 L2Len:14 L4Len:20 Checksum:TCP IPv4Checksum:true}
}

// Two pages, which a card sees in the other order, and far apart.
func ExampleRegion() {
	region := pktbuf.Region{
		Bytes:    make([]byte, 2<<16),
		PageSize: 1 << 16,
		Bus:      []uint64{0x50_0000, 0x10_0000},
	}
	arena := pktbuf.NewArena(region)
	bus, ok := arena.Bus(region.Bytes[1<<16+8:][:100])
	fmt.Printf("%#x %v\n", bus, ok)
	_, ok = arena.Bus(region.Bytes[1<<16-8:][:100])
	fmt.Println("across the end of a page:", ok)
	// Output:
	// 0x100008 true
	// across the end of a page: false
}

// A Block is as the program sees it and as a card does.
func ExampleBlock() {
	arena := pktbuf.NewArena(pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0x7_0000}})
	var block pktbuf.Block
	block, err := arena.Alloc(5000)
	fmt.Println(len(block.Bytes), "bytes", err)
	fmt.Printf("%#x\n", block.Bus)
	arena.Free(block)
	// Output:
	// 8192 bytes <nil>
	// 0x70000
}

// What is free may lie in pieces.
func ExampleArenaStats() {
	arena := pktbuf.NewArena(pktbuf.Region{Bytes: make([]byte, 1<<14), PageSize: 1 << 14, Bus: []uint64{0}})
	first, _ := arena.Alloc(4096)
	arena.Alloc(4096)
	arena.Alloc(4096)
	arena.Free(first)
	var s pktbuf.ArenaStats = arena.Stats()
	fmt.Println(s.Free, "bytes free, at most", s.Largest, "at once")
	// Output:
	// 8192 bytes free, at most 4096 at once
}

// Which checksum a card fills in depends on the transport.
func ExampleTransport() {
	transports := map[byte]pktbuf.Transport{6: pktbuf.TCP, 17: pktbuf.UDP} // by IP protocol
	fmt.Println(transports[6], transports[17], transports[1])
	// Output:
	// TCP UDP none
}

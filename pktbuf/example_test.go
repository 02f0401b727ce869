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
	arena.Free(ring)
	arena.Free(jumbo)
	fmt.Println("room:", arena.Room())
	// Output:
	// ring: 8192 bytes at 0x400000
	// jumbo: 16384 bytes at 0x404000
	// room: 65536
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

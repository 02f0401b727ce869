package nicring_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/spinlock"
)

// echo sends every frame back to where it came from, until it has sent n. It
// works for any Port.
func echo(port nicring.Port, cache *pktbuf.Cache, n int) {
	rx, tx := port.RxQueue(0), port.TxQueue(0)
	burst := make([]*pktbuf.Buf, 32)
	var idle spinlock.Backoff
	for n > 0 {
		got := rx.Recv(burst)
		if got == 0 {
			idle.Wait() // or rx.Wait, for the card's interrupt
			continue
		}
		idle.Reset()
		for _, b := range burst[:got] {
			frame := b.Bytes()
			var from [6]byte
			copy(from[:], frame[6:12])
			copy(frame[6:12], frame[0:6])
			copy(frame[0:6], from[:])
		}
		sent := tx.Send(burst[:got])
		cache.PutN(burst[sent:got]) // no room for the rest: they are dropped
		n -= sent
	}
}

// A program that echoes frames, on a card made of memory. On one in a slot, the
// card and the memory come from uio, and nothing else changes.
func Example() {
	memory := nictest.NewMemory(4 << 20)
	card := nictest.New(memory, nictest.Options{MAC: nicring.MAC{2, 0, 0, 0, 0, 1}})
	card.Attach(func(frame []byte) { fmt.Printf("on the wire: %x > %x\n", frame[6:12], frame[0:6]) })

	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 1024, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	cache := pool.NewCache() // this goroutine polls both queues: one cache for both
	port, err := e1000e.Open(card, arena, e1000e.Config{RxRing: 64, RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := nicring.WaitLink(ctx, port); err != nil {
		fmt.Println(err)
		return
	}

	frame := make([]byte, 60)
	copy(frame, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9})
	card.Deliver(frame)
	card.Deliver(frame)
	echo(port, cache, 2)

	stats, _ := port.Stats()
	fmt.Println("received", stats.RxPackets, "sent", stats.TxPackets)
	fmt.Println("close:", port.Close()) // the card is off memory
	cache.Flush()
	fmt.Println("close:", pool.Close()) // every buffer came back
	// Output:
	// on the wire: 020000000001 > 020000000009
	// on the wire: 020000000001 > 020000000009
	// received 2 sent 2
	// close: <nil>
	// close: <nil>
}

// A driver keeps two counters over a Ring, and the card owns the descriptors
// between them.
func ExampleRing() {
	type desc struct {
		addr          uint64
		length, flags uint32
	}
	arena := pktbuf.NewArena(pktbuf.Region{Bytes: make([]byte, 1<<16), PageSize: 1 << 16, Bus: []uint64{0x10_0000}})
	pool, _ := pktbuf.NewPool(arena, 8, 1500)
	ring, err := nicring.NewRing[desc](arena, 8)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("the card is told: %d bytes at %#x\n", ring.Size(), ring.Bus())

	head, tail := ^uint32(1), ^uint32(1) // two short of wrapping
	for range 3 {
		b, _ := pool.Get()
		ring.SetBuf(tail, b)
		*ring.Desc(tail) = desc{addr: b.Bus(), length: 1500, flags: 1}
		tail++
	}
	fmt.Println("the card owns", tail-head, "descriptors, the tail register holds", ring.Index(tail))

	a, b := ring.Bufs(head, int(tail-head))
	pool.PutN(a)
	pool.PutN(b)
	ring.Free()
	fmt.Println(len(a), "buffers before the end of the ring,", len(b), "after;", pool.Len(), "free")
	// Output:
	// the card is told: 128 bytes at 0x104000
	// the card owns 3 descriptors, the tail register holds 1
	// 2 buffers before the end of the ring, 1 after; 8 free
}

func ExampleMAC() {
	fmt.Println(nicring.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56})
	// Output: 52:54:00:12:34:56
}

// A program that costs no processor time while nothing arrives, and takes no
// interrupt while there is something to do.
func ExamplePoller() {
	memory := nictest.NewMemory(4 << 20)
	card := nictest.New(memory, nictest.Options{})
	arena := pktbuf.NewArena(memory.Region())
	pool, _ := pktbuf.NewPool(arena, 1024, 2048)
	cache := pool.NewCache()
	port, err := e1000e.Open(card, arena, e1000e.Config{RxRing: 64, RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache}})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	go card.Deliver(append(append([]byte{}, 2, 0, 0, 0, 0, 1), make([]byte, 54)...))

	poller := nicring.NewPoller(port.RxQueue(0), nicring.PollerConfig{Busy: 50 * time.Microsecond})
	err = poller.Run(ctx, func(burst []*pktbuf.Buf) {
		fmt.Println(len(burst), "frame of", burst[0].Len(), "bytes")
		cache.PutN(burst)
		cancel()
	})
	fmt.Println(err)

	poller.Close() // then the port, the caches and the pool
	fmt.Println("close:", port.Close())
	cache.Flush()
	fmt.Println("close:", pool.Close())
	// Output:
	// 1 frame of 60 bytes
	// nicring: receive: context canceled
	// close: <nil>
	// close: <nil>
}

package nicring_test

import (
	"context"
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/spinlock"
)

// openPort opens a card made of memory, with rings of eight descriptors and one
// cache for both queues.
func openPort(opts nictest.Options) (*nictest.Card, nicring.Port, *pktbuf.Cache) {
	memory := nictest.NewMemory(4 << 20)
	card := nictest.New(memory, opts)
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 1024, 2048)
	if err != nil {
		panic(err)
	}
	cache := pool.NewCache()
	port, err := e1000e.Open(card, arena, e1000e.Config{
		RxRing: 8, RxCaches: []*pktbuf.Cache{cache},
		TxRing: 8, TxCaches: []*pktbuf.Cache{cache},
	})
	if err != nil {
		panic(err)
	}
	if err := nicring.WaitLink(context.Background(), port); err != nil {
		panic(err)
	}
	return card, port, cache
}

// Who finds nothing waits for the card's interrupt, at no cost, until a frame
// comes or the context ends.
func ExampleRxQueue() {
	card, port, cache := openPort(nictest.Options{})
	defer port.Close()
	rx := port.RxQueue(0)
	frame := make([]byte, 60)
	copy(frame, []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}) // to all
	go card.Deliver(frame)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	burst := make([]*pktbuf.Buf, 32)
	for {
		if err := rx.Wait(ctx); err != nil {
			fmt.Println(err)
			return
		}
		n := rx.Recv(burst) // Wait may return without cause: 0 is no error
		for _, b := range burst[:n] {
			fmt.Println(b.Len(), "bytes")
			cancel() // one frame is all we want
		}
		cache.PutN(burst[:n])
	}
	// Output:
	// 60 bytes
	// e1000e: wait for a frame on nictest: context canceled
}

// A card takes what it has room for, and the rest stays with the caller, who
// offers it again, or drops it.
func ExampleTxQueue() {
	card, port, cache := openPort(nictest.Options{Deferred: true})
	defer port.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go card.Run(ctx)

	frames := make([]*pktbuf.Buf, 32)
	for _, b := range frames[:cache.GetN(frames)] {
		clear(b.Append(60))
	}
	tx := port.TxQueue(0)
	var full spinlock.Backoff
	for len(frames) > 0 {
		n := tx.Send(frames)
		frames = frames[n:]
		if n == 0 {
			full.Wait() // for the card
			continue
		}
		full.Reset()
	}
	for {
		stats, err := port.Stats()
		if err != nil || stats.TxPackets == 32 {
			fmt.Println(stats.TxPackets, "sent", err)
			return
		}
		full.Wait()
	}
	// Output: 32 sent <nil>
}

// A port takes what is sent to it, to all, and what its filter lets in.
func ExampleFilter() {
	card, port, cache := openPort(nictest.Options{})
	defer port.Close()
	group, other := nicring.MAC{0x01, 0, 0x5E, 0, 0, 1}, nicring.MAC{0x02, 0, 0, 0, 0, 7}
	deliver := func() {
		for _, to := range []nicring.MAC{port.MAC(), group, other} {
			frame := make([]byte, 60)
			copy(frame, to[:])
			card.Deliver(frame)
		}
		burst := make([]*pktbuf.Buf, 32)
		n := port.RxQueue(0).Recv(burst)
		fmt.Println(n, "of 3 received")
		cache.PutN(burst[:n])
	}
	deliver()
	if err := port.(*e1000e.Port).SetFilter(nicring.Filter{Groups: []nicring.MAC{group}}); err != nil {
		fmt.Println(err)
	}
	deliver()
	// Output:
	// 1 of 3 received
	// 2 of 3 received
}

// The queue that a frame comes to.
func ExampleRSS() {
	rss := nicring.NewRSS(2)
	hash := nicring.NewToeplitz(rss.Key)
	for client := range 4 {
		tuple := []byte{192, 0, 2, byte(client), 192, 0, 2, 80, 4, 0, 0, 80} // from, to, and their ports
		fmt.Print(rss.Table[hash.Hash(tuple)&127], " ")
	}
	// Output: 1 0 1 0
}

// With a symmetric key both directions of a connection come to one queue.
func ExampleToeplitz() {
	there := []byte{192, 0, 2, 1, 192, 0, 2, 80, 4, 0, 0, 80}
	back := []byte{192, 0, 2, 80, 192, 0, 2, 1, 0, 80, 4, 0}
	for _, key := range []nicring.RSSKey{nicring.MicrosoftKey, nicring.SymmetricKey} {
		hash := nicring.NewToeplitz(key)
		fmt.Println(hash.Hash(there) == hash.Hash(back))
	}
	// Output:
	// false
	// true
}

func ExampleFlowSet() {
	hashed := nicring.FlowTCP4.Set() | nicring.FlowIPv4.Set()
	fmt.Println(hashed.Has(nicring.FlowTCP4), hashed.Has(nicring.FlowTCP6))
	// Output: true false
}

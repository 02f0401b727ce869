package e1000e_test

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// A counted card counts doorbells. Whatever has the five methods of a Card is one.
type counted struct {
	*nictest.Card
	doorbells atomic.Int64
}

func (c *counted) Write32(offset, value uint32) {
	const tdt = 0x3818
	if offset == tdt {
		c.doorbells.Add(1)
	}
	c.Card.Write32(offset, value)
}

// A card in between says what the driver does to the one behind it: here, that a
// burst costs one doorbell.
func ExampleCard() {
	memory := nictest.NewMemory(4 << 20)
	card := &counted{Card: nictest.New(memory, nictest.Options{})}
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 1024, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	caches := []*pktbuf.Cache{pool.NewCache()}
	port, err := e1000e.Open(card, arena, e1000e.Config{RxCaches: caches, TxCaches: caches})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Close()
	burst := make([]*pktbuf.Buf, 32)
	for _, b := range burst[:caches[0].GetN(burst)] {
		b.Append(60)
	}
	before := card.doorbells.Load()
	n := port.TxQueue(0).Send(burst)
	fmt.Println(n, "frames,", card.doorbells.Load()-before, "doorbell")
	// Output: 32 frames, 1 doorbell
}

// A port that was reset is as it was, and goes on.
func ExamplePort() {
	memory := nictest.NewMemory(4 << 20)
	card := nictest.New(memory, nictest.Options{})
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 1024, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	caches := []*pktbuf.Cache{pool.NewCache()}
	port, err := e1000e.Open(card, arena, e1000e.Config{RxCaches: caches, TxCaches: caches, Filter: nicring.Filter{Promiscuous: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Close()
	fmt.Println("reset:", port.Reset())
	fmt.Println("link:", nicring.WaitLink(context.Background(), port))
	card.Deliver(make([]byte, 60))
	fmt.Println("received:", port.RxQueue(0).Recv(make([]*pktbuf.Buf, 32)))
	// Output:
	// reset: <nil>
	// link: <nil>
	// received: 1
}

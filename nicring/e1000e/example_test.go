package e1000e_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// The order of tearing down matters: the port first, which takes the card off
// memory, then the caches, then the pool.
func Example() {
	memory := nictest.NewMemory(4 << 20)           // uio.NewMemory(4 << 20)
	card := nictest.New(memory, nictest.Options{}) // uio.Open("0000:03:00.0")

	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 1500, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver, sender := pool.NewCache(), pool.NewCache() // two goroutines will poll
	port, err := e1000e.Open(card, arena, e1000e.Config{
		RxRing: 256, RxCaches: []*pktbuf.Cache{receiver},
		TxRing: 256, TxCaches: []*pktbuf.Cache{sender},
		Filter: nicring.Filter{Promiscuous: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("address", port.MAC())
	link, err := port.Link()
	fmt.Println("link", link, err)

	fmt.Println("close:", port.Close())
	receiver.Flush()
	sender.Flush()
	fmt.Println("close:", pool.Close())
	// Output:
	// address 02:00:00:00:00:01
	// link {true 1000 true} <nil>
	// close: <nil>
	// close: <nil>
}

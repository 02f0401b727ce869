package e1000e_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// Two workers, each with a queue either way and a cache for both: what one does
// never touches what the other does. The flows are spread over the two.
func ExampleConfig() {
	memory := nictest.NewMemory(8 << 20)
	card := nictest.New(memory, nictest.Options{})
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 2048, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	caches := []*pktbuf.Cache{pool.NewCache(), pool.NewCache()}
	rss := nicring.NewRSS(len(caches))
	rss.Key = nicring.SymmetricKey // both directions of a connection to one worker
	port, err := e1000e.Open(card, arena, e1000e.Config{
		RxRing: 64, RxCaches: caches,
		TxRing: 64, TxCaches: caches,
		RSS: &rss, VLAN: true, MaxFrame: 9018,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(port.RxQueue(0) != port.RxQueue(1))
	fmt.Println(port.Close())
	// Output:
	// true
	// <nil>
}

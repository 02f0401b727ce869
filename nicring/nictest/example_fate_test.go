package nictest_test

import (
	"context"
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// A wire that loses every other frame.
func ExampleFate() {
	memory := nictest.NewMemory(4 << 20)
	card := nictest.New(memory, nictest.Options{})
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 1024, 2048)
	if err != nil {
		fmt.Println(err)
		return
	}
	cache := []*pktbuf.Cache{pool.NewCache()}
	port, err := e1000e.Open(card, arena, e1000e.Config{RxCaches: cache, TxCaches: cache})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Close()
	if err := nicring.WaitLink(context.Background(), port); err != nil {
		fmt.Println(err)
		return
	}

	frames := 0
	card.SetFaults(nictest.Faults{Wire: func([]byte) nictest.Fate {
		frames++
		if frames%2 == 0 {
			return nictest.Lost
		}
		return nictest.Arrives
	}})
	frame := make([]byte, 60)
	copy(frame, []byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF})
	for range 4 {
		card.Deliver(frame)
	}
	burst := make([]*pktbuf.Buf, 32)
	fmt.Println(port.RxQueue(0).Recv(burst), "of", frames, "arrived")
	// Output: 2 of 4 arrived
}

package nicring_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// A loop that polls waits, once there is nothing to do, for a frame or for whatever
// else it selects over. A Poller does the same, and looks after the rest.
func ExampleNotifier() {
	memory := nictest.NewMemory(8 << 20)
	card := nictest.New(memory, nictest.Options{})
	arena := pktbuf.NewArena(memory.Region())
	pool, _ := pktbuf.NewPool(arena, 2048, 2048)
	cache := pool.NewCache()
	port, err := e1000e.Open(card, arena, e1000e.Config{
		RxCaches: []*pktbuf.Cache{cache},
		TxCaches: []*pktbuf.Cache{cache},
		Filter:   nicring.Filter{Promiscuous: true},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Close()

	queue := port.RxQueue(0).(nicring.Notifier)
	stop := make(chan struct{})
	go card.Deliver(make([]byte, 60))

	select {
	case <-queue.Notify():
	case <-stop:
	}
	over, err := queue.Ignore() // before the next call of Recv
	fmt.Println(over, err)

	bufs := make([]*pktbuf.Buf, 32)
	n := queue.Recv(bufs)
	fmt.Println("frames:", n)
	cache.PutN(bufs[:n])
	// Output:
	// true <nil>
	// frames: 1
}

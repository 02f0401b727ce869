package main

import (
	"fmt"
	"runtime"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

func init() {
	register("Packet", "ferrule.e1000e", func() { measure(forward, 1e8) })
}

// forward receives n frames in bursts and sends them on. The card, which is made
// of memory, works between the timed stretches, so that what is measured is the
// driver: its reads of descriptors that another wrote, its writes, the pool and
// the doorbells.
func forward(n int) (spent time.Duration) {
	ring, burst := param("ring"), param("burst")
	mac := nicring.MAC{0: 0x02, 5: 0x01}
	memory := nictest.NewMemory(32 << 20)
	card := nictest.New(memory, nictest.Options{MAC: mac, Lax: true, Deferred: true})
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 2*ring+1024, 2048)
	must(err)
	cache := pool.NewCache()
	port, err := e1000e.Open(card, arena, e1000e.Config{
		RxRing: ring, TxRing: ring, RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache},
	})
	must(err)
	sent := 0
	card.Attach(func([]byte) { sent++ })
	for up := false; !up; card.Step() {
		link, err := port.Link()
		must(err)
		up = link.Up
	}
	frame := make([]byte, param("size"))
	copy(frame, mac[:])
	rx, tx := port.RxQueue(0), port.TxQueue(0)
	bufs := make([]*pktbuf.Buf, burst)

	pin(0)
	defer runtime.UnlockOSThread()
	received := 0
	for received < n {
		for range (ring - 1) / 32 {
			for range 32 {
				card.Deliver(frame)
			}
			card.Step()
		}
		for more := true; more; {
			start := time.Now()
			for range 32 { // so that reading the clock costs nothing
				got := rx.Recv(bufs)
				more = got > 0
				for k := 0; k < got; {
					k += tx.Send(bufs[k:got])
				}
				received += got
			}
			spent += time.Since(start)
			card.Step()
		}
	}
	card.Step()
	tx.Send(nil)
	if sent != received {
		fail(fmt.Sprintf("%d frames received and %d sent", received, sent))
	}
	must(port.Close())
	cache.Flush()
	must(pool.Close())
	return time.Duration(float64(spent) / float64(received) * float64(n))
}

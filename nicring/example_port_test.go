package nicring_test

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/spinlock"
)

// Whatever the card, a program waits for its link, and in the end closes it: the
// buffers that the card held are back only then.
func ExamplePort() {
	_, port, cache := openPort(nictest.Options{MAC: nicring.MAC{2, 0, 0, 0, 0, 7}})
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := nicring.WaitLink(ctx, port); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(port, port.MAC())

	fmt.Println("close:", port.Close())
	cache.Flush()
	pool := cache.Pool()
	fmt.Println(pool.Len(), "of", pool.Cap(), "buffers are free")
	// Output:
	// nictest 02:00:00:00:00:07
	// close: <nil>
	// 1024 of 1024 buffers are free
}

// Who wants to know of the link waits until it is another, at no cost.
func ExampleLink() {
	card, port, _ := openPort(nictest.Options{})
	defer port.Close()
	link, err := port.Link()
	fmt.Println(link.Up, link.Mbps, err)

	go card.SetLink(false) // somebody pulls the cable out
	link, err = port.LinkChange(context.Background(), link)
	fmt.Println(link.Up, link.Mbps, err)
	// Output:
	// true 1000 <nil>
	// false 0 <nil>
}

// What came in some time is the difference between two Stats.
func ExampleStats() {
	card, port, cache := openPort(nictest.Options{})
	defer port.Close()
	before, _ := port.Stats()
	go func() {
		for range 3 {
			card.Deliver(append([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, make([]byte, 54)...))
		}
	}()

	rx, burst := port.RxQueue(0), make([]*pktbuf.Buf, 32)
	for received := 0; received < 3; {
		if err := rx.Wait(context.Background()); err != nil {
			fmt.Println(err)
			return
		}
		n := rx.Recv(burst)
		cache.PutN(burst[:n])
		received += n
	}
	now, err := port.Stats()
	fmt.Println(now.RxPackets-before.RxPackets, "frames,", now.RxBytes-before.RxBytes, "bytes,", now.RxMissed-before.RxMissed, "missed", err)
	// Output: 3 frames, 180 bytes, 0 missed <nil>
}

// A port that obeys keeps what it has to send while the other end asks it to.
func ExamplePause() {
	memory := nictest.NewMemory(4 << 20)
	card := nictest.New(memory, nictest.Options{})
	sent := make(chan int, 1)
	card.Attach(func(frame []byte) { sent <- len(frame) })
	arena := pktbuf.NewArena(memory.Region())
	pool, _ := pktbuf.NewPool(arena, 1024, 2048)
	cache := pool.NewCache()
	port, err := e1000e.Open(card, arena, e1000e.Config{
		RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache},
		Pause: nicring.PauseObey | nicring.PauseSend,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer port.Close()

	pause := make([]byte, 60) // 802.3 annex 31B: to a group, type 8808, opcode 1, a time
	copy(pause, []byte{0x01, 0x80, 0xC2, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0x08, 0, 1, 0xFF, 0xFF})
	card.Deliver(pause)
	b, _ := cache.Get()
	clear(b.Append(60))
	port.TxQueue(0).Send([]*pktbuf.Buf{b})
	fmt.Println(len(sent), "sent while it is to pause")

	binary.BigEndian.PutUint16(pause[16:], 0) // no longer
	card.Deliver(pause)
	fmt.Println(<-sent, "bytes sent")
	// Output:
	// 0 sent while it is to pause
	// 60 bytes sent
}

// A worker that forwards polls on for a little while, and before it sleeps collects
// what was sent and gives back what it has in stock.
func ExamplePollerConfig() {
	card, port, cache := openPort(nictest.Options{})
	defer port.Close()
	tx := port.TxQueue(0)
	ctx, cancel := context.WithCancel(context.Background())
	card.Attach(func(frame []byte) {
		fmt.Println(len(frame), "bytes forwarded")
		cancel()
	})
	poller := nicring.NewPoller(port.RxQueue(0), nicring.PollerConfig{
		Busy:   100 * time.Microsecond,
		Budget: 64,
		Idle: func() {
			tx.Send(nil)
			cache.Flush()
		},
	})
	defer poller.Close()

	go card.Deliver(append([]byte{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}, make([]byte, 54)...))
	err := poller.Run(ctx, func(burst []*pktbuf.Buf) {
		var full spinlock.Backoff
		for len(burst) > 0 {
			n := tx.Send(burst)
			if burst = burst[n:]; n == 0 {
				full.Wait() // for the card
			}
		}
	})
	fmt.Println(err)
	// Output:
	// 60 bytes forwarded
	// nicring: receive: context canceled
}

// With a key of its own nobody outside can choose flows that come to one queue.
func ExampleRSSKey() {
	var key nicring.RSSKey
	rand.Read(key[:])
	rss := nicring.NewRSS(2)
	rss.Key = key // for e1000e.Config

	hash := nicring.NewToeplitz(key) // what the card computes
	tuple := []byte{192, 0, 2, 1, 192, 0, 2, 80, 4, 0, 0, 80}
	queue := rss.Table[hash.Hash(tuple)&127]
	fmt.Println(queue == 0 || queue == 1)
	// Output: true
}

// What of a frame can be hashed depends on what it is, and on what is to be hashed.
func ExampleFlow() {
	frame := make([]byte, 60)
	copy(frame[12:], []byte{0x08, 0x00, 0x45}) // IPv4
	binary.BigEndian.PutUint16(frame[16:], 40) // of 40 bytes
	frame[23] = 6                              // TCP

	hash := nicring.NewToeplitz(nicring.MicrosoftKey)
	for _, kinds := range []nicring.FlowSet{
		nicring.FlowTCP4.Set() | nicring.FlowIPv4.Set(), nicring.FlowIPv4.Set(), nicring.FlowIPv6.Set(),
	} {
		_, flow := hash.Frame(frame, kinds)
		fmt.Println(flow == nicring.FlowTCP4, flow == nicring.FlowIPv4, flow == nicring.FlowNone)
	}
	// Output:
	// true false false
	// false true false
	// false false true
}

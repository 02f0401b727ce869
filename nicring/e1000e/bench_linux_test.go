package e1000e_test

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// BenchmarkForward receives a burst and sends it on, which is what a forwarder
// does. The card works between the timed stretches, so that what is measured is
// the driver: its reads of descriptors that another wrote, its writes, the pool
// and the doorbells. An operation is a packet.
func BenchmarkForward(b *testing.B) {
	for _, c := range []struct{ ring, burst int }{{1024, 1}, {1024, 4}, {1024, 32}, {1024, 256}, {64, 32}, {256, 32}, {4096, 32}} {
		b.Run(fmt.Sprintf("ring=%d/size=64/burst=%d", c.ring, c.burst), func(b *testing.B) { forward(b, c.ring, c.burst) })
	}
}

func forward(b *testing.B, ring, burst int) {
	memory := nictest.NewMemory(32 << 20)
	card := nictest.New(memory, nictest.Options{Lax: true, Deferred: true})
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 2*ring+1024, 2048)
	require.NoError(b, err)
	cache := pool.NewCache()
	port, err := e1000e.Open(card, arena, e1000e.Config{
		RxRing: ring, TxRing: ring, RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache}, Filter: nicring.Filter{Promiscuous: true},
	})
	require.NoError(b, err)
	sent := 0
	card.Attach(func([]byte) { sent++ })
	for up := false; !up; card.Step() {
		link, err := port.Link()
		require.NoError(b, err)
		up = link.Up
	}
	frame := make([]byte, 64)
	rx, tx := port.RxQueue(0), port.TxQueue(0)
	bufs := make([]*pktbuf.Buf, burst)

	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var spent time.Duration
	received := 0
	for received < b.N {
		for range (ring - 1) / 32 {
			for range 32 {
				card.Deliver(frame)
			}
			card.Step()
		}
		for more := true; more; {
			start := time.Now()
			for range 32 { // so that reading the clock costs nothing
				n := rx.Recv(bufs)
				more = n > 0
				for k := 0; k < n; {
					k += tx.Send(bufs[k:n])
				}
				received += n
			}
			spent += time.Since(start)
			card.Step()
		}
	}
	card.Step()
	tx.Send(nil)
	if sent != received {
		b.Fatalf("%d frames received and %d sent", received, sent)
	}
	require.NoError(b, port.Close())
	cache.Flush()
	require.NoError(b, pool.Close())

	ns := float64(spent.Nanoseconds()) / float64(received)
	b.ReportMetric(0, "ns/op") // what the card spent is in it
	b.ReportMetric(ns, "ns/packet")
	b.ReportMetric(ns*gigahertz(b), "cycles/packet")
}

// gigahertz is the processor's clock as the kernel tells it.
func gigahertz(b *testing.B) float64 {
	info, err := os.ReadFile("/proc/cpuinfo")
	require.NoError(b, err)
	m := regexp.MustCompile(`cpu MHz\s*: ([0-9.]+)`).FindSubmatch(info)
	require.NotNil(b, m, "no cpu MHz in /proc/cpuinfo")
	mhz, err := strconv.ParseFloat(string(m[1]), 64)
	require.NoError(b, err)
	return mhz / 1000
}

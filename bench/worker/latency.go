package main

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

func init() {
	register("Latency", "ferrule.forward", func() { latency(newPath, false) })
	register("Latency", "ferrule.forward-gc", func() { latency(newPath, true) })
	register("Latency", "nothing", func() { latency(newNoPath, false) })
	register("Latency", "nothing-gc", func() { latency(newNoPath, true) })
}

// latency sends frames at a fixed rate, whatever becomes of those before, and
// looks at how long after it was due each comes out: a sender that is late makes
// no frame look quick. One that the card has no room for is lost. One
// goroutine does all of it, for none is to wait until another has a processor. Under
// pressure there is a second one, which keeps the collector at work.
func latency(through path, pressed bool) {
	memory := nictest.NewMemory(64 << 20) // the collector counts it, with and without cards
	defer runtime.KeepAlive(memory)
	rate := param("rate")
	warm := rate / 5                                             // frames that do not count: memory is new to them
	n := warm + max(int(20*budget.Seconds()*float64(rate)), 100) // percentiles take more than a mean
	gap := time.Second / time.Duration(rate)
	took := make([]float64, 0, n)
	seen := make([]bool, n)
	var clock time.Time
	relax := func() {}
	runtime.GC()
	if pressed {
		relax = press()
	}
	in, step, end := through(memory, func(frame []byte) {
		number := int(binary.BigEndian.Uint64(frame[14:]))
		late := time.Since(clock) - time.Duration(number)*gap
		if seen[number] {
			fail(fmt.Sprintf("frame %d came out twice", number))
		}
		seen[number] = true
		if number >= warm {
			took = append(took, float64(late))
		}
	})
	frame := make([]byte, param("size"))
	copy(frame, latencyMAC[:])
	var before, after debug.GCStats
	debug.ReadGCStats(&before)
	clock = time.Now()
	sent := 0
	for deadline := time.Duration(n)*gap + time.Second; len(took) < n-warm && time.Since(clock) < deadline; step() {
		if sent < n && time.Since(clock) >= time.Duration(sent)*gap {
			binary.BigEndian.PutUint64(frame[14:], uint64(sent))
			in(frame)
			sent++
		}
	}
	length := time.Since(clock)
	debug.ReadGCStats(&after)
	relax()
	end()
	if len(took) == 0 {
		fail("no frame came out")
	}
	cycles := after.NumGC - before.NumGC
	if pressed && cycles == 0 && length > time.Second {
		fail("the collector did not run")
	}
	mean := 0.0
	for _, ns := range took {
		mean += ns / float64(len(took))
	}
	percentiles(took)
	metric(float64(n-warm-len(took)), "lost")
	metric(float64(cycles)/length.Seconds(), "gc/s")
	report(len(took), mean)
}

// A path has frames that are put into it come out in some step.
type path func(memory *nictest.Memory, out func(frame []byte)) (in func(frame []byte), step, end func())

var latencyMAC = nicring.MAC{0: 0x02, 5: 0x01}

// newNoPath leads nowhere but out again: what it adds is the sender's own lateness.
func newNoPath(_ *nictest.Memory, out func([]byte)) (in func([]byte), step, end func()) {
	return out, func() {}, func() {}
}

// newPath leads through two cards made of memory, and in each step forwards what one
// has received to the other. The cards work in between.
func newPath(memory *nictest.Memory, out func([]byte)) (in func([]byte), step, end func()) {
	ring := param("ring")
	arena := pktbuf.NewArena(memory.Region())
	pool, err := pktbuf.NewPool(arena, 4*ring+1024, 2048)
	must(err)
	cache := pool.NewCache()
	caches := []*pktbuf.Cache{cache}
	var cards [2]*nictest.Card
	var ports [2]*e1000e.Port
	for i := range cards {
		mac := latencyMAC
		mac[5] += byte(i)
		cards[i] = nictest.New(memory, nictest.Options{Name: fmt.Sprint("card", i), MAC: mac, Lax: true, Deferred: true})
		ports[i], err = e1000e.Open(cards[i], arena, e1000e.Config{RxRing: ring, TxRing: ring, RxCaches: caches, TxCaches: caches})
		must(err)
	}
	work := func() { // of the cards
		cards[0].Step()
		cards[1].Step()
	}
	for _, port := range ports {
		for up := false; !up; work() {
			link, err := port.Link()
			must(err)
			up = link.Up
		}
	}
	cards[1].Attach(out)
	rx, tx := ports[0].RxQueue(0), ports[1].TxQueue(0)
	bufs := make([]*pktbuf.Buf, 32)
	step = func() {
		work()
		for n, k := rx.Recv(bufs), 0; k < n; work() {
			k += tx.Send(bufs[k:n])
		}
	}
	return cards[0].Deliver, step, func() {
		for _, port := range ports {
			must(port.Close())
		}
		cache.Flush()
		must(pool.Close())
	}
}

// press has a goroutine keep 16 MiB of small objects that point to each other,
// and replace 100 MiB of them a second, while the heap may grow by a tenth before
// the collector runs. The call that it returns ends that.
func press() (relax func()) {
	type object struct {
		next *object
		rest [56]byte
	}
	const live, pieces = 16 << 20 / 64, 64
	grow := debug.SetGCPercent(10)
	var stopped atomic.Bool
	var pressing sync.WaitGroup
	lists := make([]*object, pieces)
	fill := func(i int) {
		lists[i] = nil
		for range live / pieces {
			lists[i] = &object{next: lists[i]}
		}
	}
	for i := range lists {
		fill(i)
	}
	pressing.Go(func() {
		began := time.Now()
		for done := 0; !stopped.Load(); done++ {
			fill(done % pieces)
			due := time.Duration(done) * time.Second * 16 / (100 * pieces)
			time.Sleep(due - time.Since(began))
		}
		runtime.KeepAlive(lists)
	})
	return func() {
		stopped.Store(true)
		pressing.Wait()
		debug.SetGCPercent(grow)
	}
}

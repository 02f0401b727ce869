package main

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A generator sends the frames of a source at a pace, and if it has a second
// port looks at what comes back. Two goroutines share it, one for each way.
type generator struct {
	ports []nicring.Port
	pool  *pktbuf.Pool
	tx    *transmitter
	rx    *receiver // nil without a second port

	began, ended time.Time
	sending      sync.WaitGroup
	receiving    sync.WaitGroup
}

// A transmitter belongs to the goroutine that sends, but for the counters.
type transmitter struct {
	_ cpu.Pad

	queue  nicring.TxQueue
	cache  *pktbuf.Cache
	source source
	due    pace
	limit  uint64
	bufs   []*pktbuf.Buf
	held   []*pktbuf.Buf // filled, and not yet taken by the card
	made   uint64        // frames filled
	window uint64        // frames on their way at most
	back   *counter      // frames no longer on their way
	passed uint64        // frames that were due and never will be made

	given   counter // frames that may arrive: taken by the card, or about to be
	bytes   counter // of those
	stopped atomic.Bool

	_ cpu.Pad
}

// A receiver belongs to the goroutine that receives, but for the counters.
type receiver struct {
	_ cpu.Pad

	queue   nicring.RxQueue
	cache   *pktbuf.Cache
	bufs    []*pktbuf.Buf
	probes  *probes // nil if frames have no numbers
	tracker *tracker
	damaged counter
	packets counter // of whatever kind
	bytes   counter
	took    []int64
	latency *latencies
	clock   time.Time // as the transmitter's stamps
	stopped atomic.Bool

	_ cpu.Pad
}

// open opens the ports of a rig. What it returns is to be closed even if it
// failed.
func (o *generateOptions) open(rig *rig, replay *recording) (*generator, error) {
	g := new(generator)
	arena := pktbuf.NewArena(rig.region)
	var err error
	if g.pool, err = pktbuf.NewPool(arena, o.buffers(), o.bufferSize(replay)); err != nil {
		return g, err
	}
	g.tx = &transmitter{cache: g.pool.NewCache(), limit: o.count, bufs: make([]*pktbuf.Buf, o.burst)}
	if g.tx.limit == 0 {
		g.tx.limit = 1 << 62
	}
	g.rx = &receiver{cache: g.pool.NewCache(), bufs: make([]*pktbuf.Buf, o.burst)}
	for i, card := range rig.cards {
		cfg := e1000e.Config{RxRing: idleRing, TxRing: o.ring, MaxFrame: max(1518, o.largest(replay))}
		cache := g.tx.cache
		if i > 0 {
			cfg.RxRing, cfg.TxRing, cfg.Filter.Promiscuous = o.ring, idleRing, true
			cache = g.rx.cache
		}
		cfg.RxCaches, cfg.TxCaches = []*pktbuf.Cache{cache}, []*pktbuf.Cache{cache}
		p, err := e1000e.Open(card, arena, cfg)
		if err != nil {
			return g, err
		}
		g.ports = append(g.ports, p)
	}
	g.tx.queue = g.ports[0].TxQueue(0)
	g.tx.source = o.source(o.route(g.ports), replay)
	g.tx.due = o.pace(g.tx.source)
	if len(g.ports) > 1 {
		g.rx.queue = g.ports[1].RxQueue(0)
		g.rx.latency = newLatencies()
		g.rx.tracker = newTracker(uint64(o.flows), &g.tx.given)
		g.tx.back = &g.rx.packets
		if s, numbered := g.tx.source.(probeSource); numbered {
			g.rx.probes, g.tx.back = s.probes, &g.rx.tracker.settled
		}
	}
	if rig.turn != nil { // a wire of memory is faster than any receiver
		g.tx.window = uint64(o.ring / 2)
		if largest := o.largest(replay); largest > bufferSize {
			// A frame of several buffers goes by the card's packet buffer.
			g.tx.window = uint64(max(1, min(o.ring/2*bufferSize, 16<<10)/largest))
		}
	}
	return g, nil
}

func (g *generator) close() error {
	if g.pool == nil {
		return nil
	}
	return closePorts(g.ports, []*pktbuf.Cache{g.tx.cache, g.rx.cache}, g.pool)
}

// start begins to send and to receive, at the time in began. It calls done when the limit is reached.
func (g *generator) start(done func()) {
	g.rx.clock = g.began
	g.sending.Go(func() {
		g.tx.run(g.began)
		done()
	})
	if len(g.ports) > 1 {
		g.receiving.Go(g.rx.run)
	}
}

// stop ends sending, waits for what is on its way, and ends receiving.
func (g *generator) stop() {
	g.tx.stopped.Store(true)
	g.sending.Wait()
	g.ended = time.Now()
	g.settle()
	if len(g.ports) > 1 {
		g.quiesce()
		g.rx.stopped.Store(true)
		g.receiving.Wait()
	}
}

// settle waits until the card has sent what it took. What it has not sent by then
// was not sent. Of a card that is gone nobody knows.
func (g *generator) settle() {
	deadline := time.Now().Add(settleTime)
	for wait := (spinlock.Backoff{}); ; wait.Wait() {
		stats, err := g.ports[0].Stats()
		if err != nil {
			return
		}
		unsent := g.tx.given.load() - min(g.tx.given.load(), stats.TxPackets)
		if unsent == 0 {
			return
		}
		if time.Now().After(deadline) {
			g.tx.given.add(-unsent)
			return
		}
	}
}

// quiesce waits for frames as long as some arrive.
func (g *generator) quiesce() {
	last, seen := time.Now(), g.rx.packets.load()
	for wait := (spinlock.Backoff{}); g.rx.awaiting(g.tx.given.load()) && time.Since(last) < latest; wait.Wait() {
		if n := g.rx.packets.load(); n != seen {
			last, seen = time.Now(), n
		}
	}
}

func (r *receiver) awaiting(sent uint64) bool {
	if r.probes == nil {
		return r.packets.load() < sent
	}
	return r.tracker.received.load() < sent
}

// An eagerWait yields and never sleeps: a millisecond is a long time for who
// keeps or takes the time.
type eagerWait struct{ spinlock.Backoff }

func (w *eagerWait) Wait() {
	if w.Spent() {
		w.Reset()
	}
	w.Backoff.Wait()
}

// run sends until stopped, or until the limit is reached and all is taken.
func (x *transmitter) run(began time.Time) {
	var idle eagerWait
	for !x.stopped.Load() && (x.made < x.limit || len(x.held) > 0) {
		if x.turn(time.Since(began)) > 0 {
			idle.Reset()
		} else {
			idle.Wait()
		}
	}
	for wait := (spinlock.Backoff{}); len(x.held) > 0 && !wait.Spent(); wait.Wait() {
		x.send(time.Since(began))
	}
	x.queue.Send(nil)
	x.giveUp()
}

// giveUp takes back what the card has not taken.
func (x *transmitter) giveUp() {
	x.given.add(-uint64(len(x.held)))
	x.bytes.add(-bytesIn(x.held))
	x.cache.PutN(x.held)
	x.held = nil
}

// catchUp bounds what is sent at once to make up for a delay: in a burst of any
// length nothing can be measured but the burst.
const catchUp = 1024

// turn sends what is due, up to a burst, and returns how many frames.
func (x *transmitter) turn(elapsed time.Duration) int {
	if len(x.held) == 0 {
		due := min(x.due(elapsed)-x.passed, x.limit)
		if due < 1<<62 && due > x.made+catchUp && due < x.limit {
			x.passed += due - x.made - catchUp
			due = x.made + catchUp
		}
		if x.window > 0 {
			due = min(due, x.back.load()+x.window)
		}
		x.fill(min(len(x.bufs), int(due-x.made)))
	}
	return x.send(elapsed)
}

// fill makes up to n frames.
func (x *transmitter) fill(n int) {
	x.held = x.bufs[:x.cache.GetN(x.bufs[:n])]
	for i, b := range x.held {
		x.source.fill(b, x.made+uint64(i))
	}
	x.made += uint64(len(x.held))
	x.bytes.add(bytesIn(x.held))
	x.given.add(uint64(len(x.held))) // before they can arrive
}

// send hands over what is held. With nothing held it collects what was sent.
func (x *transmitter) send(elapsed time.Duration) int {
	x.source.stamp(x.held, elapsed)
	n := x.queue.Send(x.held)
	x.held = x.held[n:]
	return n
}

// run receives until stopped.
func (r *receiver) run() {
	var idle eagerWait
	for !r.stopped.Load() {
		if r.turn() > 0 {
			idle.Reset()
		} else {
			idle.Wait()
		}
	}
}

// turn receives a burst and returns how many frames.
func (r *receiver) turn() int {
	n := r.queue.Recv(r.bufs)
	if n == 0 {
		return 0
	}
	now := int64(time.Since(r.clock))
	r.took = r.took[:0]
	bytes := 0
	for _, b := range r.bufs[:n] {
		bytes += b.PacketLen()
		if r.probes != nil {
			r.look(b, now)
		}
	}
	r.packets.add(uint64(n))
	r.bytes.add(uint64(bytes))
	r.cache.PutN(r.bufs[:n])
	if len(r.took) > 0 {
		r.latency.record(r.took)
	}
	return n
}

// look takes note of a frame. Those that are not ours come with them; that is no
// fault of theirs.
func (r *receiver) look(b *pktbuf.Buf, now int64) {
	number, sent, ours := r.probes.read(b.Bytes())
	if !ours {
		return
	}
	before := r.tracker.received.load()
	if b.PacketLen() != r.probes.size(number) || !r.probes.filled(b) || !r.tracker.note(number) {
		r.damaged.add(1)
		return
	}
	if r.tracker.received.load() != before {
		r.took = append(r.took, now-int64(sent))
	}
}

// sample tells how far the run has come.
func (g *generator) sample() sample {
	s := sample{elapsed: time.Since(g.began), packets: g.tx.given.load(), bytes: g.tx.bytes.load()}
	if !g.ended.IsZero() {
		s.elapsed = g.ended.Sub(g.began)
	}
	return s
}

// line gives the rates of the time since last, and what is lost so far, and puts
// last forward.
func (g *generator) line(last *sample) (string, error) {
	s := g.sample()
	second := s.since(*last)
	*last = s
	line := fmt.Sprintf("%4.0f s  %s  %s", s.elapsed.Seconds(), scaled(second.packetsPerSecond(), "pps"), scaled(second.bitsPerSecond(), "bit/s"))
	if g.tracks() {
		t := g.rx.tracker
		recent := g.rx.latency.take()
		line += fmt.Sprintf("  %s lost  latency p50 %s  p99 %s  max %s", grouped(t.settled.load()-t.received.load()),
			brief(int64(recent.at(50))), brief(int64(recent.at(99))), brief(recent.MaxNs))
	}
	for _, p := range g.ports {
		link, err := p.Link()
		if err != nil {
			return line, err
		}
		if !link.Up {
			line += fmt.Sprintf("  %s: link down", p)
		}
		// The driver reads the card's counters before they are full.
		if _, err := p.Stats(); err != nil {
			return line, err
		}
	}
	return line, nil
}

// tracks reports whether frames are told apart that come back.
func (g *generator) tracks() bool { return len(g.ports) > 1 && g.rx.probes != nil }

// portReports are what the ports have done.
func (g *generator) portReports() (all []portReport) {
	for i, p := range g.ports {
		stats, _ := p.Stats() // of a card that is gone, what it last told
		c := counts{Missed: stats.RxMissed, Errors: stats.RxErrors + stats.RxDropped}
		if i == 0 {
			c = counts{TxPackets: g.tx.given.load(), TxBytes: g.tx.bytes.load()}
		} else {
			c.RxPackets, c.RxBytes = g.rx.packets.load(), g.rx.bytes.load()
		}
		all = append(all, portReport{p.String(), p.MAC().String(), c})
	}
	return all
}

// snapshot is what stats shows while the generator runs.
func (g *generator) snapshot() snapshot {
	s := newSnapshot("generate", g.began, g.portReports())
	if g.tracks() {
		s.Traffic = new(g.rx.tracker.report(g.rx.damaged.load()))
		s.Traffic.Lost = g.rx.tracker.settled.load() - s.Traffic.Received // not those on their way
		s.Latency = new(g.rx.latency.all())
	}
	return s
}

// report sums a run up. It has stopped, and the ports are open still.
func (g *generator) report() generateReport {
	s := g.sample()
	r := generateReport{
		DurationSeconds:  s.elapsed.Seconds(),
		PacketsPerSecond: s.packetsPerSecond(),
		BitsPerSecond:    s.bitsPerSecond(),
		Ports:            g.portReports(),
	}
	for _, p := range r.Ports {
		r.counts.add(p.counts)
	}
	if g.tracks() {
		r.Latency = new(g.rx.latency.all())
		r.Traffic = new(g.rx.tracker.report(g.rx.damaged.load()))
	}
	return r
}

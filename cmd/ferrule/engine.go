package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/rcu"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc"
)

const (
	// sendTries is how often the rest of a burst is offered to a full transmit
	// ring before it is dropped: for some ten microseconds, in which a gigabit
	// link sends a dozen of the shortest frames.
	sendTries = 64

	// clockEvery is how many busy turns a worker takes between two looks at the
	// clock: a look costs as much as a frame or two.
	clockEvery = 64

	// settleTime is how long the cards get to send what they were handed before
	// it counts as dropped.
	settleTime = 200 * time.Millisecond

	// pipelineRing is the capacity of the ring between two workers.
	pipelineRing = 512
)

// An engine forwards frames between two ports, both ways, by a lane from each
// receive queue of one port to the transmit queue of that number of the other. A
// lane belongs to one worker, which carries each burst from end to end; or, in a
// pipeline, to two, one that receives and one that sends, with a ring between
// them. Either way frames of a flow, which come to one queue, stay in order.
//
// A worker that has found nothing for a while parks until one of its queues has
// something: a receive queue interrupts, a ring tells. Each queue has one owner.
//
// Call newEngine; open the ports with rxCaches and txCaches; then join, inject if
// wanted, start, stop; close the ports; flush the caches.
type engine struct {
	shape
	burst  int
	busy   time.Duration // how long a worker polls in vain before it parks
	crew   []*worker
	joined lanes

	// lanes is joined while there is forwarding to be done. A worker reads it,
	// does a turn and parks inside its reader's section. So once lanes is nil, those
	// who are parked are woken and a grace period has passed, no worker is in a queue
	// or a cache, or waits at one.
	lanes  rcu.Pointer[lanes]
	domain rcu.Domain
	halt   chan struct{} // closed once lanes is nil for good

	began, ended time.Time
}

// A shape is how the work of an engine is divided.
type shape struct {
	queues   int  // of each port, and each direction
	workers  int  // 1 to 2*queues; of a pipeline it is 4*queues
	pipeline bool // two workers for each lane
}

// lanes are the ways between two ports: lanes[i+2*q] receives from queue q of port
// i.
type lanes []*lane

// of returns the lanes that receive from port i.
func (l lanes) of(i int) (all lanes) {
	for ; i < len(l); i += 2 {
		all = append(all, l[i])
	}
	return all
}

// A lane carries frames from one port to the other.
type lane struct {
	from, to nicring.Port
	in       *nicring.Poller // of the worker that receives
	out      nicring.TxQueue
	ring     *spsc.Ring[*pktbuf.Buf] // of a pipeline, between its two workers
	cache    *pktbuf.Cache           // of the worker that sends
	injected uint64                  // frames that did not come out of in
	unsent   uint64                  // frames that the card had not sent when we stopped

	// rx belongs to the worker that receives.
	_  cpu.Pad
	rx struct {
		packets, bytes counter
		held           []*pktbuf.Buf // received; the ring had no room for them yet
		gone           bool          // the card: there is nothing to wait for any more
	}

	// tx belongs to the worker that sends.
	_  cpu.Pad
	tx struct {
		packets, bytes, dropped counter
	}
	_ cpu.Pad
}

// A worker is one goroutine of the engine. It shares no cache line with another.
type worker struct {
	_ cpu.Pad

	cache *pktbuf.Cache
	watch stopwatch

	// turn moves a burst on each lane that the worker serves, and returns how
	// many frames it moved. It ends what await began.
	turn func(l lanes, bufs []*pktbuf.Buf) int
	// await begins to wait, after a turn that moved none, for a frame to move.
	await func(l lanes) waits

	_ cpu.Pad
}

// waits are channels of which one has something to receive, or is closed, when it
// is time for a turn. A nil one is never.
type waits [2 * maxQueues]<-chan struct{}

// newEngine returns an engine that moves up to burst buffers of pool at a time.
func newEngine(pool *pktbuf.Pool, burst int, busy time.Duration, sh shape) *engine {
	e := &engine{shape: sh, burst: burst, busy: busy, halt: make(chan struct{})}
	hire := func(turn func(lanes, []*pktbuf.Buf) int, await func(lanes) waits) {
		e.crew = append(e.crew, &worker{cache: pool.NewCache(), turn: turn, await: await})
	}
	count := 2 * sh.queues
	if sh.pipeline {
		for k := range count {
			hire(func(l lanes, bufs []*pktbuf.Buf) int { return l[k].receive(bufs) },
				func(l lanes) waits { return waits{l[k].receivable()} })
		}
		for k := range count {
			hire(func(l lanes, bufs []*pktbuf.Buf) int { return l[k].transmit(bufs) },
				func(l lanes) waits { return waits{l[k].ring.PopReady()} })
		}
		return e
	}
	for w := range sh.workers {
		first, end := (w*count+sh.workers-1)/sh.workers, ((w+1)*count+sh.workers-1)/sh.workers
		hire(func(l lanes, bufs []*pktbuf.Buf) (n int) {
			for _, l := range l[first:end] {
				n += l.forward(bufs)
			}
			return n
		}, func(l lanes) (all waits) {
			for i, l := range l[first:end] {
				all[i] = l.arrival()
			}
			return all
		})
	}
	return e
}

// receiver and sender return the workers that serve the ends of lane k.
func (e *engine) receiver(k int) *worker {
	if e.pipeline {
		return e.crew[k]
	}
	return e.crew[k*e.workers/(2*e.queues)]
}

func (e *engine) sender(k int) *worker {
	if e.pipeline {
		return e.crew[2*e.queues+k]
	}
	return e.receiver(k)
}

// rxCaches and txCaches return the caches that the queues of port i are to be
// opened with.
func (e *engine) rxCaches(i int) (all []*pktbuf.Cache) {
	for q := range e.queues {
		all = append(all, e.receiver(i+2*q).cache)
	}
	return all
}

func (e *engine) txCaches(i int) (all []*pktbuf.Cache) {
	for q := range e.queues {
		all = append(all, e.sender(1-i+2*q).cache)
	}
	return all
}

// join says between which ports to forward.
func (e *engine) join(ports [2]nicring.Port) {
	for k := range 2 * e.queues {
		i, q := k%2, k/2
		from, to := ports[i], ports[1-i]
		l := &lane{from: from, to: to, out: to.TxQueue(q), cache: e.sender(k).cache}
		l.in = nicring.NewPoller(from.RxQueue(q), nicring.PollerConfig{})
		if e.pipeline {
			l.ring = spsc.New[*pktbuf.Buf](pipelineRing)
		}
		e.joined = append(e.joined, l)
	}
}

// inject sends n frames of size bytes out of each port, addressed to the other.
func (e *engine) inject(n, size int) error {
	for _, l := range e.joined[:2] {
		bufs := make([]*pktbuf.Buf, n)
		bufs = bufs[:l.cache.GetN(bufs)]
		for _, b := range bufs {
			frame := b.Append(size)
			clear(frame)
			ethernet(frame, l.to.MAC(), l.from.MAC())
		}
		sent := l.out.Send(bufs)
		l.cache.PutN(bufs[sent:])
		l.injected = uint64(sent)
		if sent < n {
			return fmt.Errorf("forward: %s took %d of %d frames", l.to, sent, n)
		}
	}
	return nil
}

// start sets the workers to work.
func (e *engine) start() {
	e.lanes.Store(&e.joined)
	for _, w := range e.crew {
		go e.work(w)
	}
}

func (e *engine) work(w *worker) {
	reader := e.domain.Register()
	defer reader.Close()
	bufs := make([]*pktbuf.Buf, e.burst)
	var idle lull
	w.watch.start()
	for {
		reader.Lock()
		l := e.lanes.Load()
		if l == nil {
			w.watch.pause()
			reader.Unlock()
			return
		}
		n := w.turn(*l, bufs)
		if n == 0 && idle.lasts(e.busy) {
			w.watch.pause()
			e.park(w.await(*l))
			w.watch.start()
			n = w.turn(*l, bufs) // within the section: it ends the waits
		}
		reader.Unlock()
		if n > 0 {
			idle.end()
			w.watch.tick()
			continue
		}
		w.watch.pause()
		idle.wait()
		w.watch.start()
	}
}

// park returns when it is time for a turn, or to stop.
func (e *engine) park(w waits) {
	select {
	case <-w[0]:
	case <-w[1]:
	case <-w[2]:
	case <-w[3]:
	case <-e.halt:
	}
}

// A lull is the time in which a worker's turns find nothing.
type lull struct {
	began time.Time // zero while they find something
	pace  spinlock.Backoff
}

// lasts reports whether nothing has been found for so long.
func (l *lull) lasts(d time.Duration) bool {
	if l.began.IsZero() {
		l.began = time.Now()
	}
	return time.Since(l.began) >= d
}

// wait lets others run, or a moment go by, and never sleeps.
func (l *lull) wait() {
	l.pace.Wait()
	if l.pace.Spent() {
		l.pace.Reset()
	}
}

func (l *lull) end() {
	if !l.began.IsZero() {
		*l = lull{}
	}
}

// forward carries a burst from end to end.
func (l *lane) forward(bufs []*pktbuf.Buf) int {
	n := l.recv(bufs)
	l.send(bufs[:n])
	return n
}

// receive carries a burst into the ring, or what was left of the last one. It
// drops nothing: while the ring is full, frames wait in the card.
func (l *lane) receive(bufs []*pktbuf.Buf) int {
	if len(l.rx.held) == 0 {
		l.rx.held = bufs[:l.recv(bufs)]
	}
	n := l.ring.TryPushN(l.rx.held)
	l.rx.held = l.rx.held[n:]
	return n
}

// transmit carries a burst out of the ring.
func (l *lane) transmit(bufs []*pktbuf.Buf) int {
	n := l.ring.TryPopN(bufs)
	l.send(bufs[:n])
	return n
}

func (l *lane) recv(bufs []*pktbuf.Buf) int {
	n, err := l.in.TryRecv(bufs)
	if err != nil {
		l.rx.gone = true // whoever watches over the ports hears of it, too
	}
	if n > 0 {
		l.rx.packets.add(uint64(n))
		l.rx.bytes.add(bytesIn(bufs[:n]))
	}
	return n
}

// arrival tells when recv may find a frame.
func (l *lane) arrival() <-chan struct{} {
	if l.rx.gone {
		return nil
	}
	return l.in.Ready()
}

// receivable tells when receive may move one: there is room, or a frame.
func (l *lane) receivable() <-chan struct{} {
	if len(l.rx.held) > 0 {
		return l.ring.PushReady()
	}
	return l.arrival()
}

// send sends bufs or drops them. With no bufs it collects what was sent.
func (l *lane) send(bufs []*pktbuf.Buf) {
	bytes := bytesIn(bufs) // while they are ours
	rest := bufs[l.out.Send(bufs):]
	var wait spinlock.Backoff
	for try := 0; len(rest) > 0 && try < sendTries; try++ {
		wait.Wait()
		rest = rest[l.out.Send(rest):]
	}
	if len(rest) > 0 {
		bytes -= bytesIn(rest)
		l.tx.dropped.add(uint64(len(rest)))
		l.cache.PutN(rest)
	}
	if sent := len(bufs) - len(rest); sent > 0 {
		l.tx.packets.add(uint64(sent))
		l.tx.bytes.add(bytes)
	}
}

func bytesIn(bufs []*pktbuf.Buf) (n uint64) {
	for _, b := range bufs {
		n += uint64(b.Len())
		if !b.Plain() {
			n += bytesBeside(b)
		}
	}
	return n
}

// bytesBeside returns how many bytes of a frame are not in its first buffer: those
// in the buffers that follow, and a VLAN tag.
func bytesBeside(b *pktbuf.Buf) uint64 {
	n := b.PacketLen() - b.Len()
	if _, tagged := b.VLAN(); tagged {
		n += 4
	}
	return uint64(n)
}

// stop ends forwarding. When it has returned the ports may be closed, and every
// frame received has been sent or counts as dropped.
func (e *engine) stop() {
	e.lanes.Store(nil)
	close(e.halt)
	e.domain.Synchronize() // no worker is in a queue or a cache from here on
	e.ended = time.Now()
	for _, l := range e.joined {
		l.drain(make([]*pktbuf.Buf, e.burst))
	}
	for i := range 2 {
		e.joined.of(i).settle()
	}
}

// drain empties the ring of a pipeline.
func (l *lane) drain(bufs []*pktbuf.Buf) {
	if l.ring == nil {
		return
	}
	for l.transmit(bufs) > 0 {
	}
	l.send(l.rx.held)
}

// settle waits until the card that lanes lead to has sent what it was handed. What
// it has not sent by then counts as dropped, with the first of them. Of a card that
// is gone nobody knows.
func (ls lanes) settle() {
	l, handed := ls[0], uint64(0)
	for _, l := range ls {
		handed += l.tx.packets.load() + l.injected
	}
	deadline := time.Now().Add(settleTime)
	for wait := (spinlock.Backoff{}); ; wait.Wait() {
		stats, err := l.to.Stats()
		if err != nil {
			return
		}
		l.unsent = handed - min(handed, stats.TxPackets)
		if l.unsent <= stats.TxDropped || time.Now().After(deadline) {
			return
		}
	}
}

// caches returns those of the workers, to be flushed after the ports are closed,
// which put their buffers there.
func (e *engine) caches() (all []*pktbuf.Cache) {
	for _, w := range e.crew {
		all = append(all, w.cache)
	}
	return all
}

// A flow is what went through a lane: received + injected = sent + dropped, but
// for what is on its way while the engine runs.
type flow struct {
	received, receivedBytes uint64
	injected                uint64
	sent, sentBytes         uint64 // bytes handed to the card
	dropped                 uint64
}

// flow adds up the lanes.
func (ls lanes) flow() (sum flow) {
	for _, l := range ls {
		f := l.flow()
		sum.received += f.received
		sum.receivedBytes += f.receivedBytes
		sum.injected += f.injected
		sum.sent += f.sent
		sum.sentBytes += f.sentBytes
		sum.dropped += f.dropped
	}
	return sum
}

func (l *lane) flow() flow {
	return flow{
		received:      l.rx.packets.load(),
		receivedBytes: l.rx.bytes.load(),
		injected:      l.injected,
		sent:          l.tx.packets.load() + l.injected - l.unsent,
		sentBytes:     l.tx.bytes.load(),
		dropped:       l.tx.dropped.load() + l.unsent,
	}
}

// snapshot is what stats shows while the engine runs.
func (e *engine) snapshot() snapshot { return newSnapshot("forward", e.began, e.portReports()) }

// sample tells how far the run has come.
func (e *engine) sample() sample {
	s := sample{elapsed: time.Since(e.began)}
	if !e.ended.IsZero() {
		s.elapsed = e.ended.Sub(e.began)
	}
	for _, w := range e.crew {
		s.busy += time.Duration(w.watch.busy.load())
	}
	for _, l := range e.joined {
		f := l.flow()
		s.packets += f.sent
		s.bytes += f.sentBytes
		s.dropped += f.dropped
	}
	return s
}

// A counter is written by one goroutine and read by any. Having one writer it
// needs no locked instruction, as an Add would be.
type counter struct{ n atomic.Uint64 }

func (c *counter) add(n uint64) { cpu.Publish(&c.n, c.n.Load()+n) }
func (c *counter) load() uint64 { return c.n.Load() }

// A stopwatch adds up the time between start and pause, in nanoseconds. A start
// whose first turn turns out to be idle leaves nothing.
type stopwatch struct {
	busy  counter
	since time.Time
	turns int
}

func (s *stopwatch) start() { s.since, s.turns = time.Now(), 0 }

// tick tells that a turn was busy.
func (s *stopwatch) tick() {
	if s.turns++; s.turns%clockEvery == 0 {
		s.lap()
	}
}

// pause tells that a turn was idle.
func (s *stopwatch) pause() {
	if s.turns > 0 {
		s.lap()
	}
}

func (s *stopwatch) lap() {
	now := time.Now()
	s.busy.add(uint64(now.Sub(s.since)))
	s.since = now
}

package stress

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/rcu"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc"
)

var packetTrials = []Trial{
	{"packet", "every frame that the wire does not lose comes back whole, in order and by its flow, and every buffer too", packet},
}

// A journey is the whole way of a packet, there and back. The near card sends frames to
// the far one, where they go RxQueue -> spsc.Ring -> worker -> TxQueue and return.
type journey struct {
	near, far end
	pool      *pktbuf.Pool
	ring      *spsc.Ring[*pktbuf.Buf]
	burst     int

	// table says of each flow what the worker is to mark its frames with. What it
	// refers to is used again when no worker can have it any more.
	table  *rcu.Map[uint64, *flow]
	domain rcu.Domain

	sent, taken, forwarded, home count       // frames, in the order of their way
	quiet                        atomic.Bool // no faults any more
}

// A count is of frames, kept by one goroutine and told when it has ended.
type count struct {
	n     uint64
	ended atomic.Bool
}

func (c *count) end() { c.ended.Store(true) }

// An end is a card with its port.
type end struct {
	card *nictest.Card
	port *e1000e.Port
	rx   *pktbuf.Cache // of who receives here
	tx   *pktbuf.Cache // of who sends here

	lost  atomic.Uint64 // frames that never arrived whole
	fates *rand.Rand    // of the card, when it is locked
}

const flows = 16

func packet(r *round) {
	ringSize := 8 << r.rand.IntN(6)
	j := &journey{
		ring:  spsc.New[*pktbuf.Buf](r.capacity()),
		burst: 1 + r.rand.IntN(64),
		table: rcu.NewMap[uint64, *flow](),
	}
	opts := nictest.Options{Deferred: r.rand.IntN(2) == 0, Lax: r.rand.IntN(4) == 0}
	closed, ok := j.open(r, opts, ringSize)
	if !ok {
		return
	}
	for key := range uint64(flows) {
		j.table.Store(key, newFlow(key, 0))
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if opts.Deferred {
		go j.near.card.Run(ctx)
		go j.far.card.Run(ctx)
	}
	r.run("break", j.breakCards)
	r.run("source", j.source)
	r.run("receive", j.receive)
	r.run("work", j.work)
	r.run("table", j.change)
	r.run("sink", j.sink)
	r.join()
	if !r.lost() {
		closed()
	}
}

// open makes two cards with a cable between them, and returns what closes all and counts
// the buffers.
func (j *journey) open(r *round, opts nictest.Options, ringSize int) (closed func(), ok bool) {
	const caches, inCache, bufferSize, page = 4, 512, 2048, 2 << 20
	buffers := 4*ringSize + caches*inCache + j.ring.Cap() + 4*j.burst
	mem := nictest.NewMemory(page * (2 + buffers/(page/(bufferSize+2*pktbuf.Headroom))))
	arena := pktbuf.NewArena(mem.Region())
	var err error
	if j.pool, err = pktbuf.NewPool(arena, buffers, bufferSize); err != nil {
		r.violated("%v", err)
		return nil, false
	}
	ends := []*end{&j.near, &j.far}
	for i, e := range ends {
		opts.MAC = nicring.MAC{2, 0, 0, 0, 0, byte(i)}
		e.card = nictest.New(mem, opts)
		e.rx, e.tx = j.pool.NewCache(), j.pool.NewCache()
		e.fates = rand.New(rand.NewPCG(r.rand.Uint64(), 0))
		if e.port, err = e1000e.Open(e.card, arena, e1000e.Config{
			RxRing: ringSize, TxRing: ringSize,
			RxCaches: []*pktbuf.Cache{e.rx}, TxCaches: []*pktbuf.Cache{e.tx},
			Filter: nicring.Filter{Promiscuous: true},
		}); err != nil {
			r.violated("%v", err)
			return nil, false
		}
	}
	nictest.Link(j.near.card, j.far.card)
	return func() {
		for _, e := range ends {
			err := e.port.Close()
			r.want(err == nil, "%v", err)
			e.rx.Flush()
			e.tx.Flush()
			for _, v := range e.card.Violations() {
				r.violated("the driver: %s", v)
			}
		}
		err := j.pool.Close()
		r.want(err == nil, "%v", err)
	}, true
}

// breakCards has both cards misbehave, and in the end no more.
func (j *journey) breakCards(p *part) {
	for p.on() {
		for _, e := range []*end{&j.near, &j.far} {
			e.card.SetFaults(e.draw(p))
		}
		time.Sleep(time.Duration(p.rand.IntN(1000)) * time.Microsecond)
	}
	for _, e := range []*end{&j.near, &j.far} {
		e.card.SetFaults(nictest.Faults{})
	}
	j.quiet.Store(true)
}

func (e *end) draw(p *part) (f nictest.Faults) {
	if p.one(3) {
		f.HoldRx, f.HoldTx = p.rand.IntN(8), p.rand.IntN(8)
	}
	f.TxStuck = p.one(8)
	if p.one(2) {
		f.Wire = func([]byte) nictest.Fate {
			fate := nictest.Arrives
			switch e.fates.IntN(32) {
			case 0:
				fate = nictest.Lost
			case 1:
				fate = nictest.Spoilt
			default:
				return fate
			}
			e.lost.Add(1)
			return fate
		}
	}
	if p.one(4) {
		f.Rx = func(d nictest.RxDone) nictest.RxDone { // the driver drops it, and counts
			switch e.fates.IntN(64) {
			case 0:
				d.Length = 0
			case 1:
				d.Length = 0xFFFF
			case 2:
				d.Status |= 1 << 31
			}
			return d
		}
	}
	return f
}

// missing returns how many frames were lost on the way to an end and in its card, all
// of which are counted somewhere.
func (e *end) missing() uint64 {
	s, err := e.port.Stats()
	if err != nil {
		return 0
	}
	return e.lost.Load() + s.RxMissed + s.RxDropped
}

// A frame's bytes: Ethernet, then from here on the flow, its number in the flow, the
// mark of the worker, and whatever; and at the end the sum of all that.
const (
	flowAt, numberAt, markAt = 14, 22, 30
	sumSize                  = 4
	shortest, longest        = 60, 1514
)

func seal(frame []byte) {
	n := len(frame) - sumSize
	binary.BigEndian.PutUint32(frame[n:], crc32.ChecksumIEEE(frame[:n]))
}

func sealed(frame []byte) bool {
	n := len(frame) - sumSize
	return n >= markAt+8 && binary.BigEndian.Uint32(frame[n:]) == crc32.ChecksumIEEE(frame[:n])
}

func newFlow(key, version uint64) *flow {
	f := &flow{key: key, version: version}
	f.fill(mark(key))
	return f
}

func mark(key uint64) uint64 { return (key + 1) * 0x9E3779B97F4A7C15 }

// source sends frames of all flows, numbered.
func (j *journey) source(p *part) {
	var numbers [flows]uint64
	tx := j.near.port.TxQueue(0)
	for p.on() {
		bufs := make([]*pktbuf.Buf, 1+p.rand.IntN(j.burst))
		bufs = bufs[:j.near.tx.GetN(bufs)]
		for _, b := range bufs {
			key := p.rand.Uint64N(flows)
			frame := b.Append(shortest + p.rand.IntN(longest-shortest+1))
			clear(frame)
			copy(frame, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0x88, 0xB5})
			binary.BigEndian.PutUint64(frame[flowAt:], key)
			binary.BigEndian.PutUint64(frame[numberAt:], numbers[key])
			numbers[key]++
			seal(frame)
		}
		j.send(p, tx, bufs, &j.sent)
		p.pause()
	}
	j.sent.end()
}

// send hands over all of bufs, however long the card takes, and counts them.
func (j *journey) send(p *part, tx nicring.TxQueue, bufs []*pktbuf.Buf, to *count) {
	all := len(bufs)
	for wait := (spinlock.Backoff{}); ; wait.Wait() {
		n := tx.Send(bufs)
		bufs = bufs[n:]
		if len(bufs) == 0 || p.round.lost() {
			break
		}
	}
	j.pool.PutN(bufs)
	to.n += uint64(all)
	p.did(all)
}

// idle has a receiver wait a little for frames, or for the one before it to end.
func idle(p *part, rx nicring.RxQueue, wait *spinlock.Backoff) {
	if !p.one(4) {
		wait.Wait()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(p.rand.IntN(500))*time.Microsecond)
	defer cancel()
	p.timed(func() {
		err := rx.Wait(ctx)
		p.want(err == nil || ctx.Err() != nil, "a wait for frames failed with %v", err)
	})
}

// receive carries frames from the far card into the ring.
func (j *journey) receive(p *part) {
	rx := j.far.port.RxQueue(0)
	bufs := make([]*pktbuf.Buf, j.burst)
	var wait spinlock.Backoff
	for !p.round.lost() {
		n := rx.Recv(bufs)
		j.taken.n += uint64(n)
		if err := j.pass(p, bufs[:n]); err != nil {
			p.fail("a push failed with %v", err)
		}
		if n > 0 {
			wait.Reset()
		} else if j.quiet.Load() && j.sent.ended.Load() && j.taken.n+j.far.missing() >= j.sent.n {
			p.want(j.taken.n+j.far.missing() == j.sent.n, "%d frames were sent, %d arrived and %d are missing", j.sent.n, j.taken.n, j.far.missing())
			break
		} else {
			idle(p, rx, &wait)
		}
		p.did(n)
		p.pause()
	}
	j.ring.Close()
}

func (j *journey) pass(p *part, bufs []*pktbuf.Buf) error {
	n := 0
	if p.one(2) {
		n = j.ring.TryPushN(bufs)
	}
	_, err := j.ring.PushN(context.Background(), bufs[n:])
	return err
}

// work marks frames by the flow table, and sends them on.
func (j *journey) work(p *part) {
	defer j.forwarded.end()
	reader := j.domain.Register()
	defer reader.Close()
	bufs := make([]*pktbuf.Buf, j.burst)
	tx := j.far.port.TxQueue(0)
	for {
		n, err := j.ring.PopN(context.Background(), bufs)
		if err == spsc.ErrClosed {
			return
		}
		p.want(err == nil, "a pop failed with %v", err)
		reader.Lock()
		known, unknown := j.mark(p, bufs[:n])
		reader.Unlock()
		j.far.tx.PutN(unknown)
		j.send(p, tx, known, &j.forwarded)
		p.pause()
	}
}

// mark marks the frames of flows that are known.
func (j *journey) mark(p *part, bufs []*pktbuf.Buf) (known, unknown []*pktbuf.Buf) {
	for _, b := range bufs {
		frame := b.Bytes()
		if !sealed(frame) {
			p.fail("a frame of %d bytes came damaged", len(frame))
			unknown = append(unknown, b)
			continue
		}
		f, ok := j.table.Load(binary.BigEndian.Uint64(frame[flowAt:]))
		if !ok {
			unknown = append(unknown, b)
			continue
		}
		f.use(p)
		binary.BigEndian.PutUint64(frame[markAt:], f.words[0])
		seal(frame)
		known = append(known, b)
	}
	return known, unknown
}

// change has flows come and go, and their marks change places.
func (j *journey) change(p *part) {
	for version := uint64(1); p.on(); version++ {
		key := p.rand.Uint64N(flows)
		var old *flow
		if p.one(8) {
			old, _ = j.table.Delete(key)
		} else {
			old, _ = j.table.Swap(key, newFlow(key, version))
		}
		if old == nil {
			continue
		}
		if p.one(2) {
			j.domain.Call(func() { old.spoil(version) })
		} else {
			p.timedGrace(j.domain.Synchronize)
			old.spoil(version)
		}
		p.did(1)
		p.pause()
	}
	j.domain.Barrier()
}

// sink looks at what has come back.
func (j *journey) sink(p *part) {
	rx := j.near.port.RxQueue(0)
	bufs := make([]*pktbuf.Buf, j.burst)
	var next [flows]uint64
	var wait spinlock.Backoff
	for !p.round.lost() {
		n := rx.Recv(bufs)
		for _, b := range bufs[:n] {
			frame := b.Bytes()
			if !sealed(frame) {
				p.fail("a frame of %d bytes came back damaged", len(frame))
				continue
			}
			key, number := binary.BigEndian.Uint64(frame[flowAt:]), binary.BigEndian.Uint64(frame[numberAt:])
			got := binary.BigEndian.Uint64(frame[markAt:])
			p.want(got == mark(key), "a frame of flow %d is marked %#x, want %#x", key, got, mark(key))
			p.want(number >= next[key], "frame %d of flow %d came back after %d", number, key, next[key]-1)
			next[key] = number + 1
		}
		j.near.rx.PutN(bufs[:n])
		j.home.n += uint64(n)
		if n > 0 {
			wait.Reset()
		} else if j.quiet.Load() && j.forwarded.ended.Load() && j.home.n+j.near.missing() >= j.forwarded.n {
			p.want(j.home.n+j.near.missing() == j.forwarded.n, "%d frames were sent back, %d arrived and %d are missing", j.forwarded.n, j.home.n, j.near.missing())
			return
		} else {
			idle(p, rx, &wait)
		}
		p.did(n)
		p.pause()
	}
}

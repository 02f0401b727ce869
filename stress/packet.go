package stress

import (
	"context"
	"encoding/binary"
	"errors"
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
	{"packet", "every frame that neither wire nor card loses comes back whole, in order and by its flow, and every buffer too", packet},
}

// A depot is what journeys have in common, one after the other.
type depot struct {
	mem      *nictest.Memory
	arena    *pktbuf.Arena
	pool     *pktbuf.Pool
	opts     nictest.Options
	ringSize int
	burst    int

	// table says of each flow what the worker is to mark its frames with. What it
	// refers to is used again when no worker can have it any more.
	table  *rcu.Map[uint64, *flow]
	domain rcu.Domain
}

// A journey is the whole way of a packet, there and back. The near card sends frames to
// the far one, where they go RxQueue -> spsc.Ring -> worker -> TxQueue and return.
type journey struct {
	*depot
	near, far end
	ring      *spsc.Ring[*pktbuf.Buf]
	mishap    mishap

	sent, taken, forwarded, home count       // frames, in the order of their way
	quiet                        atomic.Bool // no faults any more
	cut                          atomic.Bool // a card was removed
}

// A mishap is what else befalls the cards, beside faults that pass by themselves.
type mishap int

const (
	nothing mishap = iota
	hang           // of both cards' transmission, which only a reset ends
	removal        // of one card
	mishaps
)

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

	lost   atomic.Uint64 // frames that never arrived whole
	doomed atomic.Bool   // the card is being removed
	fates  *rand.Rand    // of the card, when it is locked
}

const flows = 16

func packet(r *round) {
	d := &depot{
		opts:     nictest.Options{Deferred: r.rand.IntN(2) == 0, Lax: r.rand.IntN(4) == 0},
		ringSize: 8 << r.rand.IntN(6),
		burst:    1 + r.rand.IntN(64),
		table:    rcu.NewMap[uint64, *flow](),
	}
	capacity := r.capacity()
	if !d.stock(r, capacity) {
		return
	}
	for key := range uint64(flows) {
		d.table.Store(key, newFlow(key, 0))
	}
	mishap := mishap(r.rand.IntN(int(mishaps)))
	d.travel(r, capacity, mishap)
	if mishap == removal && !r.lost() {
		d.travel(r, capacity, nothing) // on two new cards
	}
	if !r.lost() {
		err := d.pool.Close()
		r.want(err == nil, "%v", err)
	}
}

// stock makes the memory of two cards and the buffers of all who take part.
func (d *depot) stock(r *round, capacity int) (ok bool) {
	const caches, inCache, bufferSize, page = 4, 512, 2048, 2 << 20
	buffers := 4*d.ringSize + caches*inCache + capacity + 4*d.burst
	d.mem = nictest.NewMemory(page * (2 + buffers/(page/(bufferSize+2*pktbuf.Headroom))))
	d.arena = pktbuf.NewArena(d.mem.Region())
	var err error
	if d.pool, err = pktbuf.NewPool(d.arena, buffers, bufferSize); err != nil {
		r.violated("%v", err)
	}
	return err == nil
}

// travel is one journey, from two cards that nobody has used to the last buffer that
// they held.
func (d *depot) travel(r *round, capacity int, m mishap) {
	j := &journey{depot: d, ring: spsc.New[*pktbuf.Buf](capacity), mishap: m}
	if !j.open(r) {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	if d.opts.Deferred {
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
		j.close(r)
	}
}

func (j *journey) ends() []*end { return []*end{&j.near, &j.far} }

// open makes two cards with a cable between them.
func (j *journey) open(r *round) (ok bool) {
	for i, e := range j.ends() {
		opts := j.opts
		opts.MAC = nicring.MAC{2, 0, 0, 0, 0, byte(i)}
		e.card = nictest.New(j.mem, opts)
		e.rx, e.tx = j.pool.NewCache(), j.pool.NewCache()
		e.fates = rand.New(rand.NewPCG(r.rand.Uint64(), 0))
		var err error
		if e.port, err = e1000e.Open(e.card, j.arena, e1000e.Config{
			RxRing: j.ringSize, TxRing: j.ringSize,
			RxCaches: []*pktbuf.Cache{e.rx}, TxCaches: []*pktbuf.Cache{e.tx},
			Filter: nicring.Filter{Promiscuous: true},
		}); err != nil {
			r.violated("%v", err)
			return false
		}
	}
	nictest.Link(j.near.card, j.far.card)
	return true
}

// close closes both ports, that of a card which is gone too, and counts the buffers.
func (j *journey) close(r *round) {
	for _, e := range j.ends() {
		err := e.port.Close()
		r.want(err == nil, "%v", err)
		e.rx.Flush()
		e.tx.Flush()
		for _, v := range e.card.Violations() {
			r.violated("the driver: %s", v)
		}
	}
	r.want(j.pool.Len() == j.pool.Cap(), "%d of %d buffers are back", j.pool.Len(), j.pool.Cap())
}

// breakCards has both cards misbehave, and in the end no more.
func (j *journey) breakCards(p *part) {
	begin := p.rand.IntN(20) // of the mishap
	for n := 0; p.on() && !j.cut.Load(); n++ {
		for _, e := range j.ends() {
			e.card.SetFaults(j.draw(p, e, n == begin))
		}
		if p.one(32) {
			j.near.card.SetLink(false)
			time.Sleep(time.Duration(p.rand.IntN(1000)) * time.Microsecond)
			j.near.card.SetLink(true)
		}
		time.Sleep(time.Duration(p.rand.IntN(1000)) * time.Microsecond)
		if n == begin && j.mishap == removal {
			e := j.ends()[p.rand.IntN(2)]
			e.doomed.Store(true)
			e.card.Remove()
			j.cut.Store(true)
		}
	}
	for _, e := range j.ends() {
		e.card.SetFaults(nictest.Faults{})
	}
	j.quiet.Store(true)
}

// draw draws faults of a card. Where one is to be removed there are none that can come
// to a reset: what is lost by both at once nobody could count.
func (j *journey) draw(p *part, e *end, mishap bool) (f nictest.Faults) {
	if j.mishap != removal {
		if p.one(3) {
			f.HoldRx, f.HoldTx = p.rand.IntN(8), p.rand.IntN(8)
		}
		f.TxStuck = p.one(8)
	}
	if j.mishap == hang {
		f.TxHangs = mishap // reception that hangs is seen by what arrives, and here the source ends
		f.ResetHangs, f.NVMHangs = p.one(8), p.one(8)
		f.LostDoorbells = p.rand.IntN(3)
	}
	f.LostInterrupts = p.rand.IntN(3)
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

// settled reports whether every frame that was sent from one end to the other has arrived
// or is counted somewhere as lost, on the way or in one of the cards.
func (j *journey) settled(p *part, from, to *end, sent *count, arrived uint64) bool {
	if !j.quiet.Load() || !sent.ended.Load() {
		return false
	}
	s, _ := to.port.Stats() // of a card that is gone they are what they last were
	lost := from.card.Lost().Sent + to.card.Lost().Received + to.lost.Load() + s.RxMissed + s.RxDropped
	p.want(arrived+lost <= sent.n, "%d frames were sent, %d arrived and %d are missing", sent.n, arrived, lost)
	return arrived+lost >= sent.n
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
	for p.on() && !j.cut.Load() {
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

// send hands over all of bufs, however long the card takes unless one was removed, and
// counts them.
func (j *journey) send(p *part, tx nicring.TxQueue, bufs []*pktbuf.Buf, to *count) {
	all := len(bufs)
	for wait := (spinlock.Backoff{}); ; wait.Wait() {
		n := tx.Send(bufs)
		bufs = bufs[n:]
		if len(bufs) == 0 || p.round.lost() || n == 0 && j.cut.Load() {
			break
		}
	}
	j.pool.PutN(bufs)
	to.n += uint64(all - len(bufs))
	p.did(all - len(bufs))
}

// idle has a receiver wait a little for frames, or for the one before it to end.
func (e *end) idle(p *part, wait *spinlock.Backoff) {
	if !p.one(4) {
		wait.Wait()
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(p.rand.IntN(500))*time.Microsecond)
	defer cancel()
	p.timed(func() {
		err := e.port.RxQueue(0).Wait(ctx)
		gone := e.doomed.Load() && errors.Is(err, nicring.ErrRemoved)
		p.want(err == nil || ctx.Err() != nil || gone, "a wait for frames failed with %v", err)
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
		} else if j.settled(p, &j.near, &j.far, &j.sent, j.taken.n) {
			break
		} else {
			j.far.idle(p, &wait)
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
		} else if j.settled(p, &j.far, &j.near, &j.forwarded, j.home.n) {
			return
		} else {
			j.near.idle(p, &wait)
		}
		p.did(n)
		p.pause()
	}
}

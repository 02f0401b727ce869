package e1000e

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/internal/mmio"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// bufferSize is what the card takes every receive buffer to hold (RCTL.BSIZE).
const bufferSize = 2048

// rxQueue is a receive queue. Every descriptor has a buffer at all times. The
// card owns those from next on, but for the last before it comes round to next
// again: a tail equal to the head would mean that it owns none.
type rxQueue struct {
	_     cpu.Pad
	turn  turn // guards ring, next, frame and packets
	card  Card
	regs  uint32 // what to add to a queue register's offset
	ring  *nicring.Ring[rxDesc]
	cache *pktbuf.Cache
	next  uint32 // the descriptor that the card fills next

	maxFrame int
	frame    partial // what has come of a frame that is not whole

	packets uint64 // received
	dropped atomic.Uint64

	line    *line
	waiter  waiter
	watched watched
	_       cpu.Pad
}

func newRxQueue(card Card, line *line, queue uint32, arena *pktbuf.Arena, cfg *Config, cache *pktbuf.Cache) (*rxQueue, error) {
	n := cfg.RxRing
	ring, err := nicring.NewRing[rxDesc](arena, n)
	if err != nil {
		return nil, err
	}
	bufs, _ := ring.Bufs(0, n)
	got := cache.GetN(bufs)
	switch {
	case got < n:
		err = fmt.Errorf("receive ring of %d descriptors: its pool has %d free buffers", n, got)
	case bufs[0].Tailroom() < bufferSize:
		err = fmt.Errorf("receive ring: its pool's buffers hold %d bytes, want at least %d", bufs[0].Tailroom(), bufferSize)
	}
	if err != nil {
		cache.PutN(bufs[:got])
		ring.Free()
		return nil, err
	}
	q := &rxQueue{card: card, line: line, regs: queue * perQueue, ring: ring, cache: cache, next: firstLap(n), maxFrame: cfg.MaxFrame}
	q.waiter = newWaiter(intRXT0|intRXDMT0|intRXO, func() bool { return q.ready(1) > 0 })
	for i, b := range bufs {
		q.arm(uint32(i), b)
	}
	return q, nil
}

// firstLap is where the counters of a ring of n descriptors begin: a lap short
// of wrapping, so that every port has wrapped after its first few frames.
func firstLap(n int) uint32 { return -uint32(n) }

// start tells the card of the ring.
func (q *rxQueue) start() {
	w := func(reg, v uint32) { q.card.Write32(reg+q.regs, v) }
	w(regRDBAL, uint32(q.ring.Bus()))
	w(regRDBAH, uint32(q.ring.Bus()>>32))
	w(regRDLEN, uint32(q.ring.Size()))
	w(regRDH, 0)
	w(regRDT, 0)
	w(regRXDCTL, rxdctl)
}

// startRx lets the card receive.
func (p *Port) startRx() {
	w := p.card.Write32
	w(regRFCTL, rfctlEXTEN|rfctlIPv6Dis)
	w(regRXCSUM, rxcsumIPOFL|rxcsumTUOFL|rxcsumPCSD)
	p.startRSS()
	w(regRDTR, 0)
	for _, q := range p.rx {
		q.start()
	}
	rctl := rctlEN | rctlBAM | rctlSECRC | filterControl(p.filter)
	if p.cfg.MaxFrame > frameMax {
		rctl |= rctlLPE
	}
	if p.cfg.VLAN {
		p.set(regCTRL, ctrlVME)
	}
	w(regRCTL, rctl)
	for _, q := range p.rx {
		q.doorbell()
	}
}

func (p *Port) startRSS() {
	w, rss := p.card.Write32, p.cfg.RSS
	if rss == nil {
		w(regMRQC, 0)
		return
	}
	for i := range uint32(len(rss.Key) / 4) {
		w(regRSSRK+4*i, binary.LittleEndian.Uint32(rss.Key[4*i:]))
	}
	for i := range uint32(len(rss.Table) / 4) {
		t := rss.Table[4*i:]
		w(regRETA+4*i, uint32(t[0])<<7|uint32(t[1])<<15|uint32(t[2])<<23|uint32(t[3])<<31)
	}
	w(regMRQC, mrqcRSS|uint32(rss.Hashes)<<mrqcFlows)
}

// Recv implements nicring.RxQueue.
func (q *rxQueue) Recv(bufs []*pktbuf.Buf) int {
	if !q.turn.take() {
		return 0
	}
	n := q.recv(bufs)
	q.turn.leave()
	return n
}

func (q *rxQueue) recv(bufs []*pktbuf.Buf) int {
	ready := q.ready(len(bufs))
	if ready == 0 {
		return 0
	}
	mmio.ReadBarrier() // what the card wrote before DD, after we saw DD

	// bufs[next:fresh] are empty buffers, each waiting to take the place of one
	// that leaves the ring; bufs[:n] are frames.
	fresh := q.cache.GetN(bufs[:ready])
	n, next := 0, 0
	for range fresh {
		b, d := q.ring.Buf(q.next), q.ring.Desc(q.next)
		done := atomic.LoadUint64(&d.done)
		frame, leaves := b, true
		if q.frame.length == 0 && whole(done) {
			b.Extend(int(done >> rxLength & rxLengthMax))
		} else {
			frame, leaves = q.part(b, done)
		}
		if frame != nil && (d.addr&rxHashed != 0 || done&rxFound != 0) {
			describe(frame, d.addr, done)
		}
		if leaves {
			b = bufs[next]
			next++
		}
		q.arm(q.next, b)
		if frame != nil {
			bufs[n] = frame
			n++
		}
		q.next++
	}
	q.cache.PutN(bufs[next:fresh])
	if fresh > 0 {
		q.doorbell()
	}
	q.packets += uint64(n)
	return n
}

// whole reports whether a descriptor is done with a frame that begins and ends in
// it. The card is not believed: a length that the buffer has not is refused, and
// so is a frame with an error.
func whole(done uint64) bool {
	length := done >> rxLength & rxLengthMax
	return done&(rxEOP|rxErrors) == rxEOP && length-1 < bufferSize
}

// A partial is a frame of which some descriptors are done and the last is not.
type partial struct {
	head, tail *pktbuf.Buf
	length     int  // 0 if there is no such frame
	bad        bool // it will be dropped when its last descriptor is done
	cut        bool // the card was reset, and will not go on with it
}

// part takes a descriptor of a frame that does not end where it began, or of one
// that is refused. It returns the frame if it is whole now, and whether b leaves
// the ring. A frame that goes wrong anywhere counts as dropped, once.
func (q *rxQueue) part(b *pktbuf.Buf, done uint64) (frame *pktbuf.Buf, leaves bool) {
	f, length := &q.frame, int(done>>rxLength&rxLengthMax)
	if f.cut {
		q.drop()
		q.frame = partial{}
	}
	last := done&rxEOP != 0 || length != bufferSize // a frame goes on from full buffers only
	f.length += length
	f.bad = f.bad || done&(rxErrors|rxEOP) != rxEOP && last || uint(length-1) >= bufferSize || f.length > q.maxFrame
	if !f.bad {
		b.Extend(length)
		if f.head == nil {
			f.head = b
		} else {
			f.tail.Link(b)
		}
		f.tail = b
	}
	if !last {
		return nil, !f.bad
	}
	frame, leaves = f.head, !f.bad
	if f.bad {
		q.drop()
		frame = nil
	}
	q.frame = partial{}
	return frame, leaves
}

// drop gives the buffers of a bad frame back, but for the one in its last
// descriptor, which stays in the ring.
func (q *rxQueue) drop() {
	q.dropped.Add(1)
	if q.frame.head != nil {
		q.cache.PutN([]*pktbuf.Buf{q.frame.head})
	}
}

// describe notes what the card found out of a frame: in its last descriptor.
func describe(b *pktbuf.Buf, addr, done uint64) {
	if addr&rxHashed != 0 {
		b.SetHash(uint32(addr >> rxHash))
	}
	if done&rxVP != 0 {
		b.SetVLAN(uint16(done >> rxVLAN))
	}
	if done&rxIXSM == 0 {
		b.SetChecksums(verdict(done, rxIPCS, rxIPE), verdict(done, rxTCPCS, rxTCPE))
	}
}

func verdict(done, verified, wrong uint64) pktbuf.Checksum {
	switch {
	case done&verified == 0:
		return pktbuf.Unchecked
	case done&wrong != 0:
		return pktbuf.Bad
	}
	return pktbuf.Good
}

// ready counts the descriptors that the card is done with, up to limit.
func (q *rxQueue) ready(limit int) int {
	limit = min(limit, q.ring.Len()-1)
	n := 0
	for n < limit && atomic.LoadUint64(&q.ring.Desc(q.next+uint32(n)).done)&rxDD != 0 {
		n++
	}
	return n
}

// arm gives descriptor i the buffer b. The card sees it when the tail has moved
// past it.
func (q *rxQueue) arm(i uint32, b *pktbuf.Buf) {
	q.ring.SetBuf(i, b)
	d := q.ring.Desc(i)
	d.addr = b.Bus()
	d.done = 0
}

// doorbell gives the card every descriptor but the one before next.
func (q *rxQueue) doorbell() {
	mmio.WriteBarrier() // the descriptors before the tail that covers them
	q.card.Write32(regRDT+q.regs, q.ring.Index(q.next-1))
}

// free returns the buffers and the ring. The card must be off memory.
func (q *rxQueue) free() {
	bufs, _ := q.ring.Bufs(0, q.ring.Len())
	q.cache.PutN(bufs)
	if q.frame.head != nil {
		q.cache.PutN([]*pktbuf.Buf{q.frame.head})
	}
	q.ring.Free()
}

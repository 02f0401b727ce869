package e1000e

import (
	"context"
	"fmt"
	"sync/atomic"

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
	card  Card
	regs  uint32 // what to add to a queue register's offset
	ring  *nicring.Ring[rxDesc]
	cache *pktbuf.Cache
	next  uint32 // the descriptor that the card fills next

	dropped atomic.Uint64
}

func newRxQueue(card Card, queue uint32, arena *pktbuf.Arena, n int, cache *pktbuf.Cache) (*rxQueue, error) {
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
	q := &rxQueue{card: card, regs: queue * perQueue, ring: ring, cache: cache, next: firstLap(n)}
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
func (p *Port) startRx(promiscuous bool) {
	w := p.card.Write32
	w(regRXCSUM, 0)
	w(regMRQC, 0)
	w(regRFCTL, rfctlEXTEN)
	w(regRDTR, 0)
	for _, q := range p.rx {
		q.start()
	}
	rctl := uint32(rctlEN | rctlBAM | rctlSECRC)
	if promiscuous {
		rctl |= rctlUPE | rctlMPE
	}
	w(regRCTL, rctl)
	for _, q := range p.rx {
		q.doorbell()
	}
}

// Recv implements nicring.RxQueue.
func (q *rxQueue) Recv(bufs []*pktbuf.Buf) int {
	ready := q.ready(len(bufs))
	if ready == 0 {
		return 0
	}
	mmio.ReadBarrier() // what the card wrote before DD, after we saw DD

	// bufs[n:fresh] are empty buffers, each waiting to take the place of the
	// one that leaves the ring and its place in bufs.
	fresh := q.cache.GetN(bufs[:ready])
	n := 0
	for range fresh {
		b := q.ring.Buf(q.next)
		if length, ok := frameLength(atomic.LoadUint64(&q.ring.Desc(q.next).done)); ok {
			b.Append(length)
			q.arm(q.next, bufs[n])
			bufs[n] = b
			n++
		} else {
			q.dropped.Add(1)
			q.arm(q.next, b)
		}
		q.next++
	}
	q.cache.PutN(bufs[n:fresh])
	if fresh > 0 {
		q.doorbell()
	}
	return n
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

// Wait implements nicring.RxQueue.
//
// The mask is opened first and the ring looked at second. A frame that arrives
// before the look is seen by it; one that arrives later raises the interrupt,
// and so does one whose cause was pending when the mask was opened.
func (q *rxQueue) Wait(ctx context.Context) error {
	q.card.Write32(regIMS, intRXT0|intRXDMT0|intRXO)
	defer q.card.Write32(regIMC, ^uint32(0))
	for q.ready(1) == 0 {
		if err := q.card.WaitInterrupt(ctx); err != nil {
			return fmt.Errorf("e1000e: wait for a frame on %s: %w", q.card, err)
		}
		if q.card.Read32(regICR) == gone { // the read takes the interrupt back
			return fmt.Errorf("e1000e: wait for a frame on %s: %w", q.card, nicring.ErrRemoved)
		}
	}
	return nil
}

// frameLength reads what the card wrote back. The card is not believed: a frame
// that is none, that is longer than its buffer, that goes on in another (the
// card was told of no frame longer than one), or that carries an error is
// refused.
func frameLength(done uint64) (int, bool) {
	length := int(done >> rxLength & rxLengthMax)
	return length, done&(rxEOP|rxErrors) == rxEOP && length > 0 && length <= bufferSize
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
	q.ring.Free()
}

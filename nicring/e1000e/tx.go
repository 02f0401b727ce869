package e1000e

import (
	"sync/atomic"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/internal/mmio"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// txQueue is a transmit queue. The card owns descriptors head to tail, and
// their buffers with them.
//
// It reports status for the last descriptor of a burst only: one write to
// memory in place of one a frame, and it is done with the whole burst once it
// has reported that one.
type txQueue struct {
	card  Card
	regs  uint32 // what to add to a queue register's offset
	ring  *nicring.Ring[txDesc]
	cache *pktbuf.Cache
	head  uint32   // first descriptor not yet collected; a burst begins here
	tail  uint32   // first descriptor not yet handed over
	last  []uint32 // last[i]: the last descriptor of the burst that begins at i

	maxFrame int
	dropped  atomic.Uint64
}

func newTxQueue(card Card, queue uint32, arena *pktbuf.Arena, n, maxFrame int, cache *pktbuf.Cache) (*txQueue, error) {
	ring, err := nicring.NewRing[txDesc](arena, n)
	if err != nil {
		return nil, err
	}
	first := firstLap(n)
	return &txQueue{card: card, regs: queue * perQueue, ring: ring, cache: cache, head: first, tail: first, last: make([]uint32, n), maxFrame: maxFrame}, nil
}

// start tells the card of the ring.
func (q *txQueue) start() {
	w := func(reg, v uint32) { q.card.Write32(reg+q.regs, v) }
	w(regTDBAL, uint32(q.ring.Bus()))
	w(regTDBAH, uint32(q.ring.Bus()>>32))
	w(regTDLEN, uint32(q.ring.Size()))
	w(regTDH, 0)
	w(regTDT, 0)
}

// startTx lets the card transmit.
func (p *Port) startTx() {
	for _, q := range p.tx {
		q.start()
	}
	w := p.card.Write32
	w(regTXDCTL, txdctl) // the same in both queues, used or not
	w(regTXDCTL+perQueue, txdctl)
	w(regTIPG, tipgIEEE)
	w(regTCTL, tctlEN|tctlPSP|tctlCT|tctlCOLD|tctlRTLC)
}

// Send implements nicring.TxQueue. A buffer that holds no Ethernet frame, being
// empty or longer than 1518 bytes, is counted as dropped and goes back to its
// pool; a short one is padded with zeros to 60.
func (q *txQueue) Send(bufs []*pktbuf.Buf) int {
	q.collect()
	room := q.ring.Len() - 1 - int(q.tail-q.head) // a tail equal to the head means empty
	bufs = bufs[:min(len(bufs), room)]
	first := q.tail
	for i, b := range bufs {
		if !pad(b, q.maxFrame) {
			q.dropped.Add(1)
			q.cache.PutN(bufs[i : i+1])
			continue
		}
		q.ring.SetBuf(q.tail, b)
		*q.ring.Desc(q.tail) = txDesc{addr: b.Bus(), cmd: uint32(b.Len()) | txEOP | txIFCS}
		q.tail++
	}
	if q.tail != first {
		q.ring.Desc(q.tail - 1).cmd |= txRS
		q.last[q.ring.Index(first)] = q.tail - 1
		mmio.WriteBarrier() // the descriptors before the tail that covers them
		q.card.Write32(regTDT+q.regs, q.ring.Index(q.tail))
	}
	return len(bufs)
}

// collect takes back the bursts that the card has sent.
func (q *txQueue) collect() {
	for q.head != q.tail {
		last := q.last[q.ring.Index(q.head)]
		if atomic.LoadUint32(&q.ring.Desc(last).status)&txDD == 0 {
			return
		}
		q.release(last + 1)
	}
}

// release gives the buffers from head to end back and moves head there.
func (q *txQueue) release(end uint32) {
	a, b := q.ring.Bufs(q.head, int(end-q.head))
	q.cache.PutN(a)
	q.cache.PutN(b)
	q.head = end
}

// pad brings a frame to the length that the wire demands, and reports whether
// it can be sent.
func pad(b *pktbuf.Buf, maxFrame int) bool {
	switch n := b.Len(); {
	case n >= frameMin:
		return n <= maxFrame
	case n == 0:
		return false
	default:
		zeros := b.Append(frameMin - n)
		clear(zeros)
		return zeros != nil
	}
}

// free returns the buffers and the ring. The card must be off memory.
func (q *txQueue) free() {
	q.release(q.tail)
	q.ring.Free()
}

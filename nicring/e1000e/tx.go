package e1000e

import (
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/internal/mmio"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// txQueue is a transmit queue. The card owns descriptors head to tail, and the
// buffers of packets freed to packets.
//
// A packet takes a descriptor for each of its buffers, and one more if the card is
// told what to do with it. The table beside the descriptors is used as a queue
// of its own, with an entry for each packet: there are never more of them than of
// descriptors.
//
// The card reports status for the last descriptor of a burst only: one write to
// memory in place of one a frame, and it is done with the whole burst once it
// has reported that one.
type txQueue struct {
	_       cpu.Pad
	turn    turn // guards what follows, down to sent
	card    Card
	regs    uint32 // what to add to a queue register's offset
	ring    *nicring.Ring[txDesc]
	cache   *pktbuf.Cache
	head    uint32  // first descriptor not yet collected; a burst begins here
	tail    uint32  // first descriptor not yet handed over
	freed   uint32  // packets given back
	packets uint32  // packets handed over
	bursts  []burst // bursts[i]: the burst that begins at descriptor i

	sent uint64 // packets handed over, in all

	cfg     *Config
	dropped atomic.Uint64

	watched watched
	_       cpu.Pad
}

// A burst is what one doorbell handed over, up to its last descriptor and to
// so many packets in all.
type burst struct{ last, packets uint32 }

func newTxQueue(card Card, queue uint32, arena *pktbuf.Arena, cfg *Config, cache *pktbuf.Cache) (*txQueue, error) {
	n := cfg.TxRing
	ring, err := nicring.NewRing[txDesc](arena, n)
	if err != nil {
		return nil, err
	}
	first := firstLap(n)
	return &txQueue{
		card: card, regs: queue * perQueue, ring: ring, cache: cache, cfg: cfg,
		head: first, tail: first, freed: first, packets: first,
		bursts: make([]burst, n),
	}, nil
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

// Send implements nicring.TxQueue. A packet that the card cannot send, being
// empty, longer than Config.MaxFrame or one whose Offload does not fit it, is
// counted as dropped and goes back to its pool; a short one is padded with zeros
// to 60.
func (q *txQueue) Send(bufs []*pktbuf.Buf) int {
	if !q.turn.take() {
		return 0
	}
	n := q.send(bufs)
	q.turn.leave()
	return n
}

func (q *txQueue) send(bufs []*pktbuf.Buf) int {
	q.collect()
	room := q.ring.Len() - 1 - int(q.tail-q.head) // a tail equal to the head means empty
	first, n := q.tail, 0
	for ; n < len(bufs); n++ {
		b := bufs[n]
		if !b.Plain() {
			used, ok := q.sendPacket(b, room)
			if !ok {
				break
			}
			room -= used
			continue
		}
		if room == 0 {
			break
		}
		if n := b.Len(); (n < frameMin || n > q.cfg.MaxFrame) && !pad(b) {
			q.drop(b)
			continue
		}
		*q.ring.Desc(q.tail) = txDesc{addr: b.Bus(), cmd: uint32(b.Len()) | txEOP | txIFCS}
		q.tail++
		room--
		q.ring.SetBuf(q.packets, b)
		q.packets++
	}
	q.sent += uint64(n)
	if q.tail != first {
		q.ring.Desc(q.tail - 1).cmd |= txRS
		q.bursts[q.ring.Index(first)] = burst{q.tail - 1, q.packets}
		mmio.WriteBarrier() // the descriptors before the tail that covers them
		q.card.Write32(regTDT+q.regs, q.ring.Index(q.tail))
	}
	return n
}

func (q *txQueue) drop(b *pktbuf.Buf) {
	q.dropped.Add(1)
	q.cache.PutN([]*pktbuf.Buf{b})
}

// collect takes back the bursts that the card has sent.
func (q *txQueue) collect() {
	for q.head != q.tail {
		burst := q.bursts[q.ring.Index(q.head)]
		if !q.done(burst) {
			return
		}
		q.head = burst.last + 1
		q.release(burst.packets)
	}
	if q.freed != q.packets { // those that a reset took from the card
		q.release(q.packets)
	}
}

// done reports whether the card has sent a burst.
func (q *txQueue) done(b burst) bool {
	return atomic.LoadUint32(&q.ring.Desc(b.last).status)&txDD != 0
}

// release gives the packets up to end back.
func (q *txQueue) release(end uint32) {
	a, b := q.ring.Bufs(q.freed, int(end-q.freed))
	q.cache.PutN(a)
	q.cache.PutN(b)
	q.freed = end
}

// pad brings a short frame to the length that the wire demands, and reports
// whether it can be sent. One that may not be written to, since a clone shares it, is
// left to the card, which pads what has at least 17 bytes.
func pad(b *pktbuf.Buf) bool {
	switch n := b.Len(); {
	case n == 0 || n > frameMin:
		return false
	case n >= cardPads && b.Shared():
		return true
	default:
		zeros := b.Append(frameMin - n)
		clear(zeros)
		return zeros != nil
	}
}

// free returns the buffers and the ring. The card must be off memory.
func (q *txQueue) free() {
	q.release(q.packets)
	q.ring.Free()
}

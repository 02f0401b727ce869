package e1000e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
)

// How often the port looks after its card, how soon again when all is not well, and
// how many looks in a row have to find a queue stuck before the card is reset. A
// card that works moves a queue on in milliseconds at its slowest, and what stops it
// for longer, a pause or a link that is down, it says. An outage is seen in a tenth
// of a second and over in four.
const (
	lookEvery = 100 * time.Millisecond
	lookAgain = 50 * time.Millisecond
	patience  = 4

	countEvery = 600 // looks; in a minute no counter comes near its end
)

// watch looks after the card until ctx is done.
func (p *Port) watch(ctx context.Context) {
	next := time.NewTimer(lookEvery)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-next.C:
		}
		if p.look() {
			next.Reset(lookEvery)
		} else {
			next.Reset(lookAgain)
		}
	}
}

// look finds what has gone wrong since the last look, and mends it: a wake-up or
// a doorbell that was lost, a queue that is stuck. It reports whether all is well
// now.
func (p *Port) look() (well bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.down:
		p.restart()
		return !p.down
	case p.gone():
		p.line.removed()
		return true
	}
	if p.looks++; p.looks%countEvery == 0 {
		p.count()
	}
	p.line.look()
	rx, tx := p.lookRx(), p.lookTx()
	if rx {
		p.hangs.rx++
	}
	if tx {
		p.hangs.tx++
	}
	if rx || tx {
		p.restart()
	}
	return !p.down && !p.suspects()
}

// suspects reports whether a queue was stuck at the last look.
func (p *Port) suspects() bool {
	return slices.ContainsFunc(p.rx, func(q *rxQueue) bool { return q.watched.stuck > 0 }) ||
		slices.ContainsFunc(p.tx, func(q *txQueue) bool { return q.watched.stuck > 0 })
}

// lookRx reports whether a receive queue is stuck: the card has gone past a
// descriptor without saying that it is done, or it counts frames while none comes
// to a queue.
func (p *Port) lookRx() (hung bool) {
	for _, i := range []int{nGPRC, nGORC, nMPC} {
		p.counts[i] += p.readCounter(cardCounters[i])
	}
	arrived := p.counts[nGPRC] + p.counts[nMPC]
	withheld := arrived != p.arrived
	p.arrived = arrived
	for _, q := range p.rx {
		withheld = q.look() && withheld
	}
	for _, q := range p.rx {
		stuck := q.watched.idle && (q.watched.head != q.ring.Index(q.watched.at) || withheld)
		hung = q.watched.judge(stuck) || hung
	}
	return hung
}

// lookTx reports whether a transmit queue is stuck.
func (p *Port) lookTx() (hung bool) {
	status := p.card.Read32(regSTATUS)
	for _, q := range p.tx {
		stuck := q.look() && status&(statusLU|statusTXOFF) == statusLU
		hung = q.watched.judge(stuck) || hung
	}
	return hung
}

// watched is what was seen of a queue at the last look.
type watched struct {
	at    uint32 // its counter: of received descriptors, or of collected ones
	head  uint32 // the card's
	idle  bool   // it has not moved, and no descriptor is done
	stuck int    // so many looks in a row
	rung  int    // doorbells repeated
}

// see notes where a queue is, and reports whether it has been there before.
func (w *watched) see(at, head uint32) (same bool) {
	same = w.at == at && w.head == head
	w.at, w.head = at, head
	return same
}

// judge reports whether the queue has been stuck for too long.
func (w *watched) judge(stuck bool) bool {
	if !stuck {
		w.stuck = 0
		return false
	}
	w.stuck++
	return w.stuck >= patience
}

// look reports whether the queue waits for the card. If the card does not know of
// all descriptors it is told again.
func (q *rxQueue) look() bool {
	w := &q.watched
	q.turn.seize(turnLooked)
	next, idle := q.next, q.ready(1) == 0
	q.turn.leave()
	head, tail := q.card.Read32(regRDH+q.regs), q.card.Read32(regRDT+q.regs)
	w.idle = w.see(next, head) && idle
	if w.idle && tail != q.ring.Index(next-1) {
		q.turn.seize(turnLooked)
		if q.next == next {
			q.doorbell()
			w.rung++
		}
		q.turn.leave()
	}
	return idle
}

// look reports whether the queue waits for the card, and has at the last look.
func (q *txQueue) look() bool {
	w := &q.watched
	q.turn.seize(turnLooked)
	head, tail := q.head, q.tail
	waits := head != tail && !q.done(q.bursts[q.ring.Index(head)])
	q.turn.leave()
	same := w.see(head, q.card.Read32(regTDH+q.regs))
	if !waits || !same {
		return false
	}
	if q.card.Read32(regTDT+q.regs) != q.ring.Index(tail) {
		q.turn.seize(turnLooked)
		if q.tail == tail {
			q.card.Write32(regTDT+q.regs, q.ring.Index(tail))
			w.rung++
		}
		q.turn.leave()
	}
	return true
}

// Reset stops the card and starts it again as it was: with its filter, its
// offloads and its rings. What is in the rings is lost, and counted as dropped;
// the buffers are not. Waiting calls go on waiting. A port resets its card by
// itself when that hangs.
func (p *Port) Reset() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := errClosed
	if !p.closed {
		err = p.restart()
	}
	if err != nil {
		return fmt.Errorf("e1000e: reset %s: %w", p, err)
	}
	return nil
}

// restart resets the card, and from its first step to its last no queue is used.
// If it fails, the queues stay as they are, which to those who poll them is a card
// with nothing to receive and no room to send; the next look tries again.
func (p *Port) restart() error {
	if !p.down {
		p.down = true
		p.resets++
		p.line.suspend()
		for _, t := range p.turns() {
			t.seize(turnDown)
		}
	}
	err := p.bringUp()
	if err != nil && !errors.Is(err, nicring.ErrRemoved) {
		return err
	}
	p.down = false
	for _, t := range p.turns() {
		t.leave()
	}
	p.line.resume()
	return err
}

func (p *Port) bringUp() error {
	switch {
	case p.gone():
		return nicring.ErrRemoved
	case !p.answers():
		return errors.New("CTRL.RST is still set")
	}
	p.halt()
	p.count()
	if err := p.reset(); err != nil {
		return err
	}
	p.setHardwareBits()
	p.writeFilter()
	for _, q := range p.rx {
		q.rewind()
	}
	for _, q := range p.tx {
		q.rewind()
	}
	return p.start()
}

func (p *Port) turns() (all []*turn) {
	for _, q := range p.rx {
		all = append(all, &q.turn)
	}
	for _, q := range p.tx {
		all = append(all, &q.turn)
	}
	return all
}

// rewind makes the ring as new, with the buffers that are in it. The cache is
// another goroutine's: buffers of a frame that will not go on wait for that.
func (q *rxQueue) rewind() {
	n, frames := q.ring.Len(), uint64(0)
	for i := range uint32(n) {
		if atomic.LoadUint64(&q.ring.Desc(i).done)&(rxDD|rxEOP) == rxDD|rxEOP {
			frames++
		}
		q.arm(i, q.ring.Buf(i))
	}
	q.frame.cut = q.frame.length > 0
	if q.frame.cut && frames > 0 {
		frames-- // its end; it counts when it is dropped
	}
	q.dropped.Add(frames)
	q.next = wholeLap(q.next, n)
	q.watched = watched{rung: q.watched.rung}
}

// rewind makes the ring as new. Packets that were in it go back to their pools
// with the next Send.
func (q *txQueue) rewind() {
	for done := q.freed; q.head != q.tail; {
		burst := q.bursts[q.ring.Index(q.head)]
		if !q.done(burst) {
			q.dropped.Add(uint64(q.packets - done))
			break
		}
		q.head, done = burst.last+1, burst.packets
	}
	q.tail = wholeLap(q.tail, q.ring.Len())
	q.head = q.tail
	q.watched = watched{rung: q.watched.rung}
}

// wholeLap returns the next counter after i that is the first descriptor of a ring
// of n; i itself if it is that.
func wholeLap(i uint32, n int) uint32 { return (i + uint32(n-1)) &^ uint32(n-1) }

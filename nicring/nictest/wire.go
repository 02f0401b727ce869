package nictest

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
)

// Link joins two cards by a cable: what one transmits arrives at the other.
func Link(a, b *Card) {
	a.join(b)
	b.join(a)
}

func (c *Card) join(peer *Card) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer, c.attached = peer, nil
	c.wake()
}

// Attach gives what the card transmits to a function, in place of another card.
// Frames come one at a time and in order, without FCS, and are its own only until
// it returns. It is called with no lock held and may call the card.
func (c *Card) Attach(transmitted func(frame []byte)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.peer, c.attached = nil, transmitted
	c.wake()
}

// Deliver has a frame, without FCS, arrive at the card. It does not keep frame.
func (c *Card) Deliver(frame []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.linkUp {
		c.lost.Received++
		return
	}
	c.arrive(frame)
	c.settleWire()
}

// deliver has a batch of frames arrive.
func (c *Card) deliver(batch []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.linkUp {
		each(batch, func([]byte) { c.lost.Received++ })
		return
	}
	each(batch, c.arrive)
	c.settleWire()
}

// settleWire stores what has arrived, and sends what that calls for.
func (c *Card) settleWire() {
	c.drain()
	if len(c.out) > 0 {
		c.wake()
	}
}

// each calls do for each frame of a batch, in which a length of 2 bytes goes
// before each.
func each(batch []byte, do func(frame []byte)) {
	for len(batch) > 0 {
		n := 2 + int(binary.LittleEndian.Uint16(batch))
		do(batch[2:n])
		batch = batch[n:]
	}
}

// SetLink plugs the cable in or pulls it out, at both ends. A card begins with
// its cable plugged in; its link is up when its driver has set CTRL.SLU too.
func (c *Card) SetLink(up bool) {
	if peer := c.setCarrier(up); peer != nil {
		peer.setCarrier(up)
	}
}

func (c *Card) setCarrier(up bool) (peer *Card) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.carrier = up
	c.updateLink()
	c.wake()
	return c.peer
}

// updateLink brings STATUS.LU in line with what makes it.
func (c *Card) updateLink() {
	up := c.carrier && c.has(regCTRL, ctrlSLU)
	if up != c.linkUp {
		c.linkUp = up
		c.raise(intLSC)
	}
}

// Step does the work that doorbells have left, and returns how many descriptors
// it worked on. It is for a Deferred card; another has done it already.
func (c *Card) Step() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.work()
}

// Run serves a Deferred card until ctx is done, returning ctx.Err(), or until it
// is removed, returning an error that wraps nicring.ErrRemoved. While there is
// nothing to do it is parked and costs nothing. One goroutine may run it.
func (c *Card) Run(ctx context.Context) error {
	for {
		c.mu.Lock()
		c.work()
		c.idle = true
		c.mu.Unlock()
		select {
		case <-c.kick:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.removed:
			return fmt.Errorf("nictest: run %s: %w", c, nicring.ErrRemoved)
		}
	}
}

// wake sees to it that work is done: now, or by Step or Run.
func (c *Card) wake() {
	if !c.opts.Deferred {
		c.work()
		return
	}
	if c.idle {
		c.idle = false
		select {
		case c.kick <- struct{}{}:
		default:
		}
	}
}

// work does what is pending. One goroutine at a time is in it: another that
// comes, be it from a function the first has called, leaves its work to the
// first, which looks again after every call. The lock is let go for the calls,
// so no card ever waits for another.
func (c *Card) work() (done int) {
	if c.working {
		return 0
	}
	c.working = true
	defer func() { c.working = false }()
	for !c.gone {
		n := c.drain() + c.fetch()
		done += n
		if n == 0 && len(c.out) == 0 {
			break
		}
		c.send()
	}
	return done
}

// send lets the frames in out go to the other end of the cable.
func (c *Card) send() {
	c.out, c.spare = c.spare[:0], c.out
	batch, peer, attached := c.spare, c.peer, c.attached
	if len(batch) == 0 {
		return
	}
	c.mu.Unlock()
	defer c.mu.Lock()
	switch {
	case peer != nil:
		peer.deliver(batch)
	case attached != nil:
		each(batch, attached)
	}
}

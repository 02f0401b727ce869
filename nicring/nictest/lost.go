package nictest

// Losses are how many frames a card has lost of which nothing and nobody tells.
type Losses struct {
	// Received are frames on their way from the cable to the driver: those that came
	// while the link was down or reception off; and, when the card was reset or
	// removed, those in its packet buffer, in descriptors that it held back, and in
	// MPC, where nobody had read that they were missed.
	Received uint64
	// Sent are packets that the driver handed over, by a doorbell that was lost if need
	// be, and that were not fetched when the card lost its access to memory.
	Sent uint64
}

// Lost returns what the card has lost so far. With what its registers count, what the
// driver has received, and what Faults.Wire decided, no frame is unaccounted for.
func (c *Card) Lost() Losses {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

// loseUnsent counts what a ring holds to be sent, and no more says of it.
func (c *Card) loseUnsent(r *ring) {
	if !r.bound || r.receives() {
		return
	}
	for i := r.head; i != r.rung; i = r.next(i) {
		cmd := c.load32(r.at(i) + 8)
		if context := cmd&(txDEXT|txType) == txDEXT; !context && cmd&txEOP != 0 {
			c.lost.Sent++
		}
	}
	if c.gone { // its driver may ring on
		r.head = r.rung
	} else {
		r.rung = r.head
	}
}

// ringInVain is a doorbell of a card that is gone.
func (c *Card) ringInVain(offset, v uint32) {
	if first, queue := queueOf(offset); first == regTDT && v < c.tx[queue].n {
		c.tx[queue].rung = v
		c.loseUnsent(&c.tx[queue])
	}
}

// loseReceived counts what has been received and cannot reach the driver any more.
func (c *Card) loseReceived() {
	c.lost.Received += uint64(c.fifo.n) + uint64(c.reg(regMPC))
}

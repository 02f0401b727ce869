package nictest

import "encoding/binary"

const descSize = 16

// A ring is the card's side of a descriptor ring. The card owns descriptors
// clean to tail: those from head on are to be worked on, those before it are
// done but not yet reported.
type ring struct {
	name              string // RX, TX; RX1, TX1 of queue 1
	queue             uint32
	bal               uint32 // offset of RDBAL or TDBAL; the other registers follow
	control, enable   uint32 // the bit of RCTL or TCTL that lets it work
	bound             bool   // base and n are what the registers say
	base              int    // where in memory descriptor 0 is
	n                 uint32 // descriptors
	head, tail, clean uint32
	rung              uint32    // as tail, and by doorbells that were lost
	reported          uint32    // clean, as soon as nothing before it is held back
	partial           []byte    // to be sent: a packet whose last descriptor has not been fetched
	ask               request   // what its first descriptor asks for
	context           txContext // as fetched
	handed            txContext // as handed over: of a strict card
	claimed           bool      // its memory is marked as the card's own
	slots             []slot    // of a strict card: what was handed over
}

func (r *ring) reset() {
	r.bound = false
	r.partial, r.context, r.handed = r.partial[:0], txContext{}, txContext{}
	r.setHead(0)
}

func (r *ring) setHead(i uint32) { r.head, r.tail, r.rung, r.clean, r.reported = i, i, i, i, i }

// distance returns how many descriptors lie from index a up to b.
func (r *ring) distance(a, b uint32) uint32 {
	if b < a {
		b += r.n
	}
	return b - a
}

func (r *ring) next(i uint32) uint32 {
	if i++; i == r.n {
		return 0
	}
	return i
}

func (r *ring) at(i uint32) int { return r.base + int(i)*descSize }

// bind looks up the memory that the ring's registers point to.
func (c *Card) bind(r *ring) bool {
	if r.bound {
		return true
	}
	bus := uint64(c.reg(r.bal+4))<<32 | uint64(c.reg(r.bal))
	size := int(c.reg(r.bal + 8))
	if size == 0 {
		return false
	}
	base, ok := c.mem.find(bus, size)
	if !ok {
		c.violate("%s ring: %s", r.name, c.mem.whyNot(bus, size))
		return false
	}
	r.bound, r.base, r.n = true, base, uint32(size/descSize)
	if !c.opts.Lax {
		r.slots = make([]slot, r.n)
		r.claimed = c.mem.claim(base, size)
		if !r.claimed {
			c.violate("%s ring of %d bytes at %#x: a card owns part of that memory", r.name, size, bus)
		}
	}
	return true
}

// unbind forgets where the ring is.
func (c *Card) unbind(r *ring) {
	c.disown(r)
	r.bound = false
}

func (c *Card) setHead(r *ring, v uint32) {
	c.disownSlots(r)
	r.setHead(v)
}

// setTail is the doorbell: it hands the card the descriptors up to v.
func (c *Card) setTail(r *ring, v uint32) {
	if c.faults.LostDoorbells > 0 {
		c.faults.LostDoorbells--
		if c.bind(r) && v < r.n {
			r.rung = v
		}
		return
	}
	if !c.bind(r) {
		if v != r.tail {
			c.violate("%s = %d before its ring has an address and a length", r.tailName(), v)
		}
		return
	}
	if v >= r.n {
		c.violate("%s = %d: the ring has %d descriptors", r.tailName(), v, r.n)
		return
	}
	if r.distance(r.clean, r.tail)+r.distance(r.tail, v) >= r.n {
		c.violate("%s moved from %d to %d past descriptor %d, which the card has not handed back", r.tailName(), r.tail, v, r.clean)
		return
	}
	if !c.opts.Lax {
		for i := r.tail; i != v; i = r.next(i) {
			c.takeOver(r, i)
		}
	}
	r.tail, r.rung = v, v
	if c.has(r.control, r.enable) {
		c.mayAccess() // a card reads descriptors ahead
	}
	c.wake()
}

func (r *ring) tailName() string { return r.name[:1] + "DT" + r.name[2:] }

func (r *ring) receives() bool { return r.control == regRCTL }

// handBack tells the driver that the card is done with a descriptor.
func (c *Card) handBack(w writeback) {
	if w.r.receives() {
		c.handBackRx(w)
	} else {
		c.handBackTx(w)
	}
}

func (c *Card) handBackRx(w writeback) {
	r := w.r
	r.clean = r.head
	if first := c.firstHeld(r); first != nil {
		r.clean = first.i
	}
	c.release(r, w.i)
	c.mem.store64(r.at(w.i)+8, w.value)
}

// A transmit descriptor that reports speaks for those before it too, unless one
// of them is to report itself and has been held back.
func (c *Card) handBackTx(w writeback) {
	r := w.r
	if end := r.next(w.i); r.distance(r.clean, end) > r.distance(r.clean, r.reported) {
		r.reported = end
	}
	if c.firstHeld(r) == nil {
		for ; r.clean != r.reported; r.clean = r.next(r.clean) {
			c.release(r, r.clean)
		}
	}
	c.mem.store32(r.at(w.i)+12, uint32(w.value))
}

// firstHeld returns the oldest descriptor of r that is done and has not said
// so.
func (c *Card) firstHeld(r *ring) *writeback {
	for i := range c.held {
		if c.held[i].r == r {
			return &c.held[i]
		}
	}
	return nil
}

func (c *Card) load64(at int) uint64 { return binary.LittleEndian.Uint64(c.mem.bytes[at:]) }
func (c *Card) load32(at int) uint32 { return binary.LittleEndian.Uint32(c.mem.bytes[at:]) }

// mayAccess reports whether the card may access memory now.
func (c *Card) mayAccess() bool {
	if c.gone {
		return false
	}
	if !c.busMaster && !c.refused {
		c.refused = true
		c.violate("access to memory with bus mastering off")
	}
	return c.busMaster && !c.has(regCTRL, ctrlMasterDisable)
}

package nictest

import (
	"fmt"
	"hash/maphash"
	"slices"
)

// Violations lists what the driver has done that it must not, oldest first:
//
//   - a register: reserved, reserved bits changed, written though read-only,
//     accessed while CTRL.RST is set, or used before the NVM is ready
//   - a ring: misaligned, outside memory or across the end of a page, changed
//     while enabled, enabled before it was set up, or its tail set outside of it
//     or past what the card has handed back
//   - a descriptor: not cleared, with reserved bits or a length that cannot be,
//     or changed while the card owned it
//   - a buffer: outside memory or across the end of a page, owned by a card
//     already, or changed while a card owned it
//   - memory accessed with bus mastering off, or stale descriptors when it
//     comes on
//   - something that a card has and this one has no model of
func (c *Card) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Clone(c.violations)
	if c.unlisted > 0 {
		all = append(all, fmt.Sprintf("and %d more", c.unlisted))
	}
	return all
}

// TB is what Check needs of a testing.TB.
type TB interface {
	Helper()
	Cleanup(func())
	Errorf(format string, args ...any)
}

// Check has a test fail when it ends if the driver has violated a rule by then.
func (c *Card) Check(t TB) {
	t.Helper()
	t.Cleanup(func() {
		t.Helper()
		for _, v := range c.Violations() {
			t.Errorf("%s: driver's violation: %s", c, v)
		}
	})
}

const maxListed = 100

func (c *Card) violate(format string, args ...any) {
	if len(c.violations) == maxListed {
		c.unlisted++
		return
	}
	c.violations = append(c.violations, fmt.Sprintf(format, args...))
}

func (c *Card) checkRead(offset uint32) {
	r := registerAt(offset)
	switch {
	case r == nil:
		c.violate("read of register %#05x, which is reserved or not modelled", offset)
	case r.access == writeOnly:
		c.violate("read of %s, which can only be written", r.at(offset))
	case c.resetting > 0 && offset != regCTRL && offset != regSTATUS:
		c.violate("read of %s while CTRL.RST is set", r.at(offset))
	case c.autoRead > 0 && fromNVM(offset):
		c.violate("read of %s before EECD.AUTO_RD is set", r.at(offset))
	}
}

// fromNVM reports whether a register is of no use until the card has read its
// NVM.
func fromNVM(offset uint32) bool {
	return offset == regEERD || offset == regRAL || offset == regRAH
}

// checkWrite checks a write and reports whether it has an effect.
func (c *Card) checkWrite(offset, v uint32) bool {
	r := registerAt(offset)
	switch {
	case r == nil:
		c.violate("write of %#x to register %#05x, which is reserved or not modelled", v, offset)
		return false
	case r.access == readOnly || r.access == readClears:
		c.violate("write of %#x to %s, which can only be read", v, r.at(offset))
		return false
	case c.resetting > 0:
		c.violate("write of %#x to %s while CTRL.RST is set", v, r.at(offset))
		return false
	case c.autoRead > 0 && fromNVM(offset):
		c.violate("write of %#x to %s before EECD.AUTO_RD is set", v, r.at(offset))
	}
	if wrong := (v ^ r.reset) &^ r.bits; wrong != 0 {
		c.violate("write of %#x to %s: bits %#x are reserved", v, r.at(offset), wrong)
	}
	if v&r.missing != 0 {
		c.violate("write of %#x to %s: nictest has no model of bits %#x", v, r.at(offset), v&r.missing)
	}
	if why := c.misuse(offset, v); why != "" {
		c.violate("write of %#x to %s: %s", v, r.at(offset), why)
	}
	return true
}

// misuse says what is wrong with writing v to a register now.
func (c *Card) misuse(offset, v uint32) string {
	receiving, transmitting := c.has(regRCTL, rctlEN), c.has(regTCTL, tctlEN)
	owned := c.rx[0].clean != c.rx[0].tail || c.rx[1].clean != c.rx[1].tail
	changed := v ^ c.reg(offset)
	switch first, _ := queueOf(offset); first {
	case regEERD:
		if c.nvmRead > 0 && v&eerdStart != 0 {
			return "the read before is not done"
		}
	case regRDBAL, regRDBAH, regRDLEN, regRDH:
		if receiving {
			return "reception is enabled"
		}
	case regTDBAL, regTDBAH, regTDLEN, regTDH:
		if transmitting {
			return "transmission is enabled"
		}
	case regMRQC:
		switch {
		case v&mrqcMode > mrqcRSS:
			return "that way of using several queues is reserved"
		case v&mrqcMode != 0 && !c.has(regRXCSUM, rxcsumPCSD):
			return "RSS without RXCSUM.PCSD: descriptors have no room for the hash"
		case receiving && changed != 0:
			return "reception is enabled"
		}
	case regRFCTL:
		if changed&rfctlEXTEN != 0 && (receiving || owned) {
			return "EXTEN changes the format of descriptors that the card owns"
		}
	case regRCTL:
		switch {
		case v&rctlLBM > rctlLBMMAC:
			return "LBM is reserved"
		case v&(rctlBSEX|3<<rctlBSIZE) == rctlBSEX:
			return "BSIZE 0 with BSEX is reserved"
		case changed&(rctlBSEX|3<<rctlBSIZE) != 0 && owned:
			return "BSIZE changes the size of buffers that the card owns"
		case changed&v&rctlEN == 0:
		case c.ringless(&c.rx[0]):
			return "EN without a receive ring"
		case !c.has(regRFCTL, rfctlEXTEN):
			return "nictest has no model of legacy receive descriptors: set RFCTL.EXTEN first"
		}
	case regTCTL:
		if changed&v&tctlEN != 0 && c.ringless(&c.tx[0]) {
			return "EN without a transmit ring"
		}
	}
	return ""
}

// ringless reports whether r has no length. If it has no place either, bind has
// a say.
func (c *Card) ringless(r *ring) bool { return !c.bind(r) && c.reg(r.bal+8) == 0 }

func (r *register) at(offset uint32) string {
	switch {
	case r.count == 0, r.stride == perQueue && offset == r.offset:
		return r.name
	case r.stride == perQueue:
		return r.name + "1"
	}
	return fmt.Sprintf("%s[%d]", r.name, (offset-r.offset)/r.stride)
}

// A slot is what a strict card remembers of a descriptor it owns.
type slot struct {
	desc     [2]uint64
	at, size int    // its buffer in memory
	sum      uint64 // of the buffer's bytes
	held     bool   // the card owns the descriptor
	claimed  bool   // and its buffer is marked as the card's own
}

var seed = maphash.MakeSeed()

// takeOver checks descriptor i at the doorbell that hands it over.
func (c *Card) takeOver(r *ring, i uint32) {
	at := r.at(i)
	s := slot{desc: [2]uint64{c.load64(at), c.load64(at + 8)}, held: true}
	s.size = c.bufSize
	if !r.receives() {
		s.size = txSize(uint32(s.desc[1]))
		c.checkTx(r, i, uint32(s.desc[1]), uint32(s.desc[1]>>32))
	} else if s.desc[1] != 0 {
		c.violate("%s descriptor %d: its second half is %#x, not cleared", r.name, i, s.desc[1])
	}
	var ok bool
	if s.size == 0 {
		// A context, or a length that was listed: no buffer.
	} else if s.at, ok = c.mem.find(s.desc[0], s.size); !ok {
		c.violate("%s descriptor %d: %s", r.name, i, c.mem.whyNot(s.desc[0], s.size))
		s.size = 0
	} else if s.claimed = c.mem.claim(s.at, s.size); !s.claimed {
		c.violate("%s descriptor %d: a card owns part of the %d bytes at %#x already", r.name, i, s.size, s.desc[0])
	}
	s.sum = maphash.Bytes(seed, c.mem.bytes[s.at:s.at+s.size])
	r.slots[i] = s
}

func (c *Card) checkTx(r *ring, i, cmd, status uint32) {
	size := uint32(txSize(cmd))
	wrong := func(format string, args ...any) {
		c.violate("%s descriptor %d: %s", r.name, i, fmt.Sprintf(format, args...))
	}
	switch {
	case cmd&(txDEXT|txType) == txDEXT:
		c.checkContext(r, i, wrong)
		return
	case cmd&txDEXT != 0 && cmd&txType != txData:
		wrong("type %d is reserved", cmd&txType>>20)
		return
	}
	if size == 0 || size > maxTx {
		wrong("length %d, want 1 to %d", size, maxTx)
	}
	if cmd&(txEOP|txIFCS) == txEOP {
		wrong("no IFCS: the frame would go out without FCS")
	}
	if cmd&txVLE != 0 && !c.has(regCTRL, ctrlVME) {
		wrong("VLE without CTRL.VME: no tag would be put in")
	}
	if cmd&txVLE == 0 && status>>txVLAN != 0 {
		wrong("a VLAN tag without VLE")
	}
	switch {
	case cmd&txDEXT == 0 && cmd&txIC != 0:
		wrong("command %#x: nictest has no model of IC", cmd>>24)
	case cmd&txDEXT == 0 && cmd&(txReserve|txCSO) != 0:
		wrong("command %#x has reserved bits", cmd>>16)
	case cmd&txDEXT == 0 && status&0xFFFF != 0:
		wrong("its last word is %#x, not cleared", status)
	case cmd&txDEXT != 0 && status&0xFFFF&^(txIXSM|txTXSM) != 0:
		wrong("its last word is %#x: reserved bits", status)
	case cmd&txDEXT != 0 && (cmd&txTSE != 0 || status&(txIXSM|txTXSM) != 0) && !r.handed.loaded:
		wrong("it asks for what a context has to say, and there is none")
	case cmd&txDEXT != 0 && cmd&txTSE != 0 && !r.handed.segmentation:
		wrong("TSE, and its context is none for segmentation")
	}
}

// checkContext checks a context descriptor and notes that r has one.
func (c *Card) checkContext(r *ring, i uint32, wrong func(format string, args ...any)) {
	at := r.at(i)
	ctx := readContext(c.load64(at), c.load64(at+8))
	r.handed = ctx
	switch {
	case ctx.ipcss >= ctx.tucss && ctx.tucss != 0:
		wrong("context: the transport header, at %d, lies before the network header, at %d", ctx.tucss, ctx.ipcss)
	case ctx.segmentation && (ctx.mss == 0 || ctx.payload == 0):
		wrong("context: segments of %d bytes of %d", ctx.mss, ctx.payload)
	case ctx.segmentation && ctx.header <= ctx.tucso:
		wrong("context: headers of %d bytes do not reach over the checksum at %d", ctx.header, ctx.tucso)
	case ctx.segmentation && !ctx.tcp:
		wrong("context: segmentation of what is not TCP")
	}
}

// verify checks that the driver has left alone what the card owns, when the card
// comes to use it.
func (c *Card) verify(r *ring, i uint32) {
	if c.opts.Lax || !r.slots[i].held {
		return
	}
	s, at := &r.slots[i], r.at(i)
	if c.load64(at) != s.desc[0] || c.load64(at+8) != s.desc[1] {
		c.violate("%s descriptor %d: changed while the card owned it", r.name, i)
	}
	if maphash.Bytes(seed, c.mem.bytes[s.at:s.at+s.size]) != s.sum {
		c.violate("%s descriptor %d: its buffer at %#x changed while the card owned it", r.name, i, s.desc[0])
	}
}

// release gives descriptor i and its buffer back.
func (c *Card) release(r *ring, i uint32) {
	if c.opts.Lax {
		return
	}
	s := &r.slots[i]
	if s.claimed {
		c.mem.release(s.at, s.size)
	}
	*s = slot{}
}

func (c *Card) disownAll() {
	for _, r := range c.rings {
		c.disown(r)
	}
}

// disown gives everything back that the card owns by a ring.
func (c *Card) disown(r *ring) {
	c.disownSlots(r)
	if r.claimed {
		r.claimed = false
		c.mem.release(r.base, int(r.n)*descSize)
	}
}

// disownSlots gives back the descriptors, and no more is said of them. Those
// not yet used must be as they were handed over.
func (c *Card) disownSlots(r *ring) {
	c.loseUnsent(r)
	c.held = slices.DeleteFunc(c.held, func(w writeback) bool {
		if w.r == r && r.receives() && w.value&rxEOP != 0 {
			c.lost.Received++
		}
		return w.r == r
	})
	if !r.bound || c.opts.Lax {
		return
	}
	for i := r.head; i != r.tail; i = r.next(i) {
		c.verify(r, i)
	}
	for i := range r.slots {
		c.release(r, uint32(i))
	}
}

// checkStale looks for descriptors from before bus mastering was off.
func (c *Card) checkStale(r *ring) {
	if r.bound && c.has(r.control, r.enable) && r.head != r.tail {
		c.violate("bus mastering on while %s is enabled and owns descriptors from before it was off", r.name)
	}
}

package nictest

import (
	"encoding/binary"
	"math/bits"
)

// The bits of a transmit descriptor's third quarter: of a legacy one, of a context
// (DEXT, type 0) and of data (DEXT, type 1). DD and what a packet asks for are in
// the last quarter.
const (
	txLength  = 0xFFFF
	txCSO     = 0xFF << 16
	txEOP     = 1 << 24
	txIFCS    = 1 << 25
	txIC      = 1 << 26
	txRS      = 1 << 27
	txReserve = 1 << 28
	txDEXT    = 1 << 29
	txVLE     = 1 << 30

	txType       = 0xF << 20
	txData       = 1 << 20
	txDataLength = 0xFFFFF
	txTSE        = 1 << 26
	txTCP        = 1 << 24 // of a context
	txIPv4       = 1 << 25

	txDD   = 1 << 0
	txIXSM = 1 << 8
	txTXSM = 1 << 9
	txVLAN = 16 // shift

	maxTx = 16 << 10 // bytes a descriptor may point to
)

// txSize returns how many bytes a descriptor points to.
func txSize(cmd uint32) int {
	switch {
	case cmd&txDEXT == 0:
		return int(cmd & txLength)
	case cmd&txType == txData:
		return int(cmd & txDataLength)
	}
	return 0
}

// txReady reports whether a descriptor of r can be fetched.
func (c *Card) txReady(r *ring) bool {
	return r.bound && r.head != r.tail && c.has(regTCTL, tctlEN) && c.has(regTARC+r.queue*perQueue, tarcEN) &&
		(c.linkUp || c.loopback()) && !c.paused && !c.faults.TxStuck && !c.txHung && c.mayAccess()
}

// loopback reports whether what the card transmits comes back to it inside the
// MAC.
func (c *Card) loopback() bool { return c.reg(regRCTL)&rctlLBM == rctlLBMMAC }

// fetch reads transmit descriptors until the transmit part of the packet buffer
// is full, and returns how many. The queues take turns, a frame each.
func (c *Card) fetch() (fetched int) {
	limit := int(c.reg(regPBA)>>16) << 10
	for turn := true; turn; {
		turn = false
		for i := range c.tx {
			r := &c.tx[i]
			for whole := false; !whole && len(c.out) < limit && c.txReady(r); fetched++ {
				whole = c.fetchOne(r)
				turn = true
				if r.head == r.tail {
					c.raise(intTXQE)
				}
			}
		}
	}
	return fetched
}

// fetchOne reads one descriptor and reports whether it ends a frame.
func (c *Card) fetchOne(r *ring) (whole bool) {
	i := r.head
	c.verify(r, i)
	at := r.at(i)
	bus, cmd, last := c.load64(at), c.load32(at+8), c.load32(at+12)
	r.head = r.next(i)
	if cmd&(txDEXT|txType) == txDEXT {
		r.context = readContext(bus, c.load64(at+8))
		c.fetched(r, i, cmd, last)
		return true // it is part of no packet
	}
	size := txSize(cmd)
	var data []byte
	if from, ok := c.mem.find(bus, size); ok {
		data = c.mem.bytes[from : from+size]
	} else if c.opts.Lax {
		c.violate("%s descriptor %d: %s", r.name, i, c.mem.whyNot(bus, size))
	}
	if len(r.partial) == 0 {
		r.ask = request{}
		if cmd&txDEXT != 0 {
			r.ask = request{ipSum: last&txIXSM != 0, tuSum: last&txTXSM != 0, segments: cmd&txTSE != 0}
		}
	}
	if cmd&txVLE != 0 {
		r.ask.tag, r.ask.vlan = true, uint16(last>>txVLAN)
	}
	switch {
	case cmd&txEOP == 0:
		r.partial = append(r.partial, data...)
	case len(r.partial) == 0 && r.ask == (request{}):
		c.transmit(data) // the common case: no copy
	default:
		r.partial = append(r.partial, data...)
		c.emit(r.context, r.partial, r.ask)
		r.partial = r.partial[:0]
	}
	c.fetched(r, i, cmd, last)
	return cmd&txEOP != 0
}

// fetched reports that descriptor i is done, if it asks for that.
func (c *Card) fetched(r *ring, i, cmd, last uint32) {
	if cmd&txRS != 0 {
		c.finish(writeback{r, i, uint64(last | txDD)})
		c.raise(intTXDW | intTXQ0<<r.queue)
	}
}

// transmit puts a frame on its way and counts it.
func (c *Card) transmit(frame []byte) {
	if len(frame) == 0 || len(frame) > maxLong {
		return
	}
	pad := 0
	if c.has(regTCTL, tctlPSP) {
		pad = max(minFrame-len(frame), 0)
	}
	start := len(c.out)
	c.out = binary.LittleEndian.AppendUint16(c.out, uint16(len(frame)+pad))
	c.out = append(c.out, frame...)
	c.out = append(c.out, zeros[:pad]...)
	frame = c.out[start+2:]

	size := len(frame) + fcsSize
	c.count(regTPT)
	c.addOctets(regTOTL, size)
	c.count(regGPTC)
	c.addOctets(regGOTCL, size)
	c.countSize(regPTC64, size)
	if isGroup(frame) && len(frame) >= minAddressed {
		c.count(groupCounter(frame, regBPTC, regMPTC))
	}
	if c.loopback() {
		c.out = c.out[:start]
		c.arrive(frame)
	}
}

var zeros [minFrame]byte

// groupCounter returns the counter that a frame to a group belongs to.
func groupCounter(frame []byte, broadcast, multicast uint32) uint32 {
	if isBroadcast(frame) {
		return broadcast
	}
	return multicast
}

// count adds one to a counter, which sticks at all ones.
func (c *Card) count(counter uint32) {
	if n := &c.regs[counter/4]; *n != 0xFFFFFFFF {
		*n++
	}
}

// addOctets adds to a counter of two registers.
func (c *Card) addOctets(low uint32, n int) {
	sum := uint64(c.reg(low+4))<<32 | uint64(c.reg(low))
	if sum += uint64(n); sum < uint64(n) {
		sum = ^uint64(0)
	}
	c.regs[low/4], c.regs[low/4+1] = uint32(sum), uint32(sum>>32)
}

// countSize counts a frame by its size, FCS included, in the first of six
// counters, which is for 64 octets, or in one of the others, for those up to
// 127, 255, 511, 1023, and above.
func (c *Card) countSize(first uint32, size int) {
	switch {
	case size == 64:
		c.count(first)
	case size > 64:
		c.count(first + 4*uint32(min(bits.Len(uint(size/64)), 5)))
	}
}

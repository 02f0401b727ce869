package nictest

import (
	"encoding/binary"
	"time"
)

// Flow control: a card asks the other end for a pause with a frame (IEEE 802.3,
// annex 31B) that says for how long, and takes it back with one that says 0.

const (
	pauseOpcode = 1
	quantum     = 512 * time.Nanosecond // 512 bit times, at 1000 Mb/s
)

// pauses takes frames of flow control, which go no further, and reports whether
// frame is one.
func (c *Card) pauses(frame []byte) bool {
	if !c.has(regCTRL, ctrlRFCE) || len(frame) < 18 ||
		binary.LittleEndian.Uint32(frame) != c.reg(regFCAL) ||
		uint32(binary.LittleEndian.Uint16(frame[4:])) != c.reg(regFCAH) ||
		uint32(binary.BigEndian.Uint16(frame[12:])) != c.reg(regFCT) {
		return false
	}
	long := time.Duration(binary.BigEndian.Uint16(frame[16:])) * quantum
	switch {
	case binary.BigEndian.Uint16(frame[14:]) != pauseOpcode:
		c.count(regFCRUC)
	case long == 0:
		c.count(regXONRXC)
		c.pause(0)
	default:
		c.count(regXOFFRXC)
		c.pause(long)
	}
	return true
}

// pause holds transmission back for so long from now on.
func (c *Card) pause(long time.Duration) {
	if c.pauseEnds != nil {
		c.pauseEnds.Stop()
	}
	c.paused = long > 0
	if !c.paused {
		c.wake()
		return
	}
	var ends *time.Timer
	ends = time.AfterFunc(long, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.pauseEnds == ends { // and not one that came after it
			c.paused = false
			c.wake()
		}
	})
	c.pauseEnds = ends
}

// congestion asks for a pause when the packet buffer fills up, and takes that back
// when there is room again.
func (c *Card) congestion() {
	used, low, high := uint32(c.fifo.used), c.reg(regFCRTL), c.reg(regFCRTH)
	switch {
	case !c.has(regCTRL, ctrlTFCE) || !c.linkUp:
	case !c.asked && used >= high:
		c.asked = true
		c.count(regXOFFTXC)
		c.sendPause(uint16(c.reg(regFCTTV)))
	case c.asked && used <= low&^fcrtlXONE:
		c.asked = false
		if low&fcrtlXONE != 0 {
			c.count(regXONTXC)
			c.sendPause(0)
		}
	}
}

const fcrtlXONE = 1 << 31

// sendPause puts a frame behind those that were fetched, and ahead of all others.
func (c *Card) sendPause(quanta uint16) {
	f := make([]byte, minFrame)
	binary.LittleEndian.PutUint32(f, c.reg(regFCAL))
	binary.LittleEndian.PutUint16(f[4:], uint16(c.reg(regFCAH)))
	binary.LittleEndian.PutUint32(f[6:], c.reg(regRAL))
	binary.LittleEndian.PutUint16(f[10:], uint16(c.reg(regRAH)))
	binary.BigEndian.PutUint16(f[12:], uint16(c.reg(regFCT)))
	binary.BigEndian.PutUint16(f[14:], pauseOpcode)
	binary.BigEndian.PutUint16(f[16:], quanta)
	c.out = append(binary.LittleEndian.AppendUint16(c.out, uint16(len(f))), f...)
	c.count(regTPT)
	c.addOctets(regTOTL, len(f)+fcsSize)
}

package nictest

import (
	"encoding/binary"

	"github.com/ferrule-go/ferrule/nicring"
)

// A finding is what the card finds out of a frame that it receives.
type finding struct {
	queue  uint8
	vlan   uint16
	status uint32 // bits for the frame's last descriptor
	rss    uint64 // the first half of its descriptors: kind, queue and hash
}

func (c *Card) inspect(frame []byte) (f finding) {
	body := frame
	if c.tagged(frame) && c.has(regCTRL, ctrlVME) {
		f.vlan = binary.BigEndian.Uint16(frame[14:])
		f.status = rxVP
	}
	if c.tagged(frame) {
		body = frame[4:] // its type is where that of an untagged frame is
	}
	f.status |= c.checksums(body)
	if c.reg(regMRQC)&mrqcMode == mrqcRSS && c.has(regRXCSUM, rxcsumPCSD) {
		hash, by := c.hash(frame)
		if by != nicring.FlowNone {
			f.queue = uint8(c.reg(regRETA+hash&0x7C)>>(hash&3*8)) >> 7
		}
		f.rss = uint64(hash)<<32 | uint64(f.queue)<<8 | uint64(by)
	}
	return f
}

func (c *Card) hash(frame []byte) (uint32, nicring.Flow) {
	if c.toeplitz == nil {
		var key nicring.RSSKey
		for i := range uint32(len(key) / 4) {
			binary.LittleEndian.PutUint32(key[4*i:], c.reg(regRSSRK+4*i))
		}
		c.toeplitz = nicring.NewToeplitz(key)
	}
	return c.toeplitz.Frame(frame, nicring.FlowSet(c.reg(regMRQC)>>mrqcFlows))
}

// tagged reports whether a frame has a VLAN tag.
func (c *Card) tagged(frame []byte) bool {
	return len(frame) >= 18 && uint32(binary.BigEndian.Uint16(frame[12:])) == c.reg(regVET)
}

// wantsVLAN is the VLAN filter. Frames without a tag pass it.
func (c *Card) wantsVLAN(frame []byte) bool {
	if !c.has(regRCTL, rctlVFE) || !c.tagged(frame) {
		return true
	}
	id := uint32(binary.BigEndian.Uint16(frame[14:]) & 0xFFF)
	return c.has(regVFTA+id>>5*4, 1<<(id&31))
}

// checksums verifies those of a frame without a tag as far as RXCSUM asks. There
// is nothing to be said of what is neither IPv4 nor IPv6, and of fragments only
// that their header is right.
func (c *Card) checksums(frame []byte) uint32 {
	const ipv4, ipv6, tcp, udp = 0x0800, 0x86DD, 6, 17
	status := uint32(0)
	ip := frame[14:]
	var pseudo uint32
	var protocol byte
	var segment []byte
	switch binary.BigEndian.Uint16(frame[12:]) {
	case ipv4:
		header, total := int(ip[0]&15)*4, int(binary.BigEndian.Uint16(ip[2:]))
		if ip[0]>>4 != 4 || header < 20 || total < header || total > len(ip) {
			return rxIXSM
		}
		if c.has(regRXCSUM, rxcsumIPOFL) {
			status |= rxIPCS
			if sum(0, ip[:header]) != 0xFFFF {
				status |= rxIPE
			}
		}
		if binary.BigEndian.Uint16(ip[6:])&0x3FFF == 0 {
			protocol, segment = ip[9], ip[header:total]
			pseudo = add(0, ip[12:20])
		}
	case ipv6:
		total := 40 + int(binary.BigEndian.Uint16(ip[4:]))
		if len(ip) < total || ip[0]>>4 != 6 {
			return rxIXSM
		}
		protocol, segment = ip[6], ip[40:total]
		pseudo = add(0, ip[8:40])
	default:
		return rxIXSM
	}
	if !c.has(regRXCSUM, rxcsumTUOFL) {
		return status
	}
	switch {
	case protocol == tcp && len(segment) >= 20:
		status |= rxTCPCS
	case protocol == udp && len(segment) >= 8 && binary.BigEndian.Uint16(segment[6:]) != 0:
		status |= rxTCPCS | rxUDPCS
	default:
		return status
	}
	if sum(pseudo+uint32(protocol)+uint32(len(segment)), segment) != 0xFFFF {
		status |= rxTCPE
	}
	return status
}

// add adds big-endian words to an Internet checksum that has not been folded.
func add(sum uint32, data []byte) uint32 {
	for ; len(data) >= 2; data = data[2:] {
		sum += uint32(binary.BigEndian.Uint16(data))
	}
	if len(data) > 0 {
		sum += uint32(data[0]) << 8
	}
	return sum
}

// sum adds words and folds the sum to 16 bits: 0xFFFF over data that holds its
// own checksum.
func sum(sum uint32, data []byte) uint16 {
	sum = add(sum, data)
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return uint16(sum)
}

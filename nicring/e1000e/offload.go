package e1000e

import (
	"encoding/binary"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// sendPacket writes the descriptors of a packet that is more than one plain
// buffer: a chain, one with a VLAN tag, or one with an Offload. It returns how
// many it took; ok is false if there is no room for them yet. A packet that
// cannot be sent is dropped, and takes none.
func (q *txQueue) sendPacket(b *pktbuf.Buf, room int) (used int, ok bool) {
	j := job{b: b, cfg: q.cfg}
	if !j.prepare() || j.used >= q.ring.Len() {
		q.drop(b)
		return 0, true
	}
	if j.used > room {
		return 0, false
	}
	if j.cmd&txDEXT != 0 {
		*q.ring.Desc(q.tail) = j.context
		q.tail++
	}
	for s := b; s != nil; s = s.Next() {
		if s.Len() > 0 {
			*q.ring.Desc(q.tail) = txDesc{addr: s.Bus(), cmd: uint32(s.Len()) | j.cmd | txIFCS, status: j.status}
			q.tail++
		}
	}
	q.ring.Desc(q.tail - 1).cmd |= txEOP
	q.ring.SetBuf(q.packets, b)
	q.packets++
	return j.used, true
}

// A job is a packet on its way into descriptors.
type job struct {
	b   *pktbuf.Buf
	cfg *Config

	used        int // descriptors
	length      int
	context     txDesc // if cmd has txDEXT
	cmd, status uint32 // of each data descriptor
}

// prepare works out what the descriptors say, and writes into the packet what the
// card expects there. It reports whether the packet can be sent. Doing it again
// does no harm: there may be no room yet.
func (j *job) prepare() bool {
	for s := j.b; s != nil; s = s.Next() {
		if n := s.Len(); n > txMax {
			return false
		} else if n > 0 {
			j.used++
			j.length += n
		}
	}
	if !j.tag() {
		return false
	}
	o := j.b.Offload()
	if o == (pktbuf.Offload{}) {
		return j.length >= cardPads && j.length <= j.cfg.MaxFrame
	}
	j.used++
	return j.offload(o)
}

// tag has the card put the VLAN tag in, or does it where the card was not set up
// to.
func (j *job) tag() bool {
	tci, ok := j.b.VLAN()
	switch {
	case !ok:
		return true
	case j.cfg.VLAN:
		j.cmd |= txVLE
		j.status |= uint32(tci) << txVLAN
		return true
	case j.b.Len() < 12 || j.b.Shared() || j.b.Prepend(4) == nil:
		return false
	}
	frame := j.b.Bytes()
	copy(frame, frame[4:16])
	binary.BigEndian.PutUint16(frame[12:], 0x8100)
	binary.BigEndian.PutUint16(frame[14:], tci)
	j.length += 4
	j.b.ClearVLAN()
	if o := j.b.Offload(); o != (pktbuf.Offload{}) {
		o.L2Len += 4
		j.b.SetOffload(o)
	}
	return true
}

// offload fills in the context. The card adds up what is in the packet, and puts
// the sum where it finds that of the pseudo header; in segments it adds the length
// itself. All headers must be in the first buffer.
func (j *job) offload(o pktbuf.Offload) bool {
	network, transport := int(o.L2Len), int(o.L2Len)+int(o.L3Len)
	header, sumAt := transport+int(o.L4Len), transport+sumOffset(o.Checksum)
	data := j.b.Bytes()
	if len(data) < max(header, sumAt+2) || transport-network < 20 {
		return false
	}
	ip := data[network:transport]
	v4 := ip[0]>>4 == 4
	segments := o.SegmentSize > 0
	switch {
	case o.Checksum > pktbuf.UDP,
		!v4 && (ip[0]>>4 != 6 || len(ip) < 40 || o.IPv4Checksum),
		!segments && j.length > j.cfg.MaxFrame,
		segments && !(o.Checksum == pktbuf.TCP && o.IPv4Checksum == v4 && o.L4Len >= 20),
		segments && (j.length <= header || j.length-header > txPaylen || header+int(o.SegmentSize) > j.cfg.MaxFrame):
		return false
	}

	j.cmd |= txDEXT | txData
	j.context.cmd = txDEXT
	j.context.addr = uint64(network) | uint64(network+10)<<8 | uint64(transport)<<32 | uint64(sumAt)<<40
	if v4 {
		j.context.addr |= uint64(transport-1) << 16
		j.context.cmd |= txIPv4
	}
	length := uint32(j.length - transport)
	if segments {
		length = 0
		j.cmd |= txTSE
		j.context.cmd |= txTSE | uint32(j.length-header)
		j.context.status = uint32(header)<<txHeader | uint32(o.SegmentSize)<<txMSS
		at := network + 2 // the length of the network layer, which differs
		if !v4 {
			at = network + 4
		}
		if !j.put(at, 0) {
			return false
		}
	}
	if o.IPv4Checksum {
		j.status |= txIXSM
		if !j.put(network+10, 0) {
			return false
		}
	}
	if o.Checksum == 0 {
		return true
	}
	if o.Checksum == pktbuf.TCP {
		j.context.cmd |= txTCP
	}
	j.status |= txTXSM
	return j.put(sumAt, pseudoSum(ip, v4, protocol(o.Checksum), length))
}

// put writes a word into the packet's first buffer. It fails if another shares
// that and the word is not there already.
func (j *job) put(at int, v uint16) bool {
	word := j.b.Bytes()[at : at+2]
	if binary.BigEndian.Uint16(word) == v {
		return true
	}
	if j.b.Shared() {
		return false
	}
	binary.BigEndian.PutUint16(word, v)
	return true
}

// sumOffset returns where a transport has its checksum.
func sumOffset(t pktbuf.Transport) int {
	switch t {
	case pktbuf.TCP:
		return 16
	case pktbuf.UDP:
		return 6
	}
	return 0
}

func protocol(t pktbuf.Transport) uint32 {
	if t == pktbuf.TCP {
		return 6
	}
	return 17
}

// pseudoSum adds up the pseudo header (RFC 793, RFC 8200 section 8.1).
func pseudoSum(ip []byte, v4 bool, protocol, length uint32) uint16 {
	from, to := 8, 40
	if v4 {
		from, to = 12, 20
	}
	sum := protocol + length>>16 + length&0xFFFF
	for ; from < to; from += 2 {
		sum += uint32(binary.BigEndian.Uint16(ip[from:]))
	}
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return uint16(sum)
}

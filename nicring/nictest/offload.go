package nictest

import "encoding/binary"

// A txContext is what a context descriptor says of the packets that follow it.
type txContext struct {
	loaded               bool
	ipcss, ipcso, ipcse  int // where the IPv4 header is, its checksum, its last byte
	tucss, tucso, tucse  int // the same of TCP or UDP; an end of 0 is the packet's
	tcp, ipv4            bool
	payload, header, mss int // of TCP segmentation
	segmentation         bool
}

func readContext(low, high uint64) txContext {
	b := func(v uint64, at int) int { return int(v >> at & 0xFF) }
	return txContext{
		loaded: true,
		ipcss:  b(low, 0), ipcso: b(low, 8), ipcse: int(low >> 16 & 0xFFFF),
		tucss: b(low, 32), tucso: b(low, 40), tucse: int(low >> 48),
		payload: int(high & 0xFFFFF),
		tcp:     high&txTCP != 0, ipv4: high&txIPv4 != 0, segmentation: high&txTSE != 0,
		header: b(high, 40), mss: int(high >> 48),
	}
}

// A request is what the descriptors of one packet ask for.
type request struct {
	ipSum, tuSum, segments, tag bool
	vlan                        uint16
}

// emit puts a packet on its way as its descriptors ask.
func (c *Card) emit(ctx txContext, packet []byte, ask request) {
	if !ask.segments {
		c.emitFrame(ctx, packet, ask)
		return
	}
	if ctx.header > len(packet) || ctx.mss == 0 {
		return // a violation, and listed as one
	}
	c.count(regTSCTC)
	payload := packet[ctx.header:]
	for sent := 0; sent < len(payload); sent += ctx.mss {
		part := payload[sent:min(sent+ctx.mss, len(payload))]
		frame := append(append(make([]byte, 0, ctx.header+len(part)), packet[:ctx.header]...), part...)
		ctx.adapt(frame, sent, sent+len(part) == len(payload))
		c.emitFrame(ctx, frame, ask)
	}
}

// adapt makes the headers those of a segment, of which so many bytes were sent
// before.
func (ctx txContext) adapt(frame []byte, sent int, last bool) {
	const fin, psh = 1, 8
	ip, tcp := frame[ctx.ipcss:], frame[ctx.tucss:]
	if ctx.ipv4 {
		binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)))
		binary.BigEndian.PutUint16(ip[4:], binary.BigEndian.Uint16(ip[4:])+uint16(sent/ctx.mss))
	} else {
		binary.BigEndian.PutUint16(ip[4:], uint16(len(ip)-40))
	}
	binary.BigEndian.PutUint32(tcp[4:], binary.BigEndian.Uint32(tcp[4:])+uint32(sent))
	if !last {
		tcp[13] &^= fin | psh
	}
	// The sum of the pseudo header that the driver left there lacks the length.
	at := frame[ctx.tucso:]
	binary.BigEndian.PutUint16(at, sum(uint32(binary.BigEndian.Uint16(at)), binary.BigEndian.AppendUint16(nil, uint16(len(tcp)))))
}

func (c *Card) emitFrame(ctx txContext, frame []byte, ask request) {
	if ask.ipSum {
		ctx.fill(frame, ctx.ipcss, ctx.ipcso, ctx.ipcse, false)
	}
	if ask.tuSum {
		ctx.fill(frame, ctx.tucss, ctx.tucso, ctx.tucse, !ctx.tcp)
	}
	if ask.tag && c.has(regCTRL, ctrlVME) && len(frame) >= 12 {
		whole := append(make([]byte, 0, len(frame)+4), frame[:12]...)
		whole = binary.BigEndian.AppendUint16(whole, uint16(c.reg(regVET)))
		whole = binary.BigEndian.AppendUint16(whole, ask.vlan)
		frame = append(whole, frame[12:]...)
	}
	c.transmit(frame)
}

// fill puts the sum over frame[start:end+1] at offset at. What is there counts:
// it is 0, or the sum of a pseudo header. UDP has no sum of 0 (RFC 768).
func (ctx txContext) fill(frame []byte, start, at, end int, udp bool) {
	if end == 0 || end >= len(frame) {
		end = len(frame) - 1
	}
	if start > end || at+2 > len(frame) {
		return
	}
	v := ^sum(0, frame[start:end+1])
	if udp && v == 0 {
		v = 0xFFFF
	}
	binary.BigEndian.PutUint16(frame[at:], v)
}

package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// Probes are the frames made here: UDP over IPv4, whose data says which frame
// it is and when it was sent. Frame n is of flow n%flows, and a card that
// spreads frames by their addresses keeps a flow together.
//
//	Ethernet | IPv4 | UDP | mark 2 | number 8 | time 8 | filling
type probes struct {
	headers []probeHeader // of a frame of each flow
	sizes   []int
	filling []byte // what follows the time, as much as the longest frame has of it
	mark    uint16 // tells the frames of one run from those of another
}

const (
	ipAt, udpAt     = 14, 34
	markAt          = 42
	numberAt        = markAt + 2
	timeAt          = numberAt + 8
	probeEnd        = timeAt + 8 // the shortest frame has room for just that
	discardPort     = 9
	firstSourcePort = 49152 // of those for private use
)

// A probeHeader is what is the same in all frames of a flow, lengths left at 0.
type probeHeader struct {
	bytes [markAt]byte
	sum   uint32 // over the IPv4 header, not folded
}

// A route says between which stations probes go.
type route struct {
	fromMAC, toMAC nicring.MAC
	from, to       netip.Addr // flow i comes from the ith address after from
}

// benchmarkRoute is of the addresses set aside for measuring (RFC 2544, C.2.2).
func benchmarkRoute(from, to nicring.MAC) route {
	return route{from, to, netip.AddrFrom4([4]byte{198, 18, 0, 1}), netip.AddrFrom4([4]byte{198, 19, 0, 1})}
}

// newProbes makes frames of so many flows. Their sizes, which do not count the
// FCS, take turns in each flow.
func newProbes(r route, flows int, sizes []int, mark uint16) *probes {
	p := &probes{
		headers: make([]probeHeader, flows),
		sizes:   sizes,
		mark:    mark,
		filling: make([]byte, slices.Max(sizes)-probeEnd),
	}
	for i := range p.filling {
		p.filling[i] = byte(probeEnd + i)
	}
	from := r.from
	for i := range p.headers {
		p.headers[i] = newProbeHeader(r, from, uint16(i%(1<<16-firstSourcePort)), mark)
		from = from.Next()
	}
	return p
}

func newProbeHeader(r route, from netip.Addr, port, mark uint16) (h probeHeader) {
	const etherIPv4, ttl, udp = 0x0800, 64, 17
	b := h.bytes[:]
	copy(b, r.toMAC[:])
	copy(b[6:], r.fromMAC[:])
	be := binary.BigEndian
	be.PutUint16(b[12:], etherIPv4)
	ip := b[ipAt:]
	ip[0] = 0x45 // version 4, a header of 5 words
	be.PutUint16(ip[4:], mark)
	ip[8], ip[9] = ttl, udp
	source, destination := from.As4(), r.to.As4()
	copy(ip[12:], source[:])
	copy(ip[16:], destination[:])
	for i := 0; i < udpAt-ipAt; i += 2 {
		h.sum += uint32(be.Uint16(ip[i:]))
	}
	be.PutUint16(b[udpAt:], firstSourcePort+port)
	be.PutUint16(b[udpAt+2:], discardPort)
	return h
}

// flows is how many flows there are, and flow that of frame number.
func (p *probes) flows() uint64             { return uint64(len(p.headers)) }
func (p *probes) flow(number uint64) uint64 { return number % p.flows() }

// size returns that of frame number. Were it not for the turn that each round
// adds, every flow might have frames of one size only.
func (p *probes) size(number uint64) int {
	return p.sizes[(number+number/p.flows())%uint64(len(p.sizes))]
}

// write fills in frame number, which is as long as size says.
func (p *probes) write(frame []byte, number uint64) {
	p.writeHead(frame, len(frame), number)
	copy(frame[probeEnd:], p.filling)
}

// writeHead fills in what comes before the filling, but for the time.
func (p *probes) writeHead(head []byte, size int, number uint64) {
	be := binary.BigEndian
	h := &p.headers[p.flow(number)]
	copy(head, h.bytes[:])
	length := size - ipAt
	be.PutUint16(head[ipAt+2:], uint16(length))
	sum := h.sum + uint32(length)
	sum = sum>>16 + sum&0xFFFF
	be.PutUint16(head[ipAt+10:], ^uint16(sum>>16+sum))
	be.PutUint16(head[udpAt+4:], uint16(size-udpAt)) // and no checksum: over IPv4 it may be left out
	be.PutUint16(head[markAt:], p.mark)
	be.PutUint64(head[numberAt:], number)
	be.PutUint64(head[timeAt:], 0)
}

// stamp says when the frame is sent.
func stamp(frame []byte, time uint64) { binary.BigEndian.PutUint64(frame[timeAt:], time) }

// read returns number and time of a frame; ours is false if it is none of these.
func (p *probes) read(frame []byte) (number, time uint64, ours bool) {
	if len(frame) < probeEnd || binary.BigEndian.Uint16(frame[markAt:]) != p.mark ||
		binary.BigEndian.Uint16(frame[udpAt+2:]) != discardPort {
		return 0, 0, false
	}
	return binary.BigEndian.Uint64(frame[numberAt:]), binary.BigEndian.Uint64(frame[timeAt:]), true
}

// untouched reports whether a frame that was never stamped is as it was written.
func (p *probes) untouched(frame []byte) bool {
	number, _, ours := p.read(frame)
	if !ours || len(frame) != p.size(number) {
		return false
	}
	var head [probeEnd]byte
	p.writeHead(head[:], len(frame), number)
	return bytes.Equal(frame[:probeEnd], head[:]) && bytes.Equal(frame[probeEnd:], p.filling[:len(frame)-probeEnd])
}

// filled reports whether the filling of a received frame, of one buffer or more,
// is as it was written.
func (p *probes) filled(b *pktbuf.Buf) bool {
	skip, rest := probeEnd, p.filling
	for s := range b.Segments() {
		data := s.Bytes()
		data = data[min(skip, len(data)):]
		skip = 0
		if len(data) > len(rest) || !bytes.Equal(data, rest[:len(data)]) {
			return false
		}
		rest = rest[len(data):]
	}
	return true
}

// A tracker tells what becomes of numbered frames. It belongs to the goroutine
// that sees them arrive, but for the counters.
type tracker struct {
	sent       *counter // numbers below it were given out
	received   counter  // distinct
	duplicated counter
	reordered  counter // received after a later one of its flow

	settled counter  // received, or passed by a later one of its flow
	due     []uint64 // by flow: the number that comes next
	next    uint64   // the number after the highest that arrived
	seen    [remembered / 64]uint64
}

// remembered is for how many numbers a tracker knows whether they have arrived:
// more than are ever on their way.
const remembered = 1 << 20

func newTracker(flows uint64, sent *counter) *tracker {
	t := &tracker{sent: sent, due: make([]uint64, flows)}
	for i := range t.due {
		t.due[i] = uint64(i)
	}
	return t
}

// note takes the number of a frame that has arrived. It reports false if no such
// frame can have: its number was not given out, or so long ago that nobody
// remembers.
func (t *tracker) note(number uint64) bool {
	if number >= t.sent.load() || number+remembered < t.next {
		return false
	}
	for ; t.next <= number; t.next++ {
		t.seen[t.next%remembered/64] &^= 1 << (t.next % 64)
	}
	word, bit := &t.seen[number%remembered/64], uint64(1)<<(number%64)
	if *word&bit != 0 {
		t.duplicated.add(1)
		return true
	}
	*word |= bit
	flows := uint64(len(t.due))
	if due := &t.due[number%flows]; number < *due {
		t.reordered.add(1)
	} else {
		t.settled.add((number-*due)/flows + 1)
		*due = number + flows
	}
	t.received.add(1)
	return true
}

// report sums up. What was damaged is for the caller to say.
func (t *tracker) report(damaged uint64) trafficReport {
	sent, received := t.sent.load(), t.received.load()
	return trafficReport{sent, received, sent - received, t.duplicated.load(), t.reordered.load(), damaged}
}

package nictest

import (
	"encoding/binary"
	"hash/crc32"
)

// What is on the wire. A frame is counted with its FCS, and given and taken
// without.
const (
	fcsSize  = 4
	minFrame = 60   // shorter ones are runts
	maxFrame = 1518 // longer ones are oversize, unless RCTL.LPE
	maxLong  = 16384 - fcsSize
)

const (
	rxDD    = 1 << 0
	rxEOP   = 1 << 1
	rxIXSM  = 1 << 2 // no checksum was verified
	rxVP    = 1 << 3 // a VLAN tag was taken out
	rxUDPCS = 1 << 4 // the checksum of UDP was verified
	rxTCPCS = 1 << 5 // of TCP; UDP sets it too
	rxIPCS  = 1 << 6 // of the IPv4 header
	rxTCPE  = 1 << 29
	rxIPE   = 1 << 30
	rxVLAN  = 48 // shifts within the second half of a descriptor
	rxBytes = 32
)

// bufferSize is what RCTL says of every receive buffer.
func bufferSize(rctl uint32) int {
	size := 2048 >> (rctl >> rctlBSIZE & 3)
	if rctl&rctlBSEX != 0 {
		size *= 16
	}
	return size
}

// arrive takes a frame from the wire: it counts it and, if the card wants it,
// stores it in memory or, short of that, in the packet buffer.
func (c *Card) arrive(frame []byte) {
	if c.gone || !c.has(regRCTL, rctlEN) {
		c.lost.Received++
		return
	}
	fate := Arrives
	if c.faults.Wire != nil {
		fate = c.faults.Wire(frame)
	}
	if fate == Lost || len(frame) < minAddressed {
		return
	}
	size := len(frame) + fcsSize
	c.count(regTPR)
	c.addOctets(regTORL, size)
	switch {
	case fate == Arrives && c.pauses(frame):
		return
	case !c.wants(frame), !c.wantsVLAN(frame):
		return
	case fate == Spoilt:
		c.count(regCRCERRS)
		return
	case len(frame) < minFrame:
		c.count(regRUC)
		return
	case len(frame) > maxLong, len(frame) > maxFrame && !c.has(regRCTL, rctlLPE):
		c.count(regROC)
		return
	}
	found := c.inspect(frame)
	r := &c.rx[found.queue]
	noBuffer := r.head == r.tail
	// The short way, past the packet buffer, for what fits one descriptor whole.
	if !noBuffer && c.fifo.empty() && size <= c.bufSize && c.has(regRCTL, rctlSECRC) && c.rxReady(r) && found.status&rxVP == 0 {
		c.countGood(frame)
		c.fill(found, frame, true)
		return
	}
	if noBuffer {
		c.count(regRNBC)
	}
	if !c.fifo.push(frame, found, !c.has(regRCTL, rctlSECRC)) {
		c.count(regMPC)
		c.raise(intRXO)
		return
	}
	c.countGood(frame)
	c.congestion()
}

func (c *Card) countGood(frame []byte) {
	c.count(regGPRC)
	c.addOctets(regGORCL, len(frame)+fcsSize)
	c.countSize(regPRC64, len(frame)+fcsSize)
	if isGroup(frame) {
		c.count(groupCounter(frame, regBPRC, regMPRC))
	}
}

// wants is the address filter.
func (c *Card) wants(frame []byte) bool {
	rctl := c.reg(regRCTL)
	switch {
	case !isGroup(frame):
		return rctl&rctlUPE != 0 || c.listed(frame)
	case rctl&rctlMPE != 0:
		return true
	case isBroadcast(frame):
		return rctl&rctlBAM != 0 || c.listed(frame)
	}
	return c.listed(frame) || c.hashed(frame, rctl>>rctlMO&3)
}

// listed reports whether the frame is for one of the receive addresses.
func (c *Card) listed(frame []byte) bool {
	low := binary.LittleEndian.Uint32(frame)
	high := uint32(binary.LittleEndian.Uint16(frame[4:])) | rahAV
	for i := range uint32(receiveAddresses) {
		if c.reg(regRAL+8*i) == low && c.reg(regRAH+8*i) == high {
			return true
		}
	}
	return false
}

const receiveAddresses = 16

// hashed looks a multicast address up in MTA, by 12 of its last 16 bits.
func (c *Card) hashed(frame []byte, offset uint32) bool {
	shift := [4]uint32{4, 3, 2, 0}[offset]
	hash := uint32(binary.LittleEndian.Uint16(frame[4:])) >> shift & 0xFFF
	return c.has(regMTA+hash>>5*4, 1<<(hash&31))
}

// minAddressed is where a destination address ends: less is noise.
const minAddressed = 6

func isGroup(frame []byte) bool { return frame[0]&1 != 0 }

func isBroadcast(frame []byte) bool {
	return binary.LittleEndian.Uint32(frame) == 0xFFFFFFFF && binary.LittleEndian.Uint16(frame[4:]) == 0xFFFF
}

// rxReady reports whether a descriptor of r can be filled.
func (c *Card) rxReady(r *ring) bool {
	return r.bound && r.head != r.tail && c.has(regRCTL, rctlEN) && !c.rxHung && c.mayAccess()
}

// drain moves frames from the packet buffer to memory and returns how many
// descriptors it filled.
func (c *Card) drain() (filled int) {
	for !c.fifo.empty() {
		found, data := c.fifo.front()
		if !c.rxReady(&c.rx[found.queue]) {
			break // whatever is behind it waits too
		}
		n := min(len(data), c.bufSize)
		c.fill(found, data[:n], n == len(data))
		c.fifo.advance(n)
		filled++
	}
	if filled > 0 {
		c.congestion()
	}
	return filled
}

// fill writes data to the buffer of the next receive descriptor.
func (c *Card) fill(found finding, data []byte, last bool) {
	r := &c.rx[found.queue]
	i := r.head
	c.verify(r, i)
	at := r.at(i)
	bus := c.load64(at)
	if to, ok := c.mem.find(bus, len(data)); ok {
		copy(c.mem.bytes[to:], data)
	} else if c.opts.Lax {
		c.violate("%s descriptor %d: %s", r.name, i, c.mem.whyNot(bus, len(data)))
	}
	done := RxDone{Hash: found.rss, Status: rxDD, Length: uint16(len(data))}
	if last {
		done.Status |= rxEOP | found.status
		done.VLAN = found.vlan
	}
	if c.faults.Rx != nil {
		done = c.faults.Rx(done)
	}
	// The first half had the address in it: now it has the RSS hash.
	binary.LittleEndian.PutUint64(c.mem.bytes[at:], done.Hash)
	r.head = r.next(i)
	c.finish(writeback{r, i, uint64(done.VLAN)<<rxVLAN | uint64(done.Length)<<rxBytes | uint64(done.Status)})

	causes := uint32(intRXT0 | intRXQ0<<r.queue)
	if free := r.distance(r.head, r.tail); free == r.n>>(1+c.reg(regRCTL)>>rctlRDMTS&3) {
		causes |= intRXDMT0
	}
	c.raise(causes)
}

// A fifo is the receive packet buffer. Each frame takes as many bytes as it had
// octets on the wire, FCS included. It is stored in one piece: the last one
// before the end of the buffer may reach beyond it, into room that is not
// counted.
type fifo struct {
	buf        []byte
	frames     []stored // a ring, as long as frames of the smallest size need
	first, n   int      // in frames
	head, tail int      // in buf
	used, size int      // octets
}

// A stored frame has octets on the wire, of which visible are for the driver and
// taken have been given to it.
type stored struct {
	finding
	octets, visible, taken int
}

// reset empties the buffer and makes it so many KiB large.
func (f *fifo) reset(kib int) {
	size := kib << 10
	if size != f.size {
		f.buf = make([]byte, size+maxLong+fcsSize)
		f.frames = make([]stored, size/(minFrame+fcsSize)+1)
	}
	f.first, f.n, f.head, f.tail, f.used, f.size = 0, 0, 0, 0, 0, size
}

func (f *fifo) empty() bool { return f.n == 0 }

// push stores a frame, with its FCS if so asked, and reports whether there was
// room.
func (f *fifo) push(frame []byte, found finding, fcs bool) bool {
	octets := len(frame) + fcsSize
	if f.used+octets > f.size {
		return false
	}
	end := f.buf[f.tail:f.tail]
	if found.status&rxVP != 0 {
		end = append(append(end, frame[:12]...), frame[16:]...)
	} else {
		end = append(end, frame...)
	}
	if fcs {
		end = binary.LittleEndian.AppendUint32(end, crc32.ChecksumIEEE(frame))
	}
	f.frames[(f.first+f.n)%len(f.frames)] = stored{found, octets, len(end), 0}
	f.n++
	f.used += octets
	f.tail = f.after(f.tail, octets)
	return true
}

func (f *fifo) after(at, octets int) int {
	if at += octets; at >= f.size {
		return 0
	}
	return at
}

// front returns what is left of the oldest frame, and what was found out of it.
func (f *fifo) front() (finding, []byte) {
	s := f.frames[f.first]
	return s.finding, f.buf[f.head+s.taken : f.head+s.visible]
}

// advance takes n bytes of the oldest frame.
func (f *fifo) advance(n int) {
	s := &f.frames[f.first]
	if s.taken += n; s.taken < s.visible {
		return
	}
	f.used -= s.octets
	f.head = f.after(f.head, s.octets)
	f.first = (f.first + 1) % len(f.frames)
	f.n--
}

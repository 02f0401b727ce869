package pktbuf

// Checksum is what a card says of a checksum in a packet it received.
type Checksum uint8

const (
	Unchecked Checksum = iota // it did not look: the program has to
	Good                      // it is right
	Bad                       // it is wrong
)

// String returns the constant's name.
func (c Checksum) String() string { return [4]string{"Unchecked", "Good", "Bad", "?"}[c&3] }

// Hash returns the hash that the card spread the packet over its queues by; ok
// is false if it computed none.
func (b *Buf) Hash() (hash uint32, ok bool) { return b.hash, b.marks&markHash != 0 }

// SetHash sets what Hash returns.
func (b *Buf) SetHash(hash uint32) {
	b.assertOut()
	b.hash = hash
	b.marks |= markHash
}

// VLAN returns the tag control information (IEEE 802.1Q: priority, DEI and VLAN
// identifier) of the tag that the packet has and its data has not; ok is false
// if there is no such tag. A card that strips tags on receive sets it, and one
// that inserts tags on transmit puts it in: a packet passed on as it is keeps
// its tag.
func (b *Buf) VLAN() (tci uint16, ok bool) {
	return uint16(b.marks >> vlanShift), b.marks&markVLAN != 0
}

// SetVLAN gives the packet a tag beside its data.
func (b *Buf) SetVLAN(tci uint16) {
	b.assertOut()
	b.marks = b.marks&^markTag | marks(tci)<<vlanShift | markVLAN
}

// ClearVLAN takes the tag away.
func (b *Buf) ClearVLAN() {
	b.assertOut()
	b.marks &^= markVLAN
}

// Checksums returns what the card says of the checksums of the network layer
// (IPv4) and of the transport layer (TCP, UDP).
func (b *Buf) Checksums() (network, transport Checksum) {
	return Checksum(b.marks / markIP & 3), Checksum(b.marks / markL4 & 3)
}

// SetChecksums sets what Checksums returns.
func (b *Buf) SetChecksums(network, transport Checksum) {
	b.assertOut()
	b.marks = b.marks&^(3*markIP|3*markL4) | marks(network&3)*markIP | marks(transport&3)*markL4
}

// Time returns when the packet arrived, in nanoseconds of whatever clock its
// receive queue says; ok is false if nobody took the time.
func (b *Buf) Time() (ns uint64, ok bool) { return b.time, b.marks&markTime != 0 }

// SetTime sets what Time returns.
func (b *Buf) SetTime(ns uint64) {
	b.assertOut()
	b.time = ns
	b.marks |= markTime
}

// Transport is a protocol of the transport layer.
type Transport uint8

// The transports whose checksum cards fill in. The zero Transport is none.
const (
	TCP Transport = 1 + iota
	UDP
)

// String returns the constant's name.
func (t Transport) String() string { return [4]string{"none", "TCP", "UDP", "?"}[min(t, 3)] }

// An Offload is what a card is to do to a packet while it sends it. The lengths
// say where the headers are: the link layer's are the first L2Len bytes of the
// data, the network layer's the next L3Len, the transport's the next L4Len. What
// follows, to the end of the data, is the transport's payload: padding that came
// with a short frame has to be trimmed before a checksum is asked for.
//
// With a SegmentSize the packet, which may be longer than a frame, is sent as
// several: each has all three headers, adapted, and that many bytes of what
// follows them, the last one fewer. The Checksum must be TCP then, and for IPv4
// IPv4Checksum must be set.
//
// The zero Offload asks for nothing.
type Offload struct {
	SegmentSize  uint16 // payload of each segment in bytes; 0 to send one frame
	L3Len        uint16
	L2Len        uint8
	L4Len        uint8
	Checksum     Transport // which transport checksum to fill in; 0 for none
	IPv4Checksum bool      // whether to fill in that of the IPv4 header
}

// Offload returns what SetOffload asked for.
func (b *Buf) Offload() Offload {
	if b.marks&markOffload == 0 {
		return Offload{}
	}
	return b.offload
}

// SetOffload asks the card that sends the packet for o. It is set on the first
// buffer of a chain, and holds until the packet is given back.
func (b *Buf) SetOffload(o Offload) {
	b.assertOut()
	b.offload = o
	b.marks |= markOffload
}

// Plain reports whether the packet is one buffer without a tag beside it and
// without an Offload: a card sends its data as it is.
func (b *Buf) Plain() bool { return b.marks&(markNext|markVLAN|markOffload) == 0 }

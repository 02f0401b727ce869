package nicring

import (
	"encoding/binary"
	"fmt"
)

// RSS spreads received frames over a port's queues by a hash of their addresses
// and ports, so that all frames of a flow come to one queue. Cards compute the
// hash of Toeplitz; so does the type Toeplitz, for what a card did not hash.
type RSS struct {
	Key    RSSKey
	Hashes FlowSet    // which flows are hashed; frames of others come to queue 0
	Table  [128]uint8 // queue of a frame by the lowest seven bits of its hash
}

// NewRSS hashes every kind of flow with MicrosoftKey and gives each of so many
// queues an equal share, or as nearly as 128 entries allow. It panics unless they
// are from 1 to 128.
func NewRSS(queues int) RSS {
	if queues < 1 || queues > len(RSS{}.Table) {
		panic(fmt.Sprintf("nicring: RSS over %d queues: want 1 to %d", queues, len(RSS{}.Table)))
	}
	r := RSS{Key: MicrosoftKey, Hashes: FlowTCP4.Set() | FlowIPv4.Set() | FlowTCP6.Set() | FlowIPv6.Set()}
	for i := range r.Table {
		r.Table[i] = uint8(i % queues)
	}
	return r
}

// An RSSKey is the secret of a Toeplitz hash.
type RSSKey [40]byte

var (
	// MicrosoftKey is the key that the verification suite of RSS uses, and many
	// drivers.
	MicrosoftKey = RSSKey{
		0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
		0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
		0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
	}
	// SymmetricKey gives both directions of a connection the same hash: it is
	// one word of sixteen bits over and over (S. Woo and K. Park, Scalable TCP
	// Session Monitoring with Symmetric Receive-side Scaling, KAIST 2012).
	SymmetricKey = func() (k RSSKey) {
		for i := range k {
			k[i] = [2]byte{0x6d, 0x5a}[i%2]
		}
		return k
	}()
)

// A Flow is what of a frame is hashed.
type Flow uint8

// The kinds of flow, by the numbers that the 82574 gives them.
const (
	FlowNone Flow = 0 // nothing: the frame is neither IPv4 nor IPv6
	FlowTCP4 Flow = 1 // addresses and ports of TCP over IPv4
	FlowIPv4 Flow = 2 // addresses of IPv4
	FlowTCP6 Flow = 3 // addresses and ports of TCP over IPv6
	FlowIPv6 Flow = 5 // addresses of IPv6
)

// A FlowSet is a set of kinds of flow.
type FlowSet uint8

// Set returns the set of f alone.
func (f Flow) Set() FlowSet { return 1 << f }

// Has reports whether f is in s.
func (s FlowSet) Has(f Flow) bool { return s&f.Set() != 0 }

// A Toeplitz computes the hash that cards spread frames by.
//
// A key is looked at through a window of 32 bits that moves by one for each bit
// of what is hashed; the hash is the sum, without carry, of the windows that a 1
// fell upon. The sums for each half byte are worked out in advance: hashing
// twelve bytes takes 24 loads from 1.5 KiB.
//
// Progress. Hash and Frame are wait-free and allocate nothing, and any number of
// goroutines may call them at once.
type Toeplitz struct {
	sums [2 * maxTuple][16]uint32
}

const maxTuple = 36 // bytes hashed: two addresses of 16 and two ports

// NewToeplitz returns the hash of a key.
func NewToeplitz(key RSSKey) *Toeplitz {
	t := new(Toeplitz)
	for i := range t.sums {
		for bit := range 4 { // from the highest
			at := 4*i + bit
			window := uint32(binary.BigEndian.Uint64(pad(key, at/8)) >> (32 - at%8))
			for half := range t.sums[i] {
				if half>>(3-bit)&1 != 0 {
					t.sums[i][half] ^= window
				}
			}
		}
	}
	return t
}

// pad returns eight bytes of key from i on, with zeros behind its end.
func pad(key RSSKey, i int) []byte {
	var b [8]byte
	copy(b[:], key[i:])
	return b[:]
}

// Hash returns the hash of up to 36 bytes in the order of the network: source
// address, destination address, source port, destination port. It panics if they
// are more.
func (t *Toeplitz) Hash(tuple []byte) (hash uint32) {
	sums := t.sums[:2*len(tuple)]
	for i, b := range tuple {
		hash ^= sums[2*i][b>>4] ^ sums[2*i+1][b&15]
	}
	return hash
}

// Frame returns the hash of a frame and what of it was hashed: of what kinds
// allows, as much as the frame has. If that is nothing, the hash is 0.
//
// A VLAN tag is passed over. Fragments have no ports, and neither has TCP behind
// IPv6 extension headers: cards do not look behind those.
func (t *Toeplitz) Frame(frame []byte, kinds FlowSet) (uint32, Flow) {
	tuple, flow := flowOf(frame)
	if flow == FlowTCP4 && !kinds.Has(FlowTCP4) {
		tuple, flow = tuple[:8], FlowIPv4
	}
	if flow == FlowTCP6 && !kinds.Has(FlowTCP6) {
		tuple, flow = tuple[:32], FlowIPv6
	}
	if !kinds.Has(flow) {
		return 0, FlowNone
	}
	return t.Hash(tuple), flow
}

// flowOf returns what there is to be hashed of a frame. The fields lie in the
// frame one behind the other, but for the options of an IPv4 header.
func flowOf(frame []byte) (tuple []byte, flow Flow) {
	const (
		etherIPv4, etherIPv6, etherVLAN = 0x0800, 0x86DD, 0x8100
		tcp                             = 6
	)
	if len(frame) < 14 {
		return nil, FlowNone
	}
	ether, ip := binary.BigEndian.Uint16(frame[12:]), frame[14:]
	if ether == etherVLAN && len(ip) >= 4 {
		ether, ip = binary.BigEndian.Uint16(ip[2:]), ip[4:]
	}
	switch {
	case ether == etherIPv4 && len(ip) >= 20 && ip[0]>>4 == 4:
		header := int(ip[0]&15) * 4
		fragment := binary.BigEndian.Uint16(ip[6:])&0x3FFF != 0
		if ip[9] != tcp || fragment || header < 20 || len(ip) < header+4 {
			return ip[12:20], FlowIPv4
		}
		if header == 20 {
			return ip[12:24], FlowTCP4
		}
		return append(append(make([]byte, 0, 12), ip[12:20]...), ip[header:header+4]...), FlowTCP4
	case ether == etherIPv6 && len(ip) >= 40 && ip[0]>>4 == 6:
		if ip[6] != tcp || len(ip) < 44 {
			return ip[8:40], FlowIPv6
		}
		return ip[8:44], FlowTCP6
	}
	return nil, FlowNone
}

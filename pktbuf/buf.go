package pktbuf

import "sync/atomic"

// Headroom is how many bytes of a fresh buffer lie before its data, for headers
// that are put in front of a packet on its way.
const Headroom = 128

// A Buf is one packet buffer: a stretch of memory that a card can reach, and in
// it the data, with headroom before and tailroom behind. A packet is one Buf, or
// a chain of them (see Link). Beside the data a Buf holds what a card found out
// about the packet, and what it is to do with it (see Hash, SetOffload).
//
// Ownership. One goroutine or one card at a time. Get hands a Buf to the
// caller, Send hands it to a card, Recv hands it back, a ring hands it to
// whoever pops it, PutN hands it to the pool. Whoever handed it over neither
// reads nor writes it any more. The first Buf of a chain is handed over for all
// of them.
//
// Layout. A Buf holds no pointer, so a million of them cost the garbage
// collector nothing, and it fills a line of 64 bytes. It is not in the memory
// that the card sees: a card cannot change it.
//
// A Buf must not be copied, and only a Pool makes one.
type Buf struct {
	_ noCopy

	// Where the memory is; of a clone, that of its origin.
	bus  uint64 // of the first byte
	line uint32 // of the first byte in the region, in units of 64 bytes

	name name // set by NewPool, never written again

	state // what PutN resets

	// What the marks in state say is valid.
	refs    atomic.Uint32 // of a marked origin: it and its clones; else 1
	origin  name          // of a clone: whose memory it shares
	next    name          // in the chain
	hash    uint32
	time    uint64
	offload Offload
}

// state is the part of a Buf that the next owner wants fresh. It is 16 bytes,
// and PutN writes it whole: one load, one comparison and one store for a buffer.
type state struct {
	start  uint32 // of the data in the buffer
	length uint32 // of the data
	marks  marks
}

// marks says, from the lowest bit up, which fields of a Buf are in use, the tag
// of a packet that has one, and which pool the Buf belongs to: one comparison
// finds that a buffer is of the expected pool and stands alone.
type marks uint64

const (
	markNext   marks = 1 << iota // it has a next
	markClone                    // its memory is its origin's
	markOrigin                   // it was cloned since Get, so refs is to be asked
	markHash
	markVLAN
	markTime
	markOffload
	markIP // two bits: the Checksum of the network layer
	_
	markL4 // two bits: the Checksum of the transport layer
	_

	vlanShift = 16
	poolShift = 32
	markTag   = marks(0xFFFF) << vlanShift
	markPool  = marks(0xFFFF_FFFF) << poolShift

	// entangled is what PutN cannot undo by resetting the state.
	entangled = markNext | markClone | markOrigin
	// shares is what says that the memory may be another's, too.
	shares = markClone | markOrigin
)

// plain reports whether a reset is all it takes to give b back to the pool whose
// fresh buffers have the marks own.
func (b *Buf) plain(own marks) bool { return (b.marks^own)&(markPool|entangled) == 0 }

// noCopy makes vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Bytes returns the data; of a chain, that of its first buffer. Its capacity
// ends with its length, so an append by mistake makes a copy and does not run
// into the next buffer.
func (b *Buf) Bytes() []byte {
	b.assertOut()
	at := int(b.line)<<lineShift + int(b.start)
	end := at + int(b.length)
	return b.chunk().region[at:end:end]
}

// Bus returns the bus address of the data's first byte.
func (b *Buf) Bus() uint64 {
	b.assertOut()
	return b.bus + uint64(b.start)
}

// Len returns the length of the data in bytes; of a chain, of that in its first
// buffer.
func (b *Buf) Len() int { return int(b.length) }

// Headroom returns how many bytes Prepend can add, and Tailroom how many Append
// can. Both are 0 while the memory is shared with a clone: it is not the
// caller's alone to write to.
func (b *Buf) Headroom() int {
	if b.marks&shares != 0 && b.Shared() {
		return 0
	}
	return int(b.start)
}

// Tailroom returns how many bytes Append can add; see Headroom.
func (b *Buf) Tailroom() int {
	if b.marks&shares != 0 && b.Shared() {
		return 0
	}
	return b.room() - int(b.start+b.length)
}

// Reset empties the buffer, as Get hands it out: no data, Headroom bytes before
// it, the rest behind, and nothing known or asked of the packet. A chain stays
// one, and shared memory stays shared.
func (b *Buf) Reset() {
	b.assertOut()
	b.start, b.length = Headroom, 0
	b.marks &= entangled | markPool
}

// Append adds n bytes behind the data and returns them, with whatever they
// hold; nil if the tailroom is less.
func (b *Buf) Append(n int) []byte {
	if n < 0 || n > b.Tailroom() {
		return nil
	}
	b.length += uint32(n)
	return b.Bytes()[int(b.length)-n:]
}

// Extend is Append for who does not need to see the bytes, as a driver whose card
// has written them. It reports false where Append returns nil.
func (b *Buf) Extend(n int) bool {
	if b.marks&shares != 0 || uint(n) > uint(b.chunk().room-b.start-b.length) {
		return b.Append(n) != nil
	}
	b.length += uint32(n)
	return true
}

// Prepend adds n bytes before the data and returns them, with whatever they
// hold; nil if the headroom is less.
func (b *Buf) Prepend(n int) []byte {
	if n < 0 || n > b.Headroom() {
		return nil
	}
	b.start -= uint32(n)
	b.length += uint32(n)
	return b.Bytes()[:n:n]
}

// TrimFront removes n bytes from the front of the data, and TrimBack from its
// end; both report whether there were as many.
func (b *Buf) TrimFront(n int) bool {
	if n < 0 || n > b.Len() {
		return false
	}
	b.assertOut()
	b.start += uint32(n)
	b.length -= uint32(n)
	return true
}

// TrimBack removes n bytes from the end of the data; see TrimFront.
func (b *Buf) TrimBack(n int) bool {
	if n < 0 || n > b.Len() {
		return false
	}
	b.assertOut()
	b.length -= uint32(n)
	return true
}

// Pool returns the pool the buffer came from.
func (b *Buf) Pool() *Pool { return b.chunk().pool }

// room returns how many bytes the memory of b has. That of a clone is of its
// origin's pool.
func (b *Buf) room() int {
	if b.marks&markClone != 0 {
		b = b.named(b.origin)
	}
	return int(b.chunk().room)
}

// named returns the Buf of that name in b's arena.
func (b *Buf) named(n name) *Buf { return b.Pool().arena.buf(n) }

package pktbuf

// Headroom is how many bytes of a fresh buffer lie before its data, for headers
// that are put in front of a packet on its way.
const Headroom = 128

// A Buf is one packet buffer: a stretch of memory that a card can reach, and in
// it the data, with headroom before and tailroom behind.
//
// Ownership. One goroutine or one card at a time. Get hands a Buf to the
// caller, Send hands it to a card, Recv hands it back, a ring hands it to
// whoever pops it, PutN hands it to the pool. Whoever handed it over neither
// reads nor writes it any more.
//
// Layout. A Buf holds no pointer, so a million of them cost the garbage
// collector nothing, and it fills a cache line half of amd64's prefetched pair,
// so two owners of neighbouring buffers do not slow each other. It is not in
// the memory that the card sees: a card cannot change it.
//
// A Buf must not be copied, and only a Pool makes one.
type Buf struct {
	_ noCopy

	bus    uint64 // of the buffer's first byte
	offset int    // of the buffer's first byte in the region
	size   uint32 // of the buffer, headroom included
	start  uint32 // of the data in the buffer
	length uint32 // of the data
	index  uint32 // in the pool
	_      [64 - bufSize]byte
}

// noCopy makes vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

// Bytes returns the data. Its capacity ends with its length, so an append by
// mistake makes a copy and does not run into the next buffer.
func (b *Buf) Bytes() []byte {
	at := b.offset + int(b.start)
	end := at + int(b.length)
	return b.chunk().region[at:end:end]
}

// Bus returns the bus address of the data's first byte.
func (b *Buf) Bus() uint64 { return b.bus + uint64(b.start) }

// Len returns the length of the data in bytes.
func (b *Buf) Len() int { return int(b.length) }

// Headroom returns how many bytes Prepend can add.
func (b *Buf) Headroom() int { return int(b.start) }

// Tailroom returns how many bytes Append can add.
func (b *Buf) Tailroom() int { return int(b.size - b.start - b.length) }

// Reset empties the buffer: no data, Headroom bytes before it, the rest behind.
func (b *Buf) Reset() { b.start, b.length = Headroom, 0 }

// Append adds n bytes behind the data and returns them, with whatever they
// hold; nil if the tailroom is less.
func (b *Buf) Append(n int) []byte {
	if n < 0 || n > b.Tailroom() {
		return nil
	}
	b.length += uint32(n)
	return b.Bytes()[int(b.length)-n:]
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
	b.start += uint32(n)
	b.length -= uint32(n)
	return true
}

// TrimBack removes n bytes from the end of the data; see TrimFront.
func (b *Buf) TrimBack(n int) bool {
	if n < 0 || n > b.Len() {
		return false
	}
	b.length -= uint32(n)
	return true
}

// Pool returns the pool the buffer came from.
func (b *Buf) Pool() *Pool { return b.chunk().pool }

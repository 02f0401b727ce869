package pktbuf

import "iter"

// Link puts the packet that begins with next behind the last buffer of b's, and
// hands it over: it now goes wherever b goes. It reports whether it could. The
// two must be of one arena, since one card is to reach both; and they must not
// be parts of one packet.
//
// It walks to the end of b. Whoever builds a long chain links to its last
// buffer.
func (b *Buf) Link(next *Buf) bool {
	b.assertOut()
	next.assertOut()
	if b.Pool().arena != next.Pool().arena {
		return false
	}
	last := b
	for last.marks&markNext != 0 {
		last = last.Next()
	}
	b.assertNoLoop(next)
	last.next = next.name
	last.marks |= markNext
	return true
}

// Unlink takes what follows b off it and returns that, a packet of its own; nil
// if nothing follows.
func (b *Buf) Unlink() *Buf {
	b.assertOut()
	return b.cut()
}

func (b *Buf) cut() *Buf {
	next := b.Next()
	b.marks &^= markNext
	return next
}

// Next returns the buffer that follows b in its packet; nil if b is the last.
func (b *Buf) Next() *Buf {
	if b.marks&markNext == 0 {
		return nil
	}
	return b.named(b.next)
}

// Segments returns b and the buffers that follow it. While they are gone
// through, they must stay linked.
func (b *Buf) Segments() iter.Seq[*Buf] {
	return func(yield func(*Buf) bool) {
		for s := b; s != nil; s = s.Next() {
			if !yield(s) {
				return
			}
		}
	}
}

// NumSegments returns how many buffers the packet has that begins with b.
func (b *Buf) NumSegments() int {
	n := 0
	for s := b; s != nil; s = s.Next() {
		n++
	}
	return n
}

// PacketLen returns the length of the packet that begins with b: the sum over
// its buffers. It is added up anew each time, so nothing that is done to one of
// them can make it wrong.
func (b *Buf) PacketLen() int {
	n := 0
	for s := b; s != nil; s = s.Next() {
		n += s.Len()
	}
	return n
}

// CopyTo copies the packet's data from byte offset on into p, as much as there
// is and fits, and returns how many bytes. An offset past the end, or below 0,
// copies none.
func (b *Buf) CopyTo(p []byte, offset int) int {
	if offset < 0 {
		return 0
	}
	n := 0
	for s := b; s != nil && n < len(p); s = s.Next() {
		if offset < s.Len() {
			n += copy(p[n:], s.Bytes()[offset:])
		}
		offset = max(0, offset-s.Len())
	}
	return n
}

// Slice returns n bytes of the data, from byte offset on; nil unless b has all
// of them. It is the bounds check of those who parse headers: what a buffer
// that follows b holds, CopyTo gets.
func (b *Buf) Slice(offset, n int) []byte {
	data := b.Bytes()
	if offset < 0 || n < 0 || offset > len(data) || n > len(data)-offset {
		return nil
	}
	return data[offset : offset+n : offset+n]
}

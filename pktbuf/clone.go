package pktbuf

// Clone returns a packet with the data of b: the bytes are shared, all else is
// each one's own, starting out as b's. Each of b's buffers costs one of c's. It
// reports false, and takes none, if c and its pool have not enough, or are of
// another arena.
//
// Shared bytes are to be read. Prepend and Append find no room while they are
// shared; what is there must not be written to either.
//
// Ownership. The clone is given back as any packet is, before b or after it. The
// memory goes back to its pool with the last of those that share it; giving it
// back synchronizes before that, for all of them. A clone may be cloned.
func (c *Cache) Clone(b *Buf) (*Buf, bool) {
	if b.Pool().arena != c.pool.arena {
		return nil, false
	}
	var head, last *Buf
	for s := b; s != nil; s = s.Next() {
		s.assertOut()
		twin, ok := c.Get()
		if !ok {
			if head != nil {
				c.putTangled(head)
			}
			return nil, false
		}
		twin.share(s)
		if head == nil {
			head = twin
		} else {
			last.next = twin.name
			last.marks |= markNext
		}
		last = twin
	}
	return head, true
}

// share makes b, which is fresh, a clone of s. All clones of one memory, those of
// clones too, have one origin, and only its count is anything to others than the
// owner of the Buf.
func (b *Buf) share(s *Buf) {
	origin := s
	if s.marks&markClone != 0 {
		origin = s.named(s.origin)
	} else {
		s.marks |= markOrigin
	}
	origin.refs.Add(1) // s holds a reference, so it is not 0

	b.bus, b.line = s.bus, s.line
	b.start, b.length = s.start, s.length
	b.marks |= markClone | s.marks&^(entangled|markPool)
	b.origin = origin.name
	b.hash, b.time, b.offload = s.hash, s.time, s.offload
}

// Shared reports whether another Buf has the memory of b, too. Only whoever
// shares it can make that more, so false stays false until b is cloned.
func (b *Buf) Shared() bool {
	b.assertOut()
	if b.marks&markClone != 0 {
		b = b.named(b.origin)
	}
	return b.refs.Load() > 1 // R: acquire
}

// settle gives up the caller's hold on b, and returns what was linked behind it
// and which buffers nobody holds any more: b unless it has clones, and the
// origin if b was the last of its clones.
//
// A count of 1 says that the caller alone holds the memory, and nobody else can
// come to: no read-modify-write is needed.
func (b *Buf) settle() (rest *Buf, free [2]*Buf) {
	rest = b.cut()
	switch {
	case b.marks&markClone != 0:
		free[0] = b
		if origin := b.named(b.origin); origin.release() {
			free[1] = origin
		}
		b.Pool().place(b)
	case b.marks&markOrigin == 0 || b.release():
		free[0] = b
	}
	return rest, free
}

// release drops one reference to an origin, and reports whether it was the last.
// A Buf in a pool has the count of 1 that its next owner wants.
func (b *Buf) release() bool {
	if b.refs.Load() == 1 { // R: acquire
		return true
	}
	if b.refs.Add(^uint32(0)) != 0 { // R: release, and acquire for the last
		return false
	}
	b.refs.Store(1)
	return true
}

package pktbuf

// Guard is how many bytes lie unused on each side of a buffer.
const Guard = guard

// Index returns which buffer of its pool b is.
func Index(b *Buf) int { return b.Pool().index(b.name) }

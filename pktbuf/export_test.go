package pktbuf

// Index returns which buffer of its pool b is.
func Index(b *Buf) int { return b.Pool().index(b.name) }

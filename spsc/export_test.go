package spsc

// NewAt returns an empty ring whose counters all stand at n, so that a test
// can cross the wrap of a uint64 in a few operations.
func NewAt[T any](capacity int, n uint64) *Ring[T] {
	r := New[T](capacity)
	r.tail.Store(n)
	r.prod.claim.Store(n)
	r.prod.head.seen = n
	r.head.Store(n)
	r.cons.tail.seen = n
	return r
}

// NewLossyAt is NewAt for a Lossy.
func NewLossyAt[T any](capacity int, n uint64) *Lossy[T] {
	l := NewLossy[T](capacity)
	l.tail.Store(n)
	l.cons.head.Store(n)
	return l
}

// NewBytesAt is NewAt for a Bytes; n is a multiple of 8.
func NewBytesAt(size int, n uint64) *Bytes {
	b := NewBytes(size)
	b.tail.Store(n)
	b.prod.head = n
	b.head.Store(n)
	b.cons.tail = n
	b.cons.next = n
	return b
}

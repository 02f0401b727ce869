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

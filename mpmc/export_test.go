package mpmc

// NewAt returns an empty ring whose counters both stand at n, so that a test
// can cross the wrap of a uint64 in a few operations.
func NewAt[T any](capacity int, n uint64) *Ring[T] {
	r := New[T](capacity)
	r.tail.Store(n)
	r.head.Store(n)
	for i := range uint64(capacity) {
		r.slot(n + i).turn.Store(2*(n+i) + free)
	}
	return r
}

package mpmc

// NewAt returns an empty ring whose counters both stand at n, so that a test
// can cross the wrap of a uint64 in a few operations.
func NewAt[T any](capacity int, n uint64) *Ring[T] {
	r := New[T](capacity)
	r.begin(n)
	return r
}

package sim

import "unsafe"

// touch is an access of the processor that runs. In a setup none does, and nothing is
// counted.
func touch[V any](p *V, write bool) {
	if present != nil {
		present.access(uintptr(unsafe.Pointer(p)), write)
	}
}

func get[V any](p *V) V {
	touch(p, false)
	return *p
}

func put[V any](p *V, v V) {
	touch(p, true)
	*p = v
}

func swap[V any](p *V, v V) (old V) {
	touch(p, true)
	old, *p = *p, v
	return old
}

func cas[V comparable](p *V, from, to V) bool {
	touch(p, true)
	if *p != from {
		return false
	}
	*p = to
	return true
}

// An integer is a word of sync/atomic.
type integer interface {
	~uint32 | ~uint64 | ~int32 | ~int64 | ~uintptr
}

type cell[V integer] struct{ v V }

// Load is that of sync/atomic.
func (c *cell[V]) Load() V { return get(&c.v) }

// Store is that of sync/atomic.
func (c *cell[V]) Store(v V) { put(&c.v, v) }

// Swap is that of sync/atomic.
func (c *cell[V]) Swap(v V) V { return swap(&c.v, v) }

// CompareAndSwap is that of sync/atomic.
func (c *cell[V]) CompareAndSwap(from, to V) bool { return cas(&c.v, from, to) }

// Add is that of sync/atomic.
func (c *cell[V]) Add(n V) V {
	touch(&c.v, true)
	c.v += n
	return c.v
}

// Or is that of sync/atomic.
func (c *cell[V]) Or(n V) (old V) {
	touch(&c.v, true)
	old = c.v
	c.v |= n
	return old
}

// And is that of sync/atomic.
func (c *cell[V]) And(n V) (old V) {
	touch(&c.v, true)
	old = c.v
	c.v &= n
	return old
}

// The integers of sync/atomic.
type (
	Uint64  struct{ cell[uint64] }
	Uint32  struct{ cell[uint32] }
	Int64   struct{ cell[int64] }
	Int32   struct{ cell[int32] }
	Uintptr struct{ cell[uintptr] }
)

// A Bool is that of sync/atomic.
type Bool struct{ v uint32 }

// Load is that of sync/atomic.
func (b *Bool) Load() bool { return get(&b.v) != 0 }

// Store is that of sync/atomic.
func (b *Bool) Store(v bool) { put(&b.v, number(v)) }

// Swap is that of sync/atomic.
func (b *Bool) Swap(v bool) bool { return swap(&b.v, number(v)) != 0 }

// CompareAndSwap is that of sync/atomic.
func (b *Bool) CompareAndSwap(from, to bool) bool { return cas(&b.v, number(from), number(to)) }

func number(v bool) uint32 {
	if v {
		return 1
	}
	return 0
}

// A Pointer is that of sync/atomic.
type Pointer[T any] struct{ v *T }

// Load is that of sync/atomic.
func (p *Pointer[T]) Load() *T { return get(&p.v) }

// Store is that of sync/atomic.
func (p *Pointer[T]) Store(v *T) { put(&p.v, v) }

// Swap is that of sync/atomic.
func (p *Pointer[T]) Swap(v *T) *T { return swap(&p.v, v) }

// CompareAndSwap is that of sync/atomic.
func (p *Pointer[T]) CompareAndSwap(from, to *T) bool { return cas(&p.v, from, to) }

// Plain accesses, which the copy makes by these.

// Read is for a plain load of *p, and returns p.
func Read[T any](p *T) *T {
	plain(p, 1, false)
	return p
}

// Write is for a plain store to *p, and returns p.
func Write[T any](p *T) *T {
	plain(p, 1, true)
	return p
}

// Set is *p = v. Only when both are known is the line asked for.
func Set[T any](p *T, v T) {
	plain(p, 1, true)
	*p = v
}

// Range is for the elements of a slice that a loop goes through, and returns it.
func Range[S ~[]T, T any](s S) S {
	plain(unsafe.SliceData(s), len(s), false)
	return s
}

// Copy is copy.
func Copy[S ~[]T, T any](to, from S) int {
	n := min(len(to), len(from))
	plain(unsafe.SliceData(from), n, false)
	plain(unsafe.SliceData(to), n, true)
	return copy(to, from)
}

func plain[T any](p *T, n int, write bool) {
	if present == nil || n == 0 {
		return
	}
	const word = 8
	at := uintptr(unsafe.Pointer(p))
	for end := at + uintptr(n)*unsafe.Sizeof(*p); at < end; at = at&^(word-1) + word {
		present.access(at, write)
	}
}

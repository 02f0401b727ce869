package sched

import (
	"fmt"
	"reflect"
	"unsafe"
)

// access does an operation on a word: f tells from what is there what comes there.
func access[V any](p *V, k kind, name string, f func(old V) (next V, wrote bool)) (old V) {
	t, g := do(operation{kind: k, name: name, addr: unsafe.Pointer(p)})
	old = peek(p)
	if g.forwarded {
		old = *(*V)(unsafe.Pointer(&g.value)) // V is uint64: no other is published
	}
	next, wrote := f(old)
	if wrote {
		poke(p, next)
	}
	t.did(g, wrote, 0, func() string {
		if !wrote {
			return show(old)
		}
		return show(old) + " -> " + show(next)
	})
	return old
}

// show returns the address of a pointer, and else the value.
func show(v any) string {
	if r := reflect.ValueOf(v); r.Kind() != reflect.Pointer {
		return fmt.Sprint(v)
	} else if r.IsNil() {
		return "nil"
	}
	return fmt.Sprintf("%p", v)
}

func get[V any](p *V) V {
	return access(p, load, "Load", func(old V) (V, bool) { return old, false })
}

func set[V any](p *V, v V) {
	access(p, write, "Store", func(V) (V, bool) { return v, true })
}

func swap[V any](p *V, v V) V {
	return access(p, write, "Swap", func(V) (V, bool) { return v, true })
}

func cas[V comparable](p *V, from, to V) bool {
	return access(p, write, "CompareAndSwap", func(old V) (V, bool) { return to, old == from }) == from
}

// Publish is cpu.Publish: with TSO the value goes to the thread's buffer.
func Publish(p *Uint64, v uint64) {
	if t := running(); t == nil || t.machine.memory == SC {
		access(&p.v, write, "Publish", func(uint64) (uint64, bool) { return v, true })
		return
	}
	t, g := do(operation{kind: publish, name: "Publish", addr: unsafe.Pointer(&p.v)})
	release(g.release)
	t.did(g, false, v, func() string { return fmt.Sprint(v, " to the buffer") })
}

// Membarrier is cpu.Membarrier.
func Membarrier() bool {
	if m := current(); m.memory == TSO && m.scenario.NoBarrier {
		return false
	}
	if t := running(); t != nil && t.machine.memory == TSO {
		t, g := do(operation{kind: barrier, name: "Membarrier"})
		t.did(g, false, 0, func() string { return "" })
	}
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
func (c *cell[V]) Store(v V) { set(&c.v, v) }

// Swap is that of sync/atomic.
func (c *cell[V]) Swap(v V) V { return swap(&c.v, v) }

// CompareAndSwap is that of sync/atomic.
func (c *cell[V]) CompareAndSwap(from, to V) bool { return cas(&c.v, from, to) }

// Add is that of sync/atomic.
func (c *cell[V]) Add(n V) V {
	return n + access(&c.v, write, "Add", func(old V) (V, bool) { return old + n, true })
}

// Or is that of sync/atomic.
func (c *cell[V]) Or(n V) V {
	return access(&c.v, write, "Or", func(old V) (V, bool) { return old | n, true })
}

// And is that of sync/atomic.
func (c *cell[V]) And(n V) V {
	return access(&c.v, write, "And", func(old V) (V, bool) { return old & n, true })
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
type Bool struct{ v bool }

// Load is that of sync/atomic.
func (b *Bool) Load() bool { return get(&b.v) }

// Store is that of sync/atomic.
func (b *Bool) Store(v bool) { set(&b.v, v) }

// Swap is that of sync/atomic.
func (b *Bool) Swap(v bool) bool { return swap(&b.v, v) }

// CompareAndSwap is that of sync/atomic.
func (b *Bool) CompareAndSwap(from, to bool) bool { return cas(&b.v, from, to) }

// A Pointer is that of sync/atomic.
type Pointer[T any] struct{ v *T }

// Load is that of sync/atomic.
func (p *Pointer[T]) Load() *T { return get(&p.v) }

// Store is that of sync/atomic.
func (p *Pointer[T]) Store(v *T) { set(&p.v, v) }

// Swap is that of sync/atomic.
func (p *Pointer[T]) Swap(v *T) *T { return swap(&p.v, v) }

// CompareAndSwap is that of sync/atomic.
func (p *Pointer[T]) CompareAndSwap(from, to *T) bool { return cas(&p.v, from, to) }

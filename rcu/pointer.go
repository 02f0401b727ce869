package rcu

import "sync/atomic"

// A Pointer is where readers find the newest version of a T, and writers replace
// it. It is an atomic.Pointer with the rules of read-copy-update.
//
// Progress. All methods are wait-free and none allocates.
//
// Order. All methods are sequentially consistent. In the terminology of the Go
// memory model, what stores a pointer synchronizes before each Load that returns
// it.
//
// Ownership. Load lends: what it returns may be used until the outermost Unlock
// of the Reader, and must not be changed. Swap, and a CompareAndSwap that returns
// true, give the old version back to the caller, who may reuse it after the next
// Synchronize. Store is for a Pointer whose old version nobody needs back.
//
// The zero value holds nil. A Pointer must not be copied after first use.
type Pointer[T any] struct {
	p atomic.Pointer[T]
}

// Load returns the newest version. Within a section.
func (p *Pointer[T]) Load() *T { return p.p.Load() }

// Store makes v the newest version.
func (p *Pointer[T]) Store(v *T) { p.p.Store(v) }

// Swap makes v the newest version and returns the one before.
func (p *Pointer[T]) Swap(v *T) (old *T) { return p.p.Swap(v) }

// CompareAndSwap makes v the newest version if old is, and reports whether it
// did. It compares addresses, and so takes a version that was reused and came back
// for the one it was: between the Load of old and the CompareAndSwap stay in a
// section, or be the only writer.
func (p *Pointer[T]) CompareAndSwap(old, v *T) bool { return p.p.CompareAndSwap(old, v) }

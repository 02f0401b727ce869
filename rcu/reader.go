package rcu

import (
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Reader enters and leaves the read-side sections of its Domain, in which what
// a Pointer refers to is safe from reuse. It is a sync.Locker, though it locks
// nobody out. Get one from Domain.Register.
//
// Progress. Lock and Unlock are wait-free: no loop, no lock, no allocation, no
// call into the scheduler. A section may yield, block or be nested in another,
// and holds up Synchronize for as long as it lasts.
//
// Order. What a section may hold on to it must have found through a Pointer or
// another atomic load after Lock. See Domain for what orders its end.
//
// Ownership. A Reader is used by one goroutine at a time, and may pass to another
// between sections or within one if something else orders the two.
//
// Layout. The word that Synchronize reads is cpu.LineSize bytes away from those
// of other readers.
type Reader struct {
	_ cpu.Pad
	section
	_ cpu.Pad
}

// section is written by the reader's goroutine alone.
type section struct {
	// word is zero outside of a section. Within one it is the number of the
	// newest grace period when the outermost Lock looked, with the inside bit.
	word atomic.Uint64

	depth  uint64  // Locks without their Unlock
	domain *Domain // nil once closed
}

const inside = 1 // the bit of a word that numbers of grace periods leave clear

// Lock enters a section.
func (r *Reader) Lock() {
	if r.depth == 0 {
		number := r.domain.grace.Load() // B: acquire
		r.word.Store(number | inside)   // A: sequentially consistent
	}
	r.depth++
}

// Unlock leaves the section that the latest Lock entered. With the outermost one,
// what was found since is no longer safe. It panics outside of any section.
func (r *Reader) Unlock() {
	if r.depth == 0 {
		panic("rcu: Unlock outside of a section")
	}
	r.depth--
	if r.depth == 0 {
		cpu.Publish(&r.word, 0) // C: release
	}
}

// Close takes r out of its domain; it must not be used again. It panics within a
// section and when r is closed already. A Reader that is dropped without Close
// stays in the list of its domain.
func (r *Reader) Close() {
	if r.depth != 0 {
		panic("rcu: Close within a section")
	}
	if r.domain == nil {
		panic("rcu: Close of a closed Reader")
	}
	r.domain.unregister(r)
	r.domain = nil
}

// olderThan reports whether r is in a section that may have begun before the
// grace period.
func (r *Reader) olderThan(period uint64) bool {
	word := r.word.Load() // A: sequentially consistent; B, C: acquire
	return word != 0 && int64(word-period) < 0
}

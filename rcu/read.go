package rcu

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// Read calls section within a section of d, for a goroutine that has no Reader: it
// borrows one, at the cost of some ten times a Lock and an Unlock. When section
// panics, too, the section ends. A Read within a Read borrows another. However many
// goroutines have read at a time, no more than 72 readers stay behind for the next.
func (d *Domain) Read(section func()) {
	at := spot()
	r := d.lent.borrow(at)
	if r == nil {
		r = d.register(0)
	}
	if d.stalls.Load() != nil {
		r.site.Store(caller())
	}
	r.Lock()
	defer d.giveBack(r, at)
	section()
}

func (d *Domain) giveBack(r *Reader, at uint32) {
	r.Unlock()
	if !d.lent.keep(r, at) {
		r.Close()
	}
}

// lent are the readers that nobody has borrowed now. They are not left to a
// sync.Pool, which loses what it holds: each one lost would have to be taken out of
// the domain, and under the race detector, where it loses one in four, they would
// come faster than that.
type lent struct {
	// near is where they are looked for first, each goroutine beginning at a place of
	// its own, where it has put one back: two who come at a time seldom meet.
	near [8]struct {
		reader atomic.Pointer[Reader] // of nobody; who takes it out has it
		_      cpu.Pad
	}

	mu    sync.Mutex
	spare []*Reader // up to maxSpare
}

const maxSpare = 64

// borrow returns nil if there is none.
func (l *lent) borrow(at uint32) *Reader {
	for i := range uint32(len(l.near)) {
		place := &l.near[(at+i)%uint32(len(l.near))].reader
		if r := place.Load(); r != nil && place.CompareAndSwap(r, nil) {
			return r
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.spare)
	if n == 0 {
		return nil
	}
	r := l.spare[n-1]
	l.spare = l.spare[:n-1]
	return r
}

// keep reports whether there was a place for r.
func (l *lent) keep(r *Reader, at uint32) bool {
	for i := range uint32(len(l.near)) {
		place := &l.near[(at+i)%uint32(len(l.near))].reader
		if place.Load() == nil && place.CompareAndSwap(nil, r) {
			return true
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spare) == maxSpare {
		return false
	}
	l.spare = append(l.spare, r)
	return true
}

// caller returns the address that the exported function returns to which called
// it.
func caller() uintptr {
	var pc [1]uintptr
	runtime.Callers(3, pc[:])
	return pc[0]
}

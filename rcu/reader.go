package rcu

import (
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Reader enters and leaves the read-side sections of its Domain, in which what
// a Pointer refers to is safe from reuse. It is a sync.Locker, though it locks
// nobody out. Get one from Domain.Register.
//
// There are two ways to use it, and they may be mixed. Either Lock and Unlock
// enclose each section. Or, where sections follow one another for as long as a
// loop turns, Online begins one long section, the loop calls Quiesce at the point
// where it holds nothing, and before it blocks it goes Offline.
//
// Progress. All methods but Close are wait-free, with one exception: no loop, no
// lock, no allocation, no call into the scheduler. The exception is a section that
// a grace period has waited for so long that the driver sleeps: what ends the
// section wakes it, and a reader that ends another 64 before the driver runs waits
// for it. A section may yield, block or be nested in another, and holds up grace
// periods for as long as it lasts.
//
// Order. What a section may hold on to it must have found through a Pointer or
// another atomic load after its beginning. See Domain for what orders its end.
//
// Ownership. A Reader is used by one goroutine at a time, and may pass to another
// between sections or within one if something else orders the two.
//
// Layout. The word that grace periods read is cpu.LineSize bytes away from those
// of other readers.
type Reader struct {
	_ cpu.Pad
	section
	_ cpu.Pad
}

// section is written by the reader's goroutine, but for what is the driver's.
type section struct {
	// word is zero outside of a section. Within one it is the number of the
	// newest grace period when its beginning looked, with the inside bit.
	word atomic.Uint64

	nested uint64  // Locks without their Unlock but the outermost; from online on in Online
	domain *Domain // nil once closed
	fences bool    // the driver does not fence for this reader
	gone   bool    // closed; guarded by the domain's registry

	// awaited is set by the driver while it sleeps until this section is over,
	// and left wakes it.
	awaited atomic.Bool
	left    chan struct{}

	site atomic.Uintptr // where it was registered or borrowed
}

const (
	inside = 1       // the bit of a word that numbers of grace periods leave clear
	online = 1 << 30 // what nested is within Online and nothing else

	// courtesy is how many sections a reader may end while the driver that it
	// told has not woken. Then it waits for it, and so gives it the processor
	// that it may be in want of. With one to spare the driver is there sooner.
	courtesy = 64
)

// Lock enters a section.
func (r *Reader) Lock() {
	if r.word.Load() != 0 {
		r.nested++
		return
	}
	number := r.domain.grace.Load() | inside // B: acquire
	if r.fences {
		r.word.Store(number) // A: sequentially consistent
	} else {
		cpu.Publish(&r.word, number) // A: with the driver's fence
	}
}

// Unlock leaves the section that the latest Lock entered. With the outermost one,
// what was found since is no longer safe. It panics outside of any section.
func (r *Reader) Unlock() {
	if r.nested != 0 {
		r.nested--
		return
	}
	if r.word.Load() == 0 {
		panic("rcu: Unlock outside of a section")
	}
	cpu.Publish(&r.word, 0) // C: release
	if r.awaited.Load() {   // E: with the driver's fence
		r.left <- struct{}{}
	}
}

// Online enters a section that lasts until Offline, and in which Quiesce may be
// called. Lock and Unlock within it are nested. It panics within a section.
func (r *Reader) Online() {
	if r.word.Load() != 0 {
		panic("rcu: Online within a section")
	}
	r.Lock()
	r.nested = online
}

// Quiesce ends the section that Online entered and begins another: what was found
// before is no longer safe. If no grace period has begun since the last time, it
// costs two loads. It panics unless the reader is online and every Lock since has
// had its Unlock.
func (r *Reader) Quiesce() {
	if r.nested != online {
		panic("rcu: Quiesce of a Reader that is offline or locked")
	}
	number := r.domain.grace.Load() | inside // B: acquire
	if number == r.word.Load() {
		return
	}
	cpu.Publish(&r.word, number) // C: release
	if r.awaited.Load() {        // E: with the driver's fence
		r.left <- struct{}{}
	}
}

// Offline ends the section that Online entered. It panics when Quiesce would.
func (r *Reader) Offline() {
	if r.nested != online {
		panic("rcu: Offline of a Reader that is offline or locked")
	}
	r.nested = 0
	r.Unlock()
}

// Close takes r out of its domain; it must not be used again. It panics within a
// section and when r is closed already. A Reader that is dropped without Close
// stays in the list of its domain.
func (r *Reader) Close() {
	if r.word.Load() != 0 {
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
	word := r.word.Load() // A: after the fence; B, C: acquire
	return word != 0 && int64(word-period) < 0
}

// forget takes back that the driver awaits r. One Unlock may have seen it and not
// told yet: then there is room for that.
func (r *Reader) forget() {
	r.awaited.Store(false)
	for {
		select {
		case <-r.left:
		default:
			return
		}
	}
}

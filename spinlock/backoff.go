package spinlock

import (
	"runtime"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A Backoff paces a loop that cannot go on yet. A loop has one of two reasons
// to go round again, and there is a word for each. Lost: another goroutine got
// there first; somebody made progress, and trying again soon is right. Wait:
// nothing will change until somebody else acts, and that somebody may need the
// very processor this loop runs on.
//
// Progress. Lost returns after a few microseconds at most and never enters the
// scheduler. Wait pauses for ever longer, then yields to the scheduler, then
// sleeps for ever longer, up to a millisecond: no goroutine is kept from running
// for good, with one processor too. Neither allocates.
//
// Order. Neither orders anything: the loop's own loads and stores do.
//
// Ownership. A Backoff belongs to one loop of one goroutine and lives on its
// stack. The zero value is ready.
type Backoff struct {
	losses uint32 // calls of Lost, up to lastLoss
	waits  uint32 // calls of Wait since the last Lost, up to lastWait
}

// How Wait goes on, in calls.
const (
	// Pauses double from 1 to 32, 63 in all: 1 to 3 microseconds, as long as it
	// takes to fetch a contended line a few times.
	pauses   = 6
	lastLoss = pauses - 1

	// A yield of an idle processor takes 65 ns, all of them 65 µs; a sleep ends
	// after a millisecond however short, since that is the finest the Go
	// scheduler asks of the kernel. So yields go on for as long as they are cheap
	// beside one sleep, and hundreds of waiters may pass a lock on meanwhile.
	yields = 1000

	minSleep  = 16 * time.Microsecond
	doublings = 6
	maxSleep  = minSleep << doublings // 1.024 ms
	lastWait  = pauses + yields + doublings
)

// Lost is to be called after losing a race, such as a CompareAndSwap that
// failed: it pauses briefly, twice as long each time up to 32 pauses. What was
// waited for has happened, so the next Wait is a first one again.
func (b *Backoff) Lost() {
	cpu.Pause(1 << b.losses)
	b.losses = min(b.losses+1, lastLoss)
	b.waits = 0
}

// Wait is to be called when only another goroutine can end the wait: for a
// lock held, a ring full or empty, a reader to leave. With one processor it
// yields at once, since nobody can act while this goroutine spins.
func (b *Backoff) Wait() {
	if b.waits == 0 && min(runtime.GOMAXPROCS(0), runtime.NumCPU()) == 1 {
		b.waits = pauses
	}
	switch n := b.waits; {
	case n < pauses:
		cpu.Pause(1 << n)
	case n < pauses+yields:
		runtime.Gosched()
	default:
		time.Sleep(minSleep << (n - pauses - yields))
	}
	b.waits = min(b.waits+1, lastWait)
}

// Reset begins anew, for the next thing waited for.
func (b *Backoff) Reset() { *b = Backoff{} }

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
// Progress. Lost returns after a few microseconds and never enters the
// scheduler. Wait pauses for ever longer, then yields to the scheduler, then
// sleeps for ever longer, up to a millisecond: with one processor, too, it keeps
// no other goroutine from running. Who can be woken should not sleep but park, for
// a sleeper wakes late, and in a queue each makes those behind it late too: Spin is
// Wait for those. None of them allocates.
//
// Order. None orders anything: the loop's own loads and stores do.
//
// Ownership. A Backoff belongs to one loop of one goroutine and lives on its
// stack. The zero value is ready.
type Backoff struct {
	losses uint32 // calls of Lost, up to lastLoss
	waits  uint32 // calls of Wait or of Spin since the last Lost, up to lastWait
	looks  uint32 // calls of queue since again that paused, up to looks
	procs  uint32 // how many goroutines can run at once; 0 if not asked yet
}

// How long it takes, in calls.
const (
	// Lost doubles its pause from 1 to 32: 1 to 2 µs, in which a contended line
	// changes hands several times.
	lastLoss = 5

	// Wait doubles its pause from 1 to 8, 15 in all: 0.2 to 0.7 µs, about what
	// it takes to hear from a goroutine that is running. If it is not, each pause
	// keeps it from this processor.
	pauses = 4

	// queue looks so often before it yields, after each pause if it is the next:
	// for 10 µs. A goroutine that is locked to its thread takes 8.5 µs to yield. If
	// the next in line were less patient it would yield meanwhile, and the one after
	// it for that reason, and so on.
	looks = 256

	// poll begins where Wait leaves off and doubles its pause from 8 to 64, then
	// makes that of 64 before each yield: 0.2 to 1.8 µs. Meanwhile the holder of a
	// lock goes in and out dozens of times without losing its line.
	apart    = 3
	maxPause = 1 << (pauses - 1 + apart)

	// With nothing else to run a yield takes 65 ns, and all of them 65 µs. A
	// sleep, however short, takes an idle process a millisecond, the finest the
	// Go scheduler asks of the kernel. So there is yielding for as long as it is
	// cheap beside one sleep.
	yields = 1000

	// Spin pauses for 8 and for 16, longer than Wait at first: each look costs the
	// one it waits for a miss, and meanwhile that one does more than a single
	// thing. It yields for as long as it costs to park and to be woken, some 13 µs.
	firstSpin  = 3
	spinPauses = 2
	spinYields = 200

	minSleep  = 16 * time.Microsecond
	doublings = 6 // to 1.024 ms
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
func (b *Backoff) Wait() { b.wait(0) }

// poll is Wait for a loop that looks at a word which the one it waits for writes
// all the time, as the holder of a busy lock does: each look costs that one a
// cache miss, and the looks are farther apart.
func (b *Backoff) poll() { b.wait(apart) }

// Spin is Wait for one who can be woken by whom it waits for, and never sleeps: it
// pauses, then yields, and in the end returns false. Then it is time to park,
// which costs more than to spin but only once. With one processor it yields at
// once.
func (b *Backoff) Spin() bool {
	if b.processors() == 1 {
		b.waits = max(b.waits, spinPauses)
	}
	switch n := b.waits; {
	case n < spinPauses:
		cpu.Pause(1 << (firstSpin + n))
	case n < spinPauses+spinYields:
		runtime.Gosched()
	default:
		return false
	}
	b.waits++
	return true
}

// queue is Wait for one in a line that has so many ahead of it, the holder
// counted. It looks again soon if it is the next and later in proportion, and
// yields when that was in vain for long. With more ahead than can run at once it
// yields at once: its turn will not come before theirs.
func (b *Backoff) queue(ahead uint64) {
	if ahead < uint64(b.processors()) && b.looks < looks {
		b.looks++
		cpu.Pause(min(1+uint32(max(ahead, 1)-1)<<apart, maxPause))
		return
	}
	b.waits = max(b.waits, pauses)
	b.wait(0)
}

// again begins anew with a wait for something of the same kind.
func (b *Backoff) again() { b.waits, b.looks = 0, 0 }

// processors asks once: the answer takes a lock of the scheduler's.
func (b *Backoff) processors() uint32 {
	if b.procs == 0 {
		b.procs = uint32(min(runtime.GOMAXPROCS(0), runtime.NumCPU()))
	}
	return b.procs
}

// wait makes pauses 1<<apart times as long as Wait does.
func (b *Backoff) wait(apart uint32) {
	if b.processors() == 1 {
		b.waits = max(b.waits, pauses)
	}
	switch n := b.waits; {
	case n < pauses:
		cpu.Pause(1 << (n + apart))
	case n < pauses+yields:
		if apart > 0 && b.procs > 1 {
			cpu.Pause(maxPause)
		}
		runtime.Gosched()
	default:
		time.Sleep(minSleep << (n - pauses - yields))
	}
	b.waits = min(b.waits+1, lastWait)
}

// Spent reports whether Wait has come to sleeping: what is waited for takes long.
func (b *Backoff) Spent() bool { return b.waits >= pauses+yields }

// Reset begins anew, for the next thing waited for.
func (b *Backoff) Reset() { *b = Backoff{} }

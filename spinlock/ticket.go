package spinlock

import (
	"context"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
)

// A Ticket is a mutual exclusion lock that goroutines get in the order in which
// they asked: each draws a number and waits until it is called. It is a
// sync.Locker.
//
// Progress. Lock draws its number in one step and then waits for those before it:
// pausing for longer the farther it is from its turn, then yielding, and sleeping
// as Backoff.Wait does only while nobody gets on. TryLock and Unlock are
// wait-free. Nothing allocates but LockContext, and that only when it gives up
// its place with others behind it.
//
// The lock passes to the next in line whether it is running or not: with many
// more goroutines than processors each hand-over costs a visit to the scheduler,
// and mcs.Lock, whose waiters can be woken, or a Mutex does better.
//
// Order. In the terminology of the Go memory model, each Unlock synchronizes
// before the return of the next Lock; a TryLock that returns true and a
// LockContext that returns nil count as a Lock. Others order nothing.
//
// Ownership. The Ticket belongs to no goroutine: one may lock it and another
// unlock it.
//
// Layout. A Ticket is sixteen bytes, unpadded. Keep it a line away from what it
// does not guard: waiters read it all the time.
//
// The zero value is unlocked. A Ticket must not be copied after first use.
type Ticket struct {
	debug   lockdebug.Lock
	drawn   atomic.Uint64 // the number that the next to come will draw
	serving atomic.Uint64 // the number that has the lock, or will when it is drawn
}

// Two edges order one section before the next:
//
//	A  serving. Unlock, which only the holder may call, stores the next number,
//	   and with that hands over what the section wrote; whoever finds its own
//	   number there has the lock.
//	B  drawn. Whoever changes it from n to n+1 has the number n, and no other has
//	   until that one is called or puts it back. A number can be put back only by
//	   changing n+1 to n, when nobody has drawn a later one.
//
// Both only grow but for that, and serving never gets ahead of drawn.

// Lock takes t, waiting for all that came before.
func (t *Ticket) Lock() {
	if lockdebug.On {
		t.debug.Wait("spinlock.Ticket.Lock")
		defer t.debug.Locked("spinlock.Ticket.Lock")
	}
	mine := t.drawn.Add(1) - 1    // B
	if t.serving.Load() != mine { // A: acquire
		t.wait(mine, nil)
	}
}

// LockContext takes t as Lock does, unless ctx ends while it waits: then it
// returns ctx.Err(). A free Ticket it takes whatever ctx says.
//
// The place in line of one who gives up goes back if nobody stands behind it.
// Otherwise a goroutine is left to stand there, and passes on its turn.
func (t *Ticket) LockContext(ctx context.Context) error {
	if lockdebug.On {
		t.debug.Wait("spinlock.Ticket.LockContext")
	}
	if !t.lock(ctx.Done()) {
		return ctx.Err()
	}
	if lockdebug.On {
		t.debug.Locked("spinlock.Ticket.LockContext")
	}
	return nil
}

// lock takes t unless done comes first, and reports whether it did.
func (t *Ticket) lock(done <-chan struct{}) bool {
	mine := t.drawn.Add(1) - 1                          // B
	if t.serving.Load() == mine || t.wait(mine, done) { // A: acquire
		return true
	}
	if !t.putBack(mine) {
		go t.stand(mine)
	}
	return false
}

// wait waits for the turn of a number until done, and reports whether it came.
func (t *Ticket) wait(mine uint64, done <-chan struct{}) bool {
	for p := t.place(mine); !p.called(); {
		if ended(done) {
			return false
		}
	}
	return true
}

// putBack gives a number back if it is the last that was drawn. If its turn has
// come meanwhile, that is an unlock.
func (t *Ticket) putBack(mine uint64) bool {
	return t.drawn.Load() == mine+1 && t.drawn.CompareAndSwap(mine+1, mine) // B
}

// stand waits in the place of one who left, until its turn comes or it can put
// the number back.
func (t *Ticket) stand(mine uint64) {
	for p := t.place(mine); !p.called(); {
		if t.putBack(mine) {
			return
		}
	}
	t.unlock()
}

// A place in line is that of a number which is not being served yet.
type place struct {
	ticket  *Ticket
	mine    uint64
	serving uint64 // when last seen
	backoff Backoff
}

func (t *Ticket) place(mine uint64) place {
	return place{ticket: t, mine: mine, serving: t.serving.Load()}
}

// called waits a little and reports whether the turn has come.
func (p *place) called() bool {
	p.backoff.queue(p.mine - p.serving)
	now := p.ticket.serving.Load() // A: acquire
	if now != p.serving {
		p.backoff.again() // the line moves
		p.serving = now
	}
	return now == p.mine
}

// TryLock takes t if nobody holds it or waits for it, and reports whether it did.
func (t *Ticket) TryLock() bool {
	ok := t.tryLock()
	if lockdebug.On && ok {
		t.debug.Locked("spinlock.Ticket.TryLock")
	}
	return ok
}

// tryLock draws a number if it is being served. It still is when drawn has been
// changed: serving lies between what it was before and drawn.
func (t *Ticket) tryLock() bool {
	mine := t.serving.Load()                                              // A: acquire
	return t.drawn.Load() == mine && t.drawn.CompareAndSwap(mine, mine+1) // B
}

// Unlock calls the next number. It panics if t is not locked.
func (t *Ticket) Unlock() {
	if lockdebug.On {
		t.debug.Unlock("spinlock.Ticket.Unlock")
	}
	if t.serving.Load() == t.drawn.Load() {
		panic("spinlock: Unlock of unlocked Ticket")
	}
	t.unlock()
}

func (t *Ticket) unlock() {
	cpu.Publish(&t.serving, t.serving.Load()+1) // A: release
}

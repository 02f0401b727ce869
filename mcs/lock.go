package mcs

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Lock is a mutual exclusion lock that goroutines get in the order in which
// they asked. Each brings a Node.
//
// Progress. Acquire blocks while others hold the lock or are ahead in the queue:
// it spins for less than a microsecond, then parks and costs nothing. It joins
// the queue in a bounded number of steps, and is served when those ahead of it
// have been or have left. TryAcquire is wait-free. Release passes over those who
// have left, each of whom only one Release meets, and waits for one thing: that a
// successor which has swapped itself in also links itself behind, some stores
// later. A Release that wakes a successor yields to it, so that the lock does not
// wait for the end of the caller's time slice. Who leaves delays nobody but others
// who leave. A Node allocates when it is first used, and anew after a Release that
// passed over somebody; otherwise only AcquireContext allocates.
//
// Order. In the terminology of the Go memory model, each Release synchronizes
// before the return of the next Acquire; a TryAcquire that returns true and an
// AcquireContext that returns nil count as one. Others order nothing.
//
// Ownership. The lock belongs to whoever may touch the Node it was acquired with.
// Node and lock may pass to another goroutine together.
//
// Layout. A Lock is one word, unpadded. Goroutines that arrive write it; those
// that wait do not look at it.
//
// The zero value is free. A Lock must not be copied after first use.
type Lock struct {
	debug lockdebug.Lock
	tail  atomic.Pointer[place] // the last in the queue; nil if the lock is free
}

// Three edges order one section before the next:
//
//	A  tail. Release takes its place out, leaving nil; whoever swaps a place in
//	   and gets nil has the lock. Every swap also hands the swapped-in place, idle
//	   and unlinked, to the one that will come behind it.
//	B  next. A waiter links itself, and with that hands over its state, which
//	   says that it waits.
//	C  state. Release takes the wait out of its successor's word, and with that
//	   hands over the lock. One that has parked learns it from the gate or the
//	   bell.
//
// Who gives up writes left into its state, by which Release passes it over
// (edge C, the other way), and then takes its place out of the queue, so that
// those who come and leave while one holder stays do not pile up. See leave.

// Acquire takes l with n, waiting for all that came before. It panics if n is in
// use. n must be left alone, and be kept, until Release.
func (l *Lock) Acquire(n *Node) {
	if lockdebug.On {
		l.debug.Wait("mcs.Lock.Acquire")
		defer l.debug.Locked("mcs.Lock.Acquire")
	}
	p := n.enter(l)
	if ahead := l.tail.Swap(p); ahead != nil { // A: acquire, release
		p.join(ahead)
		p.wait(nil)
	}
}

// AcquireContext takes l with n as Acquire does, unless ctx ends while it waits:
// then it returns ctx.Err(), and n is free again at once. A free Lock it takes
// whatever ctx says. It allocates when it parks, and n does after a wait that was
// given up, for its place in the queue is left behind.
func (l *Lock) AcquireContext(ctx context.Context, n *Node) error {
	if lockdebug.On {
		l.debug.Wait("mcs.Lock.AcquireContext")
	}
	if l.TryAcquire(n) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p := n.enter(l)
	if ahead := l.tail.Swap(p); ahead != nil { // A: acquire, release
		p.ahead.Store(ahead)
		p.join(ahead)
		if !p.wait(ctx.Done()) {
			if p.state.CompareAndSwap(parked, left) { // C: release; acquire, if it fails
				*n = Node{}
				p.leave()
				return ctx.Err()
			}
			p.rest()
		}
		p.ahead.Store(nil)
	}
	if lockdebug.On {
		l.debug.Locked("mcs.Lock.AcquireContext")
	}
	return nil
}

// TryAcquire takes l with n if nobody holds it, and reports whether it did. It
// panics if n is in use.
func (l *Lock) TryAcquire(n *Node) bool {
	p := n.enter(l)
	if l.tail.Load() == nil && l.tail.CompareAndSwap(nil, p) { // A: acquire, release
		if lockdebug.On {
			l.debug.Locked("mcs.Lock.TryAcquire")
		}
		return true
	}
	n.lock = nil
	return false
}

// Release hands l to the goroutine that has waited longest. n is the Node l was
// acquired with, and is free again afterwards; Release panics if it is another.
func (l *Lock) Release(n *Node) {
	if lockdebug.On {
		l.debug.Unlock("mcs.Lock.Release")
	}
	if n.lock != l {
		panic("mcs: Release with a Node that does not hold the Lock")
	}
	n.lock = nil
	if n.place.next.Load() == nil && l.tail.CompareAndSwap(n.place, nil) { // A: release
		return
	}
	if l.pass(n.place) {
		n.place = nil // see leave
	}
}

// pass hands l to the first behind p that has not left, or frees it, and reports
// whether it passed over somebody.
func (l *Lock) pass(p *place) (over bool) {
	for {
		next := l.behind(p)
		p.next.Store(nil) // or it would keep next alive
		if next == nil {
			return over
		}
		switch next.end(idle) {
		case left:
			p, over = next, true
		case parked:
			runtime.Gosched()
			return over
		default:
			return over
		}
	}
}

// behind returns the place behind p, nil if there is none and l is free now. One
// that is not linked yet soon is.
func (l *Lock) behind(p *place) *place {
	for b := (spinlock.Backoff{}); ; b.Wait() {
		if next := p.next.Load(); next != nil { // B: acquire
			return next
		}
		if l.tail.Load() == p && l.tail.CompareAndSwap(p, nil) { // A: release
			return nil
		}
	}
}

// A Node stands for one goroutine in the queue of a Lock. It serves any number of
// acquisitions, of any locks, one after another. A goroutine that holds two locks
// at once needs two.
//
// Layout. A Node is two words that its owner alone uses. What others use, the
// place in the queue, it allocates at its first use, cpu.LineSize bytes away from
// whatever else there is, and keeps.
//
// The zero value is ready. A Node must not be copied after first use.
type Node struct {
	_     noCopy
	lock  *Lock // queued for or held, nil if none
	place *place
}

// noCopy has go vet report copies.
type noCopy struct{}

func (*noCopy) Lock()   {}
func (*noCopy) Unlock() {}

func (n *Node) enter(l *Lock) *place {
	if n.lock != nil {
		panic("mcs: Node is in use")
	}
	n.lock = l
	if n.place == nil {
		n.place = new(place)
	}
	return n.place
}

// A place is what stands in the queue.
type place struct {
	_ cpu.Pad
	links
	_ cpu.Pad
}

type links struct {
	spot

	// next is the place behind, written by its owner, and by those who leave from
	// between. Nil in a place that is not in the queue.
	next atomic.Pointer[place]

	// ahead is the place in front if the owner of this one may leave, else nil.
	// Who leaves follows it, and who leaves from in front changes it.
	ahead atomic.Pointer[place]
}

// join links p behind the place ahead of it.
func (p *place) join(ahead *place) {
	cpu.Publish(&p.state, waiting)
	ahead.next.Store(p) // B: release
}

// leaving is held by who takes a place out of a queue. No holder and no waiter
// needs it.
var leaving sync.Mutex

// leave takes p, whose owner has left, out of the queue, and with it those in
// front that left while they were the last.
//
// It may come too late, or just then: a Release on its way down the queue reads
// next of the place in front either before p is taken out, and passes p over, for
// p still leads on; or after. In a place that a Release has done with, next is
// nil, so the exchange fails. That must stay so: whoever leaves may come to it as
// late as it likes, and were the place back in a queue by then, and left there,
// that would be mistaken for this one. So a place whose Release passed over
// somebody is not used again, and neither is one that was left.
//
// The last in the queue cannot be taken out, since the next to arrive may be about
// to link itself behind; that one takes it out if it leaves too. So there is never
// more than one place that was left for each one in use.
func (p *place) leave() {
	leaving.Lock()
	defer leaving.Unlock()
	front := p.ahead.Load()
	for front.state.Load() == left {
		before := front.ahead.Load()
		if !before.next.CompareAndSwap(front, p) {
			return
		}
		front = before
		p.ahead.Store(front)
	}
	if next := p.next.Load(); next != nil && front.next.CompareAndSwap(p, next) { // B: acquire, release
		next.ahead.CompareAndSwap(p, front)
	}
}

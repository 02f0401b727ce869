// Package mcs provides a first-come, first-served spin lock whose waiters each
// spin on a word of their own.
//
// # Algorithm
//
// The lock of Mellor-Crummey and Scott [1] is a queue of nodes, one for the
// holder and one for each waiter, in order of arrival. The lock itself is the
// address of the last node, nil if there is none. Who arrives swaps in its node;
// if there was one before it, it links itself behind that one and waits until the
// owner of that one writes into its node that the lock is its own. A waiter thus
// reads only memory that a single other goroutine will write, once.
//
// # When to use it
//
// A free lock is taken with one atomic read-modify-write and given back with one.
// Under contention the price of a hand-over does not grow with the number of
// waiters, and none is overtaken. That is also the weakness: the lock passes to
// the next in line whether it is running or not, so with more contenders than
// processors each hand-over costs a visit to the scheduler. A spinlock.Mutex or a
// sync.Mutex then does better.
//
// [1]: J. Mellor-Crummey and M. Scott, Algorithms for Scalable Synchronization
// on Shared-Memory Multiprocessors, ACM Transactions on Computer Systems 9(1),
// 1991.
package mcs

import (
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Lock is a mutual exclusion lock that goroutines get in the order in which
// they asked. Each brings a Node.
//
// Progress. Acquire blocks while others hold the lock or are ahead in the queue:
// it spins, then yields as spinlock.Backoff.Wait does, then parks and costs
// nothing. It joins the queue in a bounded number of steps, and is served when
// those ahead of it have been. TryAcquire is wait-free. Release waits for one
// thing: that a successor which has swapped itself in also links itself behind,
// two stores later. Nothing allocates.
//
// Order. In the terminology of the Go memory model, each Release synchronizes
// before the return of the next Acquire, or of the next TryAcquire that returns
// true. A TryAcquire that returns false orders nothing.
//
// Ownership. The lock belongs to whoever may touch the Node it was acquired with.
// Node and lock may pass to another goroutine together.
//
// Layout. A Lock is one word, unpadded. Goroutines that arrive write it; those
// that wait do not look at it.
//
// The zero value is free. A Lock must not be copied after first use.
type Lock struct {
	tail atomic.Pointer[Node] // the last in the queue; nil if the lock is free
}

// Three edges order one section before the next:
//
//	A  tail. Release takes its node out, leaving nil; whoever swaps a node in and
//	   gets nil has the lock. Every swap also hands the swapped-in node, idle and
//	   unlinked, to the one that will come behind it.
//	B  next. A waiter links itself, and with that hands over its state, which
//	   says that it waits.
//	C  state. Release takes the wait out of its successor's word, and with that
//	   hands over the lock. One that has parked learns it from the gate.

// Acquire takes l with n, waiting for all that came before. It panics if n is in
// use. n must be left alone, and be kept, until Release.
func (l *Lock) Acquire(n *Node) {
	n.enter(l)
	if ahead := l.tail.Swap(n); ahead != nil { // A: acquire, release
		n.wait(ahead)
	}
}

// TryAcquire takes l with n if nobody holds it, and reports whether it did. It
// panics if n is in use.
func (l *Lock) TryAcquire(n *Node) bool {
	n.enter(l)
	if l.tail.Load() == nil && l.tail.CompareAndSwap(nil, n) { // A: acquire, release
		return true
	}
	n.lock = nil
	return false
}

// Release hands l to the goroutine that has waited longest. n is the Node l was
// acquired with, and is free again afterwards; Release panics if it is another.
func (l *Lock) Release(n *Node) {
	if n.lock != l {
		panic("mcs: Release with a Node that does not hold the Lock")
	}
	n.lock = nil
	if n.next.Load() == nil && l.tail.CompareAndSwap(n, nil) { // A: release
		return
	}
	n.pass()
}

// A Node is one goroutine's place in the queue of a Lock. It serves any number of
// acquisitions, of any locks, one after another. A goroutine that holds two locks
// at once needs two.
//
// Layout. The words other goroutines use stand cpu.LineSize bytes away from
// whatever is beside the Node, so that a waiter's spinning and its neighbours'
// stores do not disturb each other.
//
// The zero value is ready. A Node must not be copied after first use.
type Node struct {
	_ cpu.Pad
	links
	_ cpu.Pad
}

type links struct {
	// lock is the lock this node queues for or holds, nil if none. Its owner
	// alone uses it.
	lock *Lock

	// state says how the owner waits. The owner sets it to spinning before it
	// links the node behind another; the owner of that other sets it back.
	state atomic.Uint64

	// gate is closed while the owner is parked.
	gate sync.Mutex

	// next is the node behind, written by its owner. Nil in a node that is not in
	// use.
	next atomic.Pointer[Node]
}

// How the owner of a node waits.
const (
	idle     = iota // not at all
	spinning        // reading state
	parked          // at the gate
)

func (n *Node) enter(l *Lock) {
	if n.lock != nil {
		panic("mcs: Node is in use")
	}
	n.lock = l
}

// wait links n behind the node ahead of it and waits for the lock.
func (n *Node) wait(ahead *Node) {
	cpu.Publish(&n.state, spinning)
	ahead.next.Store(n) // B: release
	var b spinlock.Backoff
	for n.state.Load() != idle { // C: acquire
		if b.Spent() {
			n.park()
			return
		}
		b.Wait()
	}
}

// park closes the gate and stands before it until the one ahead opens it, unless
// the lock has come meanwhile.
func (n *Node) park() {
	n.gate.Lock()
	if n.state.CompareAndSwap(spinning, parked) { // C: acquire, if it fails
		n.gate.Lock()
	}
	n.gate.Unlock()
}

// pass hands the lock to the node behind n. There is one, for the lock's tail is
// no longer n, but it may not be linked yet.
func (n *Node) pass() {
	next := n.next.Load() // B: acquire
	for b := (spinlock.Backoff{}); next == nil; next = n.next.Load() {
		b.Wait()
	}
	if next.state.Swap(idle) == parked { // C: release
		next.gate.Unlock()
	}
	n.next.Store(nil) // or it would keep next alive
}

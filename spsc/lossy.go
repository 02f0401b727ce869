package spsc

import (
	"context"
	"fmt"
	"math/bits"
	"reflect"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/slots"
)

// A Lossy is a FIFO between one producer and one consumer that is never full: a
// push into one that holds its capacity takes the place of the oldest value, which
// is lost, and counted. It is for who would rather know the latest than wait, such
// as a trace or a display.
//
// A cell does not hold a value but the number of a buffer that does. There are two
// buffers more than cells, one for each side. The producer fills its own and swaps
// it for the cell's; the consumer swaps its own, empty, for the cell's and reads at
// leisure what it got. So no side ever touches a buffer that the other may touch,
// whatever T is.
//
// Progress. Push is wait-free. TryPop is lock-free: it begins anew each time a push
// has overtaken it.
//
// Order. A push synchronizes before the pop that returns its value. Values come out
// in the order of their pushes.
//
// Ownership. The producer's and the consumer's role are as in a Ring. If T holds
// pointers, a buffer is zeroed when its value is popped or lost.
//
// Layout. As in a Ring.
//
// A Lossy must not be copied. Make one with NewLossy.
type Lossy[T any] struct {
	_    cpu.Pad
	tail counter // pushes so far; the producer writes it
	_    cpu.Pad

	// prod is written by the producer alone.
	prod struct {
		spare uint64  // the number of its buffer
		lost  counter // values lost so far
	}
	_ cpu.Pad

	// cons is written by the consumer alone.
	cons struct {
		head  counter // pushes that are popped, or were seen to be lost
		spare uint64  // the number of its buffer
	}
	_ cpu.Pad

	cells    []atomic.Uint64 // its length is the capacity
	buffers  []T
	width    int  // bits of a cell for the number of a buffer
	pointers bool // T holds pointers
	poppers  sleepers
	_        cpu.Pad
}

// NewLossy returns an empty Lossy of the given capacity, which must be a power of
// two. It panics if it is not.
func NewLossy[T any](capacity int) *Lossy[T] {
	if capacity < 1 || bits.OnesCount(uint(capacity)) != 1 {
		panic(fmt.Sprintf("spsc: capacity %d is not a power of two", capacity))
	}
	l := &Lossy[T]{
		cells:    slots.Make[atomic.Uint64](capacity, cpu.LineSize),
		buffers:  slots.Make[T](capacity+2, cpu.LineSize),
		width:    bits.Len(uint(capacity + 1)),
		pointers: slots.HavePointers(reflect.TypeFor[T]()),
	}
	for i := range l.cells {
		l.cells[i].Store(uint64(i))
	}
	l.prod.spare, l.cons.spare = uint64(capacity), uint64(capacity+1)
	return l
}

// Push appends v. If the Lossy holds its capacity, the oldest value is lost.
// Producer only.
func (l *Lossy[T]) Push(v T) {
	tail := l.tail.Load() // our own word
	l.buffers[l.prod.spare] = v
	cell := &l.cells[tail&uint64(len(l.cells)-1)]
	before := cell.Swap(l.full(tail) | l.prod.spare) // A: release, B: acquire
	l.prod.spare = before & (1<<l.width - 1)
	if before>>l.width&1 == 1 { // nobody has popped it, and nobody will
		l.prod.lost.publish(l.prod.lost.Load() + 1)
		l.empty(l.prod.spare)
	}
	l.tail.publish(tail + 1)
	l.poppers.wake()
}

// TryPop removes the oldest value that is not lost; ok is false if there is none.
// Consumer only.
func (l *Lossy[T]) TryPop() (v T, ok bool) {
	head := l.cons.head.Load() // our own word
	for {
		tail := l.tail.Load()
		if tail-head > uint64(len(l.cells)) {
			head = tail - uint64(len(l.cells)) // those before are lost
		}
		if head == tail {
			l.cons.head.publish(head)
			return v, false
		}
		cell := &l.cells[head&uint64(len(l.cells)-1)]
		now := cell.Load()
		buffer := now & (1<<l.width - 1)
		// A taken cell is that of push head, but no longer full.
		if now-buffer == l.full(head) && cell.CompareAndSwap(now, l.full(head)-1<<l.width|l.cons.spare) { // A: acquire, B: release
			v = l.buffers[buffer]
			l.empty(buffer)
			l.cons.spare = buffer
			l.cons.head.publish(head + 1)
			return v, true
		}
		head++ // lost to the push that is under way
	}
}

// Pop removes the oldest value that is not lost, and waits for one as long as the
// context allows: first by pausing, then asleep. It returns the context's error.
// Consumer only.
func (l *Lossy[T]) Pop(ctx context.Context) (v T, err error) {
	ok := false
	err = l.poppers.Await(ctx, func() bool {
		v, ok = l.TryPop()
		return ok
	})
	return v, err
}

// PopReady returns a channel that is closed once there is a value to pop, for use
// in a select. The next time ask for another channel. Anyone may ask.
func (l *Lossy[T]) PopReady() <-chan struct{} {
	return l.poppers.Ready(func() bool { return l.Len() > 0 })
}

// Lost returns how many values have been lost so far: what was pushed is popped,
// or lost, or still held. Anyone may ask.
func (l *Lossy[T]) Lost() uint64 { return l.prod.lost.Load() }

// Len returns how many values can be popped. Anyone may ask; while others push and
// pop, the answer is an upper bound.
func (l *Lossy[T]) Len() int {
	head := l.cons.head.Load() // first, so that it cannot be ahead of tail
	return int(min(l.tail.Load()-head, uint64(len(l.cells))))
}

// Cap returns the capacity that NewLossy was given.
func (l *Lossy[T]) Cap() int { return len(l.cells) }

// full is what a cell that holds the value of push n says, but for the number of
// the buffer. Numbers are cut to what there is room for: a consumer that sleeps
// between its look at a cell and its swap would have to be overtaken by more pushes
// than fit in 62 bits, less those of the capacity, to be fooled.
func (l *Lossy[T]) full(n uint64) uint64 { return (2*n + 1) << l.width }

func (l *Lossy[T]) empty(buffer uint64) {
	if l.pointers {
		var zero T
		l.buffers[buffer] = zero
	}
}

package sched

import (
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"
)

// A Locker is that of sync.
type Locker = sync.Locker

// A Mutex is that of sync. It is unlocked when an execution begins.
type Mutex struct {
	held  uint64
	epoch int
}

// Lock is that of sync.
func (m *Mutex) Lock() {
	m.begin()
	t, g := do(operation{kind: write, name: "Mutex.Lock", addr: unsafe.Pointer(m), ready: m.free})
	if t == nil && peek(&m.held) != 0 {
		panic("sched: Lock of a locked Mutex where nobody else runs")
	}
	poke(&m.held, 1)
	t.did(g, true, 0, func() string { return "" })
}

func (m *Mutex) free() int { return 1 - int(peek(&m.held)) }

// TryLock is that of sync.
func (m *Mutex) TryLock() bool {
	m.begin()
	return cas(&m.held, 0, 1)
}

// Unlock is that of sync.
func (m *Mutex) Unlock() {
	m.begin()
	if access(&m.held, write, "Mutex.Unlock", func(uint64) (uint64, bool) { return 0, true }) == 0 {
		panic("sync: unlock of unlocked mutex")
	}
}

//go:norace
func (m *Mutex) begin() {
	if m.epoch != epoch() {
		m.held, m.epoch = 0, epoch()
	}
}

// A Pool is that of sync. It is empty when an execution begins, and gives what was
// put last.
type Pool struct {
	New   func() any
	items []any
	epoch int
}

// Get is that of sync.
func (p *Pool) Get() any {
	t, g := do(operation{kind: write, name: "Pool.Get", addr: unsafe.Pointer(p)})
	x := p.take()
	t.did(g, true, 0, func() string { return "" })
	if x == nil && p.New != nil {
		return p.New()
	}
	return x
}

// Put is that of sync.
func (p *Pool) Put(x any) {
	t, g := do(operation{kind: write, name: "Pool.Put", addr: unsafe.Pointer(p)})
	p.give(x)
	t.did(g, true, 0, func() string { return "" })
}

//go:norace
func (p *Pool) take() (x any) {
	if p.epoch == epoch() && len(p.items) > 0 {
		x = p.items[len(p.items)-1]
		p.items = p.items[:len(p.items)-1]
	}
	return x
}

//go:norace
func (p *Pool) give(x any) {
	if p.epoch != epoch() {
		p.items, p.epoch = nil, epoch()
	}
	p.items = append(p.items, x)
}

// OnceValue is that of sync, but that each execution has a value of its own. What
// computes it is no part of the schedule.
func OnceValue[T any](f func() T) func() T {
	o := &once[T]{f: f}
	return o.get
}

type once[T any] struct {
	f     func() T
	v     T
	epoch int
}

//go:norace
func (o *once[T]) get() T {
	if o.epoch != epoch() {
		t := running()
		setRunning(nil)
		o.v, o.epoch = o.f(), epoch()
		setRunning(t)
	}
	return o.v
}

// Wait is Backoff.Wait.
func Wait() {
	t, g := do(operation{kind: wait, name: "Wait"})
	t.did(g, false, 0, func() string { return "" })
}

// NewTimer returns a timer that has fired: the wait for it is over before, and as that
// of a loop.
func NewTimer(time.Duration) *time.Timer {
	Wait()
	c := make(chan time.Time, 1)
	c <- time.Time{}
	return &time.Timer{C: c}
}

// Self returns the number of the calling thread.
func Self() int {
	if t := running(); t != nil {
		return t.id
	}
	return 0
}

// Go is go f(): f runs in one more thread, which has to end too.
func Go(f func()) {
	t, g := do(operation{name: "go"})
	if t == nil {
		panic("sched: a go statement in a setup")
	}
	child := &thread{id: g.child, child: true, machine: t.machine, requests: t.requests, grants: make(chan grant)}
	t.did(g, false, 0, func() string { return fmt.Sprint("T", child.id) })
	t.last.child = child
	go child.run(f)
}

// Channels are real ones. The operations on them are made when they do not block.

// Recv is <-c.
func Recv[T any](c <-chan T) T {
	t, g := do(operation{kind: write, name: "<-chan", addr: id(c), ready: func() int { return ready(c) }})
	v := <-c
	t.did(g, true, 0, func() string { return fmt.Sprint(v) })
	return v
}

// Send is c <- v, to a channel with a buffer.
func Send[T any](c chan<- T, v T) {
	t, g := do(operation{kind: write, name: "chan<-", addr: *(*unsafe.Pointer)(unsafe.Pointer(&c)),
		ready: func() int { return min(1, cap(c)-len(c)) }})
	c <- v
	t.did(g, true, 0, func() string { return fmt.Sprint(v) })
}

// Close is close(c).
func Close[T any](c chan T) {
	t, g := do(operation{kind: write, name: "close", addr: id((<-chan T)(c))})
	close(c)
	t.did(g, true, 0, func() string { return "" })
}

func id[T any](c <-chan T) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&c)) }

// ready returns 1 if c can be received from. A channel without a buffer is only ever
// closed.
func ready[T any](c <-chan T) int {
	if cap(c) > 0 {
		return min(1, len(c))
	}
	select {
	case <-c:
		return 1
	default:
		return 0
	}
}

// A Case is one of a select.
type Case struct {
	id      unsafe.Pointer
	ready   func() int
	receive func()
}

// On is the case of <-c.
func On[T any](c <-chan T) Case {
	return Case{id(c), func() int { return ready(c) }, func() { <-c }}
}

// Select is a select of which nothing is received, and returns the number of the
// case, or -1 for the default.
func Select(orElse bool, cases ...Case) int {
	var o = operation{kind: write, name: "select"}
	for _, c := range cases {
		if c.id == nil {
			continue
		}
		if o.addr == nil {
			o.addr = c.id
		} else {
			o.more = append(o.more, c.id)
		}
	}
	if o.addr == nil && orElse {
		return -1
	}
	open := func() (which []int) {
		for i, c := range cases {
			if c.id != nil && c.ready() == 1 {
				which = append(which, i)
			}
		}
		return which
	}
	o.ready = func() int {
		n := len(open())
		if orElse {
			n = max(1, n)
		}
		return n
	}
	t, g := do(o)
	which := -1
	if can := open(); len(can) > 0 {
		which = can[g.way]
		cases[which].receive()
	}
	t.did(g, true, 0, func() string { return fmt.Sprint("case ", which) })
	return which
}

// A Context is one that a thread may cancel.
type Context struct {
	done chan struct{}
	over Bool
}

// NewContext returns a Context.
func NewContext() *Context { return &Context{done: make(chan struct{})} }

// Cancel ends the context.
func (c *Context) Cancel() {
	c.over.Store(true)
	Close(c.done)
}

// Done is that of context.Context.
func (c *Context) Done() <-chan struct{} { return c.done }

// Err returns context.Canceled after Cancel.
func (c *Context) Err() error {
	if c.over.Load() {
		return context.Canceled
	}
	return nil
}

// Deadline says that there is none.
func (c *Context) Deadline() (time.Time, bool) { return time.Time{}, false }

// Value returns nil.
func (c *Context) Value(any) any { return nil }

// Package eventcount puts goroutines to sleep until a condition holds that others
// make true without a lock, and costs those others one load while nobody sleeps.
//
// # Protocol
//
// Who makes the condition true publishes that, and then notifies:
//
//	slots[tail] = v
//	cpu.Publish(&tail, tail+1) // A
//	event.Notify(1)            // B
//
// Who waits announces it before a last look, and sleeps only if that finds
// nothing:
//
//	w := event.Prepare() // B
//	if v, ok := ring.TryPop(); ok { // A
//		w.Cancel()
//		return v, nil
//	}
//	err := w.Wait(ctx)
//
// Each side stores and then loads what the other stored: one of the two finds it.
// For the waiter, that is its last look; for the notifier, the announcement.
// Between the notifier's store and its load there is no fence, for it is in a
// hurry; Prepare has the fence for both (cpu.Membarrier).
//
// The idea of a condition variable without a mutex is Reed and Kanodia's [1].
//
// [1]: D. Reed and R. Kanodia, Synchronization with Eventcounts and Sequencers,
// Communications of the ACM 22(2), 1979.
package eventcount

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// An Event is what goroutines wait for and others notify of.
//
// Progress. Notify and NotifyAll are one load when nobody waits; otherwise they
// take a mutex that is held for a few steps, and never wait for who they wake.
// Prepare takes it too, and some microseconds for the fence. Prepare, Watch and
// Ready allocate; who is woken, or wakes, does not.
//
// Order. A notification synchronizes before the return of the Wait that it ends,
// and before the closing of the channel of Watch is seen. What was published
// before it orders itself.
//
// Fairness. Waiters are notified in the order of their Prepare.
//
// Layout. A notifier loads one word, which is written when a goroutine begins or
// ends to wait: it may stand beside what is only read.
//
// The zero value is ready. An Event must not be copied after first use.
type Event struct {
	// waiting is how many there are to be woken: the waiters in the list, and
	// one more if there is a watch. Notifiers load it outside of mu.
	waiting atomic.Uint64 // B

	mu    sync.Mutex
	first *Waiter // in order of Prepare
	last  *Waiter
	watch chan struct{} // nil if nobody watches
}

// Notify wakes up to n waiters, those first that wait longest, and all who watch.
func (e *Event) Notify(n int) {
	if e.waiting.Load() != 0 { // B
		e.wake(n)
	}
}

// Waited reports whether anybody waits or watches. It is the load that Notify
// makes, for a notifier who has to find out how many to wake. As with Notify, what
// makes the condition true is to be published before it.
func (e *Event) Waited() bool { return e.waiting.Load() != 0 } // B

// Sleepers returns how many wait, apart from those who watch: for tests.
func (e *Event) Sleepers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for w := e.first; w != nil; w = w.next {
		n++
	}
	return n
}

// NotifyAll wakes everybody: for a condition that will not pass, such as closed.
func (e *Event) NotifyAll() { e.Notify(int(^uint(0) >> 1)) }

func (e *Event) wake(n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for ; n > 0 && e.first != nil; n-- {
		w := e.first
		e.unlink(w)
		w.woken <- struct{}{} // has room: once for each time it is linked
	}
	if e.watch != nil {
		close(e.watch)
		e.watch = nil
		e.waiting.Add(^uint64(0))
	}
}

// Watch returns a channel that is closed by the next notification. Look at the
// condition after calling it, and before receiving: a notification that came
// earlier does not count. Those who watch take no notification from those who wait.
func (e *Event) Watch() <-chan struct{} {
	e.mu.Lock()
	if e.watch == nil {
		e.watch = make(chan struct{})
		e.waiting.Add(1) // B
	}
	watch := e.watch
	e.mu.Unlock()
	fence()
	return watch
}

// Ready returns a channel that is closed once the condition may be true: at once if
// ready says so, or else by the next notification.
func (e *Event) Ready(ready func() bool) <-chan struct{} {
	if ready() {
		return always
	}
	if c := e.Watch(); !ready() {
		return c
	}
	return always
}

var always = func() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()

// Prepare announces that the caller is about to wait. After it the caller looks
// at the condition once more, and then calls exactly one of the Waiter's methods.
func (e *Event) Prepare() *Waiter {
	w := &Waiter{event: e, woken: make(chan struct{}, 1)}
	e.mu.Lock()
	e.link(w)
	e.mu.Unlock()
	fence()
	return w
}

// fence is the notifier's as well as the caller's. Without help from the kernel
// it lets pass a hundred times what a store buffer takes to drain.
func fence() {
	if !membarrier() {
		time.Sleep(100 * time.Microsecond)
	}
}

var membarrier = cpu.Membarrier // but in tests

// Await returns nil once look returns true, and the context's error if that is
// done first. It looks again and again while others are likely to act soon; then
// it sleeps, and looks whenever it is notified. Only the caller's goroutine calls
// look, and never again after it returned true.
func (e *Event) Await(ctx context.Context, look func() bool) error {
	var soon spinlock.Backoff
	for !look() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if soon.Spin() {
			continue
		}
		w := e.Prepare()
		if look() {
			w.Cancel()
			return nil
		}
		if err := w.Wait(ctx); err != nil {
			return err
		}
		soon.Reset()
	}
	return nil
}

// A Waiter is one goroutine's announcement that it is about to wait.
type Waiter struct {
	event      *Event
	prev, next *Waiter
	linked     bool

	// woken gets a value if the waiter is taken from the list by a notification. It
	// is new each time: a channel that was made in a testing/synctest bubble cannot
	// be used outside.
	woken chan struct{}
}

// Wait sleeps until it is notified, or until the context is done, whose error it
// returns then. If both have happened it is the notification that counts: the
// caller has to look, or others may wait for good for what it was told of.
func (w *Waiter) Wait(ctx context.Context) error {
	var err error
	select {
	case <-w.woken:
	case <-ctx.Done():
		if w.withdraw() {
			err = ctx.Err()
		} else {
			<-w.woken
		}
	}
	return err
}

// Cancel ends the wait before it began, since the last look found the condition
// true. A notification that came meanwhile is passed on.
func (w *Waiter) Cancel() {
	if !w.withdraw() {
		<-w.woken
		w.event.Notify(1)
	}
}

// withdraw takes w from the list and reports whether no notification has.
func (w *Waiter) withdraw() bool {
	e := w.event
	e.mu.Lock()
	defer e.mu.Unlock()
	if !w.linked {
		return false
	}
	e.unlink(w)
	return true
}

func (e *Event) link(w *Waiter) {
	w.linked, w.prev = true, e.last
	if e.last == nil {
		e.first = w
	} else {
		e.last.next = w
	}
	e.last = w
	e.waiting.Add(1) // B
}

func (e *Event) unlink(w *Waiter) {
	if w.prev == nil {
		e.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		e.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.linked, w.prev, w.next = false, nil, nil
	e.waiting.Add(^uint64(0))
}

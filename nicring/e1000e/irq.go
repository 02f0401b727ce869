package e1000e

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/ferrule-go/ferrule/nicring"
)

// A line is the card's interrupt, of which there is one (INTx) however many wait
// for it. It alone uses ICR, IMS and IMC and waits for the card; from the first
// wait on it keeps a goroutine for that. Not one of those who wait: they come and
// go with contexts of their own, and the hop from one goroutine to another is
// little beside the way of an interrupt through the kernel.
//
// A cause is enabled while somebody waits for it, so a port that is polled takes
// no interrupt. What the causes say is not gone by, being more than one queue's:
// whoever waits has a condition, and is woken when that holds.
//
// No wake-up is lost. The mask is opened first and the condition looked at
// second: what happens before the look is seen by it, and what happens after it
// raises the interrupt.
type line struct {
	card   Card
	ctx    context.Context // done when the port is closed
	cancel context.CancelFunc
	server sync.WaitGroup

	mu      sync.Mutex
	waiters []*waiter
	enabled uint32 // what IMS holds
	serving bool
	down    bool   // the card is being reset: no register may be used, nor a condition
	taken   uint64 // interrupts
	missed  uint64 // wake-ups for which none came
}

// A waiter is somebody who waits. ready is called with the line's mu held.
type waiter struct {
	causes uint32
	ready  func() bool
	woken  chan struct{} // holds one
	err    error         // what it was woken with
}

func newWaiter(causes uint32, ready func() bool) waiter {
	return waiter{causes: causes, ready: ready, woken: make(chan struct{}, 1)}
}

func (w *waiter) wake(err error) {
	w.err = err
	w.woken <- struct{}{}
}

func newLine(card Card) *line {
	l := &line{card: card}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// wait returns when w is ready, or with ctx.Err(), or with what ended the line.
func (l *line) wait(ctx context.Context, w *waiter) error {
	if done, err := l.enter(w); done {
		return err
	}
	select {
	case <-w.woken:
		return w.err
	case <-ctx.Done():
	}
	if woken, err := l.leave(w); woken { // at the same time
		return err
	}
	return ctx.Err()
}

// leave ends the wait that enter began. It reports whether w was woken, and with
// what.
func (l *line) leave(w *waiter) (woken bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.waiters, w) {
		l.remove(w)
		l.mask()
		return false, nil
	}
	select {
	case <-w.woken:
	default: // somebody has looked
	}
	return true, w.err
}

// enter reports that there is nothing to wait for, or lists w among those who
// wait.
func (l *line) enter(w *waiter) (done bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return true, errClosed
	}
	if !l.down {
		if w.ready() {
			return true, nil
		}
		l.unmask(w.causes)
		if w.ready() {
			l.mask()
			return true, nil
		}
	}
	l.waiters = append(l.waiters, w)
	if !l.serving {
		l.serving = true
		l.server.Go(l.serve)
	}
	return false, nil
}

// unmask enables causes. What they were raised for while nobody waited is taken
// back first, or each wait would begin with an interrupt for frames that have
// long been received. The read at the end sees to it that the card has been told
// when the condition is looked at.
func (l *line) unmask(causes uint32) {
	if causes &^= l.enabled; causes == 0 {
		return
	}
	l.card.Write32(regICR, causes)
	l.card.Write32(regIMS, causes)
	l.card.Read32(regSTATUS)
	l.enabled |= causes
}

// mask disables what nobody waits for.
func (l *line) mask() {
	var wanted uint32
	for _, w := range l.waiters {
		wanted |= w.causes
	}
	if surplus := l.enabled &^ wanted; surplus != 0 && !l.down {
		l.card.Write32(regIMC, surplus)
	}
	l.enabled &= wanted
}

func (l *line) remove(w *waiter) {
	l.waiters = slices.DeleteFunc(l.waiters, func(v *waiter) bool { return v == w })
}

// serve takes the card's interrupts until the port is closed or the card gone.
func (l *line) serve() {
	for {
		err := l.card.WaitInterrupt(l.ctx)
		if err == nil {
			err = l.interrupt()
			runtime.Gosched() // those who were woken go first
		}
		if err != nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.serving = false
			if l.ctx.Err() != nil {
				err = errClosed
			}
			l.fail(err)
			return
		}
	}
}

// interrupt takes an interrupt back, and tells those whom it is for.
func (l *line) interrupt() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		return nil
	}
	l.taken++
	if l.card.Read32(regICR) == gone { // the read takes the interrupt back
		return nicring.ErrRemoved
	}
	l.wake()
	return nil
}

// look wakes those who are ready, should the interrupt that was to do it have been
// lost.
func (l *line) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	waiting := len(l.waiters)
	l.wake()
	l.missed += uint64(waiting - len(l.waiters))
}

func (l *line) wake() {
	if l.down {
		return
	}
	l.waiters = slices.DeleteFunc(l.waiters, func(w *waiter) bool {
		ready := w.ready()
		if ready {
			w.wake(nil)
		}
		return ready
	})
	l.mask()
}

// fail wakes all with an error. They may wait again, in vain.
func (l *line) fail(err error) {
	for _, w := range l.waiters {
		w.wake(err)
	}
	l.waiters = nil
	l.mask()
}

// removed is called by whoever sees that the card has gone.
func (l *line) removed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail(nicring.ErrRemoved)
}

// suspend leaves the card alone, and those who wait where they are, until resume.
func (l *line) suspend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	l.enabled = 0
}

func (l *line) resume() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
	for _, w := range l.waiters {
		l.unmask(w.causes)
	}
	l.wake()
}

func (l *line) interrupts() (taken, missed uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.taken, l.missed
}

// close wakes all and ends the goroutine.
func (l *line) close() {
	l.mu.Lock()
	l.cancel()
	l.mu.Unlock()
	l.server.Wait()
}

// LinkChange implements nicring.Port.
func (p *Port) LinkChange(ctx context.Context, from nicring.Link) (link nicring.Link, err error) {
	w := newWaiter(intLSC, func() bool {
		link, err = p.Link()
		return err != nil || link != from
	})
	if waited := p.line.wait(ctx, &w); waited != nil {
		err = fmt.Errorf("e1000e: wait for the link of %s: %w", p, waited)
	}
	return link, err
}

// Wait implements nicring.RxQueue.
func (q *rxQueue) Wait(ctx context.Context) error {
	return q.waited(q.line.wait(ctx, &q.waiter))
}

// Notify implements nicring.Notifier.
func (q *rxQueue) Notify() <-chan struct{} {
	if done, err := q.line.enter(&q.waiter); done {
		q.waiter.wake(err)
	}
	return q.waiter.woken
}

// Ignore implements nicring.Notifier.
func (q *rxQueue) Ignore() (over bool, err error) {
	over, err = q.line.leave(&q.waiter)
	return over, q.waited(err)
}

func (q *rxQueue) waited(err error) error {
	if err != nil {
		return fmt.Errorf("e1000e: wait for a frame on %s: %w", q.card, err)
	}
	return nil
}

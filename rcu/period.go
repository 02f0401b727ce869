package rcu

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A Cookie stands for the sections that had begun when Domain.Snapshot made it.
// It is used with the same Domain. The zero value stands for none.
type Cookie struct{ number uint64 }

// Snapshot returns a Cookie that passes when every section that began before the
// call has ended. It starts nothing: Passed does.
func (d *Domain) Snapshot() Cookie { return Cookie{d.grace.Load() + step} } // the first to start after this

// Passed reports whether every section has ended that c stands for. It never
// waits, and it needs no other goroutine: if nobody else runs the grace period,
// each call takes it as far as it goes.
func (d *Domain) Passed(c Cookie) bool {
	if !d.isOver(c.number) && d.driven.CompareAndSwap(false, true) {
		d.poll(c.number)
	}
	return d.isOver(c.number)
}

// poll takes the period with the number as far as it goes without waiting.
func (d *Domain) poll(number uint64) {
	defer d.stepDown()
	for !d.isOver(number) {
		if d.advance() != nil {
			d.reportStall()
			return
		}
	}
}

// Wait waits until every section has ended that c stands for, or until the
// context is done, whose error it returns then.
func (d *Domain) Wait(ctx context.Context, c Cookie) error {
	for !d.isOver(c.number) {
		if d.driven.CompareAndSwap(false, true) {
			return d.drive(ctx, c.number)
		}
		changed := d.changed.watch()
		if d.isOver(c.number) || !d.driven.Load() {
			continue
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// periods is what it takes to run grace periods one after the other. One
// goroutine at a time does so, the driver, and leaves to the next what it has not
// brought to an end.
type periods struct {
	over    atomic.Uint64 // the newest grace period that is over, as all before it are
	driven  atomic.Bool   // there is a driver
	changed signal        // a period is over, or the driver has stepped down

	// The driver's alone.
	number  uint64    // the period under way, unless it is over
	waited  []*Reader // the readers it has not found outside, or in a later section
	begun   time.Time // when it began
	stalled bool      // its stall has been reported
}

func (d *Domain) isOver(number uint64) bool {
	return int64(d.over.Load()-number) >= 0 // F: acquire
}

// drive runs grace periods until the one with the number is over.
func (d *Domain) drive(ctx context.Context, number uint64) error {
	defer d.stepDown()
	for !d.isOver(number) {
		if r := d.advance(); r == nil {
			d.changed.notify()
		} else if err := d.await(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

func (d *Domain) stepDown() {
	d.driven.Store(false)
	d.changed.notify()
}

// advance takes the period under way as far as it goes without waiting, or begins
// the next. It returns a reader that is waited for, or nil if the period is over.
func (d *Domain) advance() *Reader {
	if d.isOver(d.number) {
		d.number = d.grace.Add(step) // B: release
		d.registry.Lock()            // D
		d.waited = d.readers
		d.registry.Unlock()
		d.begun, d.stalled = time.Now(), false
		if len(d.waited) > 0 {
			fence() // A
		}
	}
	for len(d.waited) > 0 {
		if d.waited[0].olderThan(d.number) {
			return d.waited[0]
		}
		d.waited = d.waited[1:]
	}
	d.waited = nil
	d.over.Store(d.number) // F: release
	return nil
}

// asymmetric reports whether readers may leave their fence to the driver.
var asymmetric = sync.OnceValue(cpu.Membarrier)

// fence is the readers' who have none. The kernel may lack the memory for it at
// the moment.
func fence() {
	if asymmetric() {
		for b := (spinlock.Backoff{}); !cpu.Membarrier(); {
			b.Wait()
		}
	}
}

// briefly is how often a driver looks again at a reader before it sleeps: what a
// reader that is running takes to leave. One that is not may need the processor
// that the driver has.
const briefly = 4

// await sleeps until r has left the section that is waited for.
func (d *Domain) await(ctx context.Context, r *Reader) error {
	b := spinlock.Backoff{}
	for range briefly {
		b.Wait()
		if !r.olderThan(d.number) {
			return nil
		}
	}
	r.awaited.Store(true) // E
	defer r.forget()
	fence()
	for r.olderThan(d.number) { // E
		if err := d.sleep(ctx, r); err != nil {
			return err
		}
	}
	return nil
}

// sleep returns when a reader has told that it left, when the context is done, or
// when it is time to look again.
func (d *Domain) sleep(ctx context.Context, r *Reader) error {
	d.reportStall()
	var again <-chan time.Time
	if after := d.lookAgain(); after > 0 {
		timer := time.NewTimer(after)
		defer timer.Stop()
		again = timer.C
	}
	select {
	case <-r.left:
	case <-again:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// lookAgain returns how long the driver may sleep untold, or 0 for ever.
func (d *Domain) lookAgain() time.Duration {
	if !asymmetric() {
		return time.Millisecond // nobody fences for E, and so a reader may overlook that it is awaited
	}
	return d.untilStall()
}

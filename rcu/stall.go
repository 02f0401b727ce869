package rcu

import (
	"fmt"
	"runtime"
	"time"
)

// A Stall is a Reader that has held up a grace period for longer than the limit
// that was given to Domain.OnStall.
type Stall struct {
	// Reader is where the reader comes from: the call of Register or of Read.
	Reader runtime.Frame

	// Waited is how long the grace period has lasted so far. The section is older
	// than that.
	Waited time.Duration
}

// String says it all in one line.
func (s Stall) String() string {
	return fmt.Sprintf("rcu: the reader of %s (%s:%d) has held up a grace period for %v",
		s.Reader.Function, s.Reader.File, s.Reader.Line, s.Waited)
}

// A stallLimit is what OnStall was given.
type stallLimit struct {
	limit  time.Duration
	report func(Stall)
}

// OnStall has report called when a grace period has lasted for longer than limit,
// once for each reader that it still waits for, and not again for this period. It
// is called by a goroutine that waits, or by Passed: if nobody wants the period to
// end, nothing is reported. It must wait neither for a grace period nor for a
// reader of d. OnStall panics if limit is not positive; a nil report turns
// reporting off, as it is at first. A new limit holds for waits that begin later.
func (d *Domain) OnStall(limit time.Duration, report func(Stall)) {
	if report == nil {
		d.stalls.Store(nil)
		return
	}
	if limit <= 0 {
		panic(fmt.Sprintf("rcu: stall limit %v is not positive", limit))
	}
	d.stalls.Store(&stallLimit{limit, report})
}

// untilStall returns how long the period under way has until it is a stall that
// was not reported, or 0 if there is nothing to report. The driver calls it.
func (d *Domain) untilStall() time.Duration {
	s := d.stalls.Load()
	if s == nil || d.stalled {
		return 0
	}
	return max(1, s.limit-time.Since(d.begun))
}

// reportStall reports the period under way if it is time. The driver calls it.
func (d *Domain) reportStall() {
	s := d.stalls.Load()
	if s == nil || d.stalled {
		return
	}
	waited := time.Since(d.begun)
	if waited < s.limit {
		return
	}
	d.stalled = true
	for _, r := range d.waited {
		if r.olderThan(d.number) {
			frame, _ := runtime.CallersFrames([]uintptr{r.site.Load()}).Next()
			s.report(Stall{frame, waited})
		}
	}
}

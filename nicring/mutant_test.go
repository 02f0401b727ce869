//go:build !race

package nicring_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

// Each step of the poller and of the ring that can be wrong alone, wrong. How a queue
// waits is its driver's: see those of e1000e.
func TestMutants(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{
		{Name: "interrupt left on while there is work", File: "poller.go", Caught: "TestReadyBeginsAnew",
			Old: "	err := p.disarm()\n", New: "	var err error\n"},
		{Name: "never polls", File: "poller.go", Caught: "TestPollerBusySinceTheLastFrame",
			Old: "time.Since(p.quiet) < p.cfg.Busy", New: "p.cfg.Busy < 0"},
		{Name: "polls for ever", File: "poller.go", Caught: "TestPollerBusyEnds",
			Old: "time.Since(p.quiet) < p.cfg.Busy", New: "p.cfg.Busy > 0"},
		{Name: "time of polling not begun anew", File: "poller.go", Caught: "TestPollerBusySinceTheLastFrame",
			Old: "	p.quiet, p.starved = time.Time{}, false\n", New: "	p.starved = false\n"},
		{Name: "starved ever after", File: "poller.go", Caught: "TestPollerStarved",
			Old: "	p.quiet, p.starved = time.Time{}, false\n", New: "	p.quiet = time.Time{}\n"},
		{Name: "starved and burning", File: "poller.go", Caught: "TestPollerStarved",
			Old: "	case p.starved: // a buffer may come home at any time, and nobody says so\n		p.backoff.Wait()\n", New: ""},
		{Name: "starved and burning in a select", File: "poller.go", Caught: "TestPollerStarved",
			Old: "		if starved {\n", New: "		if starved && false {\n"},
		{Name: "budget ignored", File: "poller.go", Caught: "TestPollerGivesWay",
			Old: "	if p.moved >= p.cfg.Budget {\n", New: "	if p.moved < 0 {\n"},
		{Name: "context ignored while polling", File: "poller.go", Caught: "TestPollerBusyPolls",
			Old: "	if err := ctx.Err(); err != nil {\n		return err\n	}\n", New: ""},
		{Name: "context before frames that have come", File: "poller.go", Caught: "TestPollerErrors",
			Old: "	for {\n		n, err := p.TryRecv(bufs)\n", New: "	for {\n		if err := ctx.Err(); err != nil {\n			return 0, err\n		}\n		n, err := p.TryRecv(bufs)\n"},
		{Name: "wake-up not passed on", File: "poller.go", Caught: "TestReadyBeginsAnew",
			Old: "		p.ready <- struct{}{}\n", New: ""},
		{Name: "wake-up of before", File: "poller.go", Caught: "TestReadyBeginsAnew",
			Old: "	select {\n	case <-p.ready:\n	default:\n	}\n	if cancelled {", New: "	if cancelled {"},
		{Name: "removal not passed on", File: "poller.go", Caught: "TestReadyBeginsAnew",
			Old: "	p.starved = err == nil\n	if err != nil {\n", New: "	p.starved = err == nil\n	if err != nil && p.starved {\n"},
		{Name: "a wait that was ended fails", File: "poller.go", Caught: "TestReadyBeginsAnew",
			Old: "	if cancelled {\n		return nil\n	}\n", New: "	_ = cancelled\n"},
		{Name: "Close leaves the wait", File: "poller.go", Caught: "TestReadyBeginsAnew",
			Old: "func (p *Poller) Close() { p.disarm() }", New: "func (p *Poller) Close() {}"},
		{Name: "idle and not told", File: "poller.go", Caught: "TestPollerIdleSleeps",
			Old: "	p.idle()\n	err := p.queue.Wait(ctx)\n", New: "	err := p.queue.Wait(ctx)\n"},
		{Name: "idle in a select and not told", File: "poller.go", Caught: "TestReadyBeginsAnew",
			Old: "	p.idle()\n	if p.notifier", New: "	if p.notifier"},
		{Name: "a Notifier that a goroutine waits for", File: "poller.go", Caught: "TestReadyOfNotifiers",
			Old: "	p.notifier, _ = q.(Notifier)\n", New: ""},
		{Name: "failure of a Notifier not passed on", File: "poller.go", Caught: "TestReadyOfNotifiers",
			Old: "			return p.waited(err)\n		}\n		return nil\n", New: "			p.waited(err)\n		}\n		return nil\n"},
		{Name: "a Notifier starved and burning", File: "poller.go", Caught: "TestStarvedNotifier",
			Old: " && !p.starved {\n", New: " {\n"},

		{Name: "descriptors where no card reads them", File: "layout.go", Caught: "TestDescriptorsAreInTheBlock",
			Old: "	return unsafe.Slice((*D)(unsafe.Pointer(unsafe.SliceData(block))), n)\n", New: "	_ = unsafe.Pointer(nil)\n	return make([]D, n)\n"},
		{Name: "buffers across the end left out", File: "ring.go", Caught: "TestBufsInTwoParts",
			Old: "return r.bufs[at:], r.bufs[:end-len(r.bufs)]", New: "return r.bufs[at:], nil"},
		{Name: "tail beyond the ring", File: "ring.go", Caught: "TestDescriptorsAreInTheBlock",
			Old: "return i & r.mask }", New: "return i }"},
		{Name: "descriptors not given back", File: "ring.go", Caught: "TestDescriptorsAreInTheBlock",
			Old: "{ r.arena.Free(r.block) }", New: "{}"},
	})
}

//go:build !race

package spinlock_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

// Each step of the locks that can be wrong alone, wrong. Where two steps must be
// one, the defect lets others run between: else it would show only while both of
// two goroutines have a processor.
func TestMutants(t *testing.T) {
	const (
		others = "	for b := (Backoff{}); b.waits < pauses+4; {\n		b.Wait()\n	}\n"
		counts = "	n.Add(1)           // D\n"
		enters = "	if rw.readable() { // A: acquire; D\n"
		closes = "		p.change()\n		if inside() == 0 {\n"
		takes  = "	q.lock.Lock()\n	defer q.lock.Unlock()\n	v = f(q.box.load())\n"
	)
	mutant.Test(t, []mutant.Mutant{
		{Name: "TryLock joins the line", File: "ticket.go", Caught: "TestTicket/TryLock",
			Old: "	mine := t.serving.Load()                                              // A: acquire\n", New: "	mine := t.drawn.Load()\n"},
		{Name: "reader counted, phase not seen", File: "rwmutex.go", Caught: "TestRWMutex/ReadersAndWriters",
			Old: counts + enters, New: others + counts + "	if true {\n"},
		{Name: "phase changed, reader not seen", File: "phases.go", Caught: "TestRWMutex/ReadersAndWriters",
			Old: closes, New: others + "		p.change()\n		if true {\n"},
		{Name: "writer does not wait for readers", File: "phases.go", Caught: "TestBigReader/ReadersAndWriters",
			Old: "	for b := (Backoff{}); inside() != 0; b.poll() {\n", New: "	for b := (Backoff{}); false; b.poll() {\n"},
		{Name: "registered readers forgotten", File: "phases.go", Caught: "TestTryLockAfterAReaderThatWaited",
			Old: "	p.moved += int64(registered)\n", New: "	_ = registered\n"},
		{Name: "TryLock forgets registered readers", File: "phases.go", Caught: "TestTryLockAfterAReaderThatWaited",
			Old: "inside()+int64(p.state.Load()%nextPhase) == 0", New: "inside() == 0"},
		{Name: "who gave up stays registered", File: "phases.go", Caught: "TestRWMutex/CancelReader",
			Old: "CompareAndSwap(s, s-reader)", New: "CompareAndSwap(s, s)"},
		{Name: "sequence goes back", File: "seqlock.go", Caught: "TestRetrySaysWhetherSomebodyWrote",
			Old: "	cpu.Publish(&l.seq, seq+1) // F: release\n", New: "	cpu.Publish(&l.seq, seq-1)\n"},
		{Name: "reading begins beside a writer", File: "seqlock.go", Caught: "TestSeqLockReadersSeeAllOrNothing",
			Old: "l.seq.Load(); seq%2 == 0 {", New: "l.seq.Load(); true {"},
		{Name: "update of an old value", File: "seq.go", Caught: "TestSeqUpdatesOneAfterAnother",
			Old: takes, New: "	old := q.box.load()\n" + others + "	q.lock.Lock()\n	defer q.lock.Unlock()\n	v = f(old)\n"},
		{Name: "last word left out", File: "seq_unsafe.go", Caught: "TestSeqHoldsEverySize",
			Old: "(unsafe.Sizeof(v) + 7) / 8", New: "unsafe.Sizeof(v) / 8"},
	})
}

//go:build !race

package mcs_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

// Each step of the locks that can be wrong alone, wrong. Where two steps must be
// one, the defect lets others run between: else it would show only while both of
// two goroutines have a processor.
func TestMutants(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{
		{Name: "linked before it waits", File: "lock.go", Caught: "TestPlaceIsReadyWhenLinked",
			Old: "	cpu.Publish(&p.state, waiting)\n	ahead.next.Store(p) // B: release\n",
			New: "	ahead.next.Store(p)\n	runtime.Gosched()\n	cpu.Publish(&p.state, waiting)\n"},
		{Name: "state read before it is taken", File: "spot.go", Caught: "TestParkedAtAnyMoment",
			Old: "	was = s.state.Swap(state) // C: release\n",
			New: "	was = s.state.Load()\n	for b := (spinlock.Backoff{}); !b.Spent(); {\n		b.Wait()\n	}\n	s.state.Store(state)\n"},
		{Name: "who left stays in the queue", File: "lock.go", Caught: "TestThoseWhoLeftDoNotPileUp",
			Old: "				p.leave()\n", New: ""},
		{Name: "a place passed over somebody and comes back", File: "lock.go", Caught: "TestWhoLeavesLateHarmsNobody",
			Old: "		n.place = nil // see leave\n", New: ""},
		{Name: "next kept alive", File: "lock.go", Caught: "TestReleaseKeepsNothingAlive",
			Old: "		p.next.Store(nil) // or it would keep next alive\n", New: ""},
		{Name: "overtaken for ever", File: "mutex.go", Caught: "TestFirstInLineIsOvertakenSoOften",
			Old: "(s&overtaken != overtaken || s&editing != 0)", New: "(s >= 0)"},
		{Name: "awake, and gone", File: "mutex.go", Caught: "TestWhoLeavesAwakeWakesTheNext",
			Old: "		clear = awake | overtaken\n", New: "		clear = overtaken\n"},
		{Name: "pending at the end of the line", File: "mutex.go", Caught: "TestPendingStandsInFront",
			Old: "				m.first = w\n				was |= awake", New: "				was |= awake"},
	})
}

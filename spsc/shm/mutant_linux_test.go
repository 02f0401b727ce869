//go:build !race

package shm_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

// Each check of what a peer wrote, left out.
func TestMutants(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{
		{Name: "any tail will do", File: "shm_linux.go", Caught: "TestWhatCannotBe",
			Old: "if held > size || tail%8 != 0 {", New: "if tail%8 != 0 {"},
		{Name: "any length will do", File: "shm_linux.go", Caught: "TestWhatCannotBe",
			Old: "if header > size || span(int(header)) > min(held, c.left(at)) {", New: "if header > size {"},
		{Name: "any head will do", File: "shm_linux.go", Caught: "TestWhatCannotBe",
			Old: "if p.own-head > size || head%8 != 0 {", New: "if head%8 != 0 {"},
		{Name: "memory can shrink", File: "shm_linux.go", Caught: "TestPeerIsHostile",
			Old: "const seals = unix.F_SEAL_SHRINK | ", New: "const seals = "},
		{Name: "the dead are waited for", File: "shm_linux.go", Caught: "TestPeerIsKilled",
			Old: "probe.Type == unix.F_UNLCK", New: "probe.Type != unix.F_UNLCK"},
		{Name: "no wake-up", File: "shm_linux.go", Caught: "TestWaiting",
			Old: "	o.ours.counter.Store(to) // a full barrier before the load, in either process\n", New: ""},
	})
}

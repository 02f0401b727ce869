package explore_test

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/stress/explore"
)

func build(t *testing.T, edits ...explore.Edit) (program string) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	program, err = explore.Build(t.Context(), root, t.TempDir(), edits...)
	require.NoError(t, err)
	return program
}

// The source as it is has no violation in any scenario, and each search does the
// same every time.
func TestClean(t *testing.T) {
	program := build(t)
	args := []string{"-bound", "2"}
	first, err := exec.Command(program, args...).Output()
	require.NoError(t, err, "%s", first)
	require.NotContains(t, string(first), "unfinished")
	second, err := exec.Command(program, args...).Output()
	require.NoError(t, err)
	require.Equal(t, string(first), string(second))
}

// Each defect is found by the scenario named, in the memory named; where that is TSO,
// the Go memory model does not know it, and SC has no violation.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			program := build(t, m.edit)
			in := func(memory string) (out string, found bool) {
				text, err := exec.Command(program, "-bound", "2", "-run", "^"+m.scenario+"$", "-memory", memory).CombinedOutput()
				return string(text), err != nil
			}
			out, found := in(m.memory)
			require.True(t, found, "not found:\n%s", out)
			require.Contains(t, out, m.says)
			t.Log(out)
			if m.memory == "TSO" {
				out, found := in("SC")
				require.False(t, found, "%s", out)
			}
		})
	}
}

var mutants = []struct {
	name             string
	scenario, memory string
	says             string
	edit             explore.Edit
}{
	{"value after counter", "spsc/try", "SC", "data race", explore.Edit{
		File: "spsc/ring.go",
		Old:  "	r.slots[tail&uint64(len(r.slots)-1)] = v\n	r.tail.publish(tail + 1) // A: release\n",
		New:  "	r.tail.publish(tail + 1)\n	r.slots[tail&uint64(len(r.slots)-1)] = v\n"}},
	{"announcement without a fence", "eventcount/wake", "TSO", "deadlock", explore.Edit{
		File: "internal/eventcount/eventcount.go",
		Old:  "	e.mu.Unlock()\n	fence()\n	return w\n",
		New:  "	e.mu.Unlock()\n	return w\n"}},
}

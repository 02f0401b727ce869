package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/stress"
)

// TestStressReportsOneObject runs the command for a moment.
func TestStressReportsOneObject(t *testing.T) {
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	require.NoError(t, err)
	defer out.Close()
	o := stressOptions{duration: 300 * time.Millisecond, only: []string{"mpmc", "packet"}, seed: 7, json: true}
	require.NoError(t, o.stress(t.Context(), out, out))
	text, err := os.ReadFile(out.Name())
	require.NoError(t, err)
	var r struct {
		Seed       uint64
		Operations uint64
		Violations *uint64
		Trials     []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal(text, &r), "%s", text)
	require.EqualValues(t, 7, r.Seed)
	require.NotZero(t, r.Operations)
	require.NotNil(t, r.Violations)
	require.Zero(t, *r.Violations, "%s", text)
	require.Len(t, r.Trials, 3, "two of mpmc, and packet")
}

func TestStressKnowsItsTrials(t *testing.T) {
	o := stressOptions{only: []string{"mpsc"}}
	require.ErrorContains(t, o.stress(t.Context(), os.Stdout, os.Stderr), `stress: no trial "mpsc" (there are spinlock.Mutex, `)
}

func TestStressTable(t *testing.T) {
	var w strings.Builder
	writeStress(&w, stress.Report{
		Seed: 5, DurationSeconds: 1.25, Operations: 12345, Violations: 1,
		Trials: []stress.Result{
			{Name: "packet", Rounds: 3, Operations: 12345, WorstWait: 1500 * time.Microsecond, WorstGracePeriod: time.Second},
			{Name: "mcs.Lock", Violations: 1, Fairness: 0.25, Messages: []string{"two inside"}},
		},
	})
	require.Equal(t, `
trial     rounds  operations  violations  fairness  worst wait  worst grace period
packet         3      12,345           0         -       1.5ms                  1s
mcs.Lock       0           0           1      0.25           -                   -
1.2 s  seed 5  12,345 operations  1 violations

mcs.Lock: two inside
`, "\n"+w.String())
}

package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/stress"
)

// TestMutantsFit asks of every mutant that it can be made, and of every trial that it
// has one to catch.
func TestMutantsFit(t *testing.T) {
	dir, err := top()
	require.NoError(t, err)
	names := map[string]bool{}
	for _, m := range mutants {
		_, err := m.apply(dir)
		require.NoError(t, err)
		require.False(t, names[m.name], "two mutants are called %q", m.name)
		names[m.name] = true
	}
	for _, trial := range stress.Trials() {
		require.True(t, slices.ContainsFunc(mutants, func(m mutant) bool { return m.trial == trial.Name && m.survives == "" }),
			"%s catches no mutant", trial.Name)
	}
}

// certain are mutants that no trial can overlook for long: they are caught by what is
// left in the end, or by one goroutine alone. Each is in a file that the trials of the
// others do not need, so one program has them all.
var certain = []string{
	"no reading is repeated", "no reader is waited for", "lost and not counted",
	"a stage overtakes the one before", "a clone is not counted", "blocks are not cleared",
}

func TestCertainMutantsAreCaught(t *testing.T) {
	var defects []mutant
	for _, m := range mutants {
		if slices.Contains(certain, m.name) {
			defects = append(defects, m)
		}
	}
	require.Len(t, defects, len(certain))
	program, err := build(t.TempDir(), defects...)
	require.NoError(t, err)
	for _, m := range defects {
		t.Run(m.name, func(t *testing.T) {
			v := m.run(program, time.Minute)
			require.True(t, v.caught, "%s survives %s", m.name, m.trial)
			t.Log(v.how)
		})
	}
}

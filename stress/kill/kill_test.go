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
// left in the end, or by one goroutine alone.
var certain = []string{"no reader is waited for", "given back for the same round", "lost and not counted", "a clone is not counted"}

func TestCertainMutantsAreCaught(t *testing.T) {
	if testing.Short() {
		certain = certain[:1]
	}
	for _, m := range mutants {
		if slices.Contains(certain, m.name) {
			t.Run(m.name, func(t *testing.T) {
				v, err := m.try(time.Minute)
				require.NoError(t, err)
				require.True(t, v.caught, "%s survives %s", m.name, m.trial)
				t.Log(v.how)
			})
		}
	}
}

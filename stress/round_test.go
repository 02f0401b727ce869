package stress

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestJain(t *testing.T) {
	for _, c := range []struct {
		shares []float64
		want   float64
	}{
		{[]float64{7, 7, 7}, 1},
		{[]float64{0, 0, 9, 0}, 0.25},
		{[]float64{1, 3}, 0.8},
	} {
		got, ok := jain(c.shares)
		require.True(t, ok)
		require.InDelta(t, c.want, got, 1e-9, "%v", c.shares)
	}
	for _, shares := range [][]float64{nil, {5}, {0, 0}} {
		_, ok := jain(shares)
		require.False(t, ok, "%v", shares)
	}
}

// TestFairnessIsTheMean of what the rounds came to, and of each role by itself.
func TestFairnessIsTheMean(t *testing.T) {
	var result Result
	for _, done := range [][2]uint64{{5, 5}, {10, 0}} {
		r := &round{parts: []*part{{role: "read"}, {role: "read"}, {role: "write"}}}
		r.parts[0].done.Store(done[0])
		r.parts[1].done.Store(done[1])
		r.parts[2].done.Store(1000)
		r.addTo(&result)
	}
	require.InDelta(t, 0.75, result.Fairness, 1e-9)
	require.EqualValues(t, 2020, result.Operations)
}

// TestStandingStill wants a violation where nobody gets on, and an end to the round.
func TestStandingStill(t *testing.T) {
	r := Trial{Name: "still"}.begin(t.Context(), Options{Work: 1, Patience: 300 * time.Millisecond}, 0)
	r.long = time.Millisecond
	forever := make(chan struct{})
	defer close(forever)
	require.False(t, r.do(func(r *round) {
		r.run("wait", func(*part) { <-forever })
		r.join()
	}))
	require.EqualValues(t, 1, r.violations)
	require.Contains(t, r.messages[0], "everybody stands still after 0 operations")
}

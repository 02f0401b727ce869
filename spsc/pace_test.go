package spsc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// slips lets a side look at a counter that has moved by gains, and returns how
// many pauses each look has ordered for the next.
func slips(capacity int, gains ...uint64) (slips []int) {
	var v view
	var c counter
	for _, gain := range gains {
		c.Add(gain)
		v.look(&c, capacity)
		slips = append(slips, int(v.slip))
	}
	return slips
}

func TestPace(t *testing.T) {
	require.Equal(t, []int{1, 3, 7, 15, 16}, slips(1024, 1, 2, 3, 4, 5), "raised while it pays")
	require.Equal(t, []int{1, 3, 3, 3, 3}, slips(1024, 1, 2, 16, 100, 16), "held once it pays enough")
	require.Equal(t, []int{1, 3, 1, 0, 0}, slips(1024, 1, 2, 2, 2, 2), "given up when it does not")
	require.Equal(t, []int{1, 0, 0, 0, 0}, slips(1024, 1, 1, 1, 1, 1), "one at a time is left alone")
	require.Equal(t, []int{1, 0, 0, 1, 0}, slips(1024, 1, 0, 0, 1, 0), "there and back is left alone")
	require.Equal(t, []int{0, 0, 0, 0, 0}, slips(8, 1, 2, 3, 4, 5), "in a small ring any gain is enough")
}

func TestLookTellsWhetherTheCounterMoved(t *testing.T) {
	var v view
	var c counter
	require.False(t, v.look(&c, 8))
	c.Add(3)
	require.True(t, v.look(&c, 8))
	require.EqualValues(t, 3, v.seen)
	require.False(t, v.look(&c, 8))
	c.Add(1<<64 - 5)
	require.True(t, v.look(&c, 8), "across the wrap")
}

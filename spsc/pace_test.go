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
	require.Equal(t, []int{1, 3, 7, 15, 16, 16}, slips(1024, 2, 2, 2, 3, 4, 5), "raised while it pays")
	require.Equal(t, []int{1, 3, 3, 3, 3}, slips(1024, 2, 3, 64, 100, 64), "held once it pays enough")
	require.Equal(t, []int{8, 16, 8, 4, 2, 5}, slips(1024, 1, 3, 4, 1, 1, 2)[:6], "given up when it does not")
	require.Equal(t, []int{8, 0, 0, 0}, slips(1024, 1, 0, 0, 0), "and at once when nothing is to be had")
	require.Equal(t, []int{1, 2, 2, 2, 0}, slips(128, 2, 3, 8, 9, 0), "a small ring has few")
	require.Equal(t, []int{0, 0, 0, 0, 0, 0}, slips(32, 2, 3, 1, 1, 1, 4), "and a smaller one none")
}

// A value that goes there and back meets few trials.
func TestPaceOfOneAtATimeIsLeftAlone(t *testing.T) {
	var v view
	var c counter
	paused := 0
	for range 100_000 {
		c.Add(1)
		v.look(&c, 1024)
		paused += int(v.slip)
	}
	require.Less(t, paused, 100_000/40)
}

// In a ring whose sides take turns on one processor, looking again is in vain, and
// soon hardly ever tried.
func TestHopeIsLost(t *testing.T) {
	var v view
	var c counter
	hoped := 0
	for range 10_000 {
		v.look(&c, 1024)
		c.Add(1)
		v.look(&c, 1024)
		hoped += int(v.hope) / maxHope
	}
	require.Less(t, hoped, 50)
}

// Who finds something soon after nothing looks more often in one call, until that
// is in vain once.
func TestHope(t *testing.T) {
	hopes := func(capacity int, looks ...uint64) (hopes []int) {
		var v view
		var c counter
		for _, gain := range looks {
			c.Add(gain)
			v.look(&c, capacity)
			hopes = append(hopes, int(v.hope)/maxHope)
		}
		return hopes
	}
	require.Equal(t, []int{0, 0, 1, 1}, hopes(1024, 0, 0, 1, 1), "soon")
	require.Equal(t, []int{0, 1, 0, 0, 0, 1}, hopes(1024, 0, 1, 0, 1, 0, 1), "given up at once, and taken up later")
	require.Equal(t, []int{0, 0, 0, 0}, hopes(1024, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1)[6:], "and then later still")
	require.Equal(t, make([]int, 8), hopes(1024, 0, 0, 0, 0, 0, 0, 0, 1), "too late")
	require.Equal(t, make([]int, 2), hopes(1024, 1, 1), "no need")
	require.Equal(t, make([]int, 4), hopes(32, 0, 0, 1, 1), "not in a small ring")
	require.Equal(t, []int{0, 0, 1, 1}, hopes(1, 0, 0, 1, 1), "but in the smallest")
}

func TestLookTellsByHowMuchTheCounterMoved(t *testing.T) {
	var v view
	var c counter
	require.Zero(t, v.look(&c, 8))
	c.Add(3)
	require.EqualValues(t, 3, v.look(&c, 8))
	require.EqualValues(t, 3, v.seen)
	require.Zero(t, v.look(&c, 8))
	c.Add(1<<64 - 5)
	require.EqualValues(t, uint64(1<<64-5), v.look(&c, 8), "across the wrap")
}

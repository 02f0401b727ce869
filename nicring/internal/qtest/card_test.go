package qtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInterruptMask follows one line through raising, lowering and arming.
func TestInterruptMask(t *testing.T) {
	i := interrupt{armed: true, fired: make(chan struct{}, 1)}
	fired := func() bool {
		select {
		case <-i.fired:
			return true
		default:
			return false
		}
	}
	i.set(false)
	require.False(t, fired(), "low")
	i.set(true)
	require.True(t, fired(), "raised")
	i.set(false)
	i.set(true)
	require.False(t, fired(), "raised again, under the mask")
	i.arm()
	require.True(t, fired(), "armed while it is high")
	i.arm()
	require.True(t, fired(), "and once more")
	i.set(false)
	i.set(true)
	i.set(false)
	i.arm()
	require.False(t, fired(), "a pulse under the mask")
	i.set(true)
	i.set(false)
	require.True(t, fired(), "a pulse with nobody waiting")
	i.arm()
	i.set(true)
	i.arm()
	require.True(t, fired(), "two at once are one")
	require.False(t, fired())
}

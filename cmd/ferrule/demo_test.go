package main

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

func TestTrafficReportIsHeldAgainstTheCounters(t *testing.T) {
	require.NoError(t, (&trafficReport{Sent: 9, Received: 7, Lost: 2}).check(2))
	for _, r := range []trafficReport{
		{Sent: 9, Received: 7, Lost: 2},
		{Sent: 9, Received: 9, Lost: 1, Duplicated: 1},
		{Sent: 9, Received: 9, Lost: 1, Reordered: 1},
		{Sent: 9, Received: 9, Lost: 1, Damaged: 1},
	} {
		require.Error(t, r.check(1))
	}
}

// TestLossOnTheWireIsSeen loses frames where no counter of ours can see it.
func TestLossOnTheWireIsSeen(t *testing.T) {
	o := options(t, nil, nil)
	mem := nictest.NewMemory(o.memorySize())
	two := cards(t, mem, nictest.Options{Deferred: true})
	n := 0
	two[0].SetFaults(nictest.Faults{Wire: func([]byte) nictest.Fate {
		if n++; n == 500 || n == 700 {
			return nictest.Lost
		}
		return nictest.Arrives
	}})
	d := newDemo(two, o.size, o.ring)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	go func() {
		for ctx.Err() == nil && d.streams[0].received.load() < 2000 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	r, err := o.run(ctx, asRig(mem, two, d), silent())
	require.ErrorContains(t, err, "forward: 0 frames dropped or missed, but of the frames sent through 2 were lost")
	require.Equal(t, uint64(2), r.Traffic.Lost)
}

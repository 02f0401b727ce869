package main

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

// numbered returns frame number n of a stream.
func numbered(s *stream, n uint64) []byte {
	frame := slices.Clone(s.frame)
	binary.BigEndian.PutUint64(frame[numberAt:], n)
	return frame
}

func TestStreamTellsWhatBecameOfFrames(t *testing.T) {
	for _, c := range []struct {
		name    string
		sent    uint64
		arrived []uint64
		want    trafficReport
	}{
		{"all", 4, []uint64{0, 1, 2, 3}, trafficReport{Sent: 4, Received: 4}},
		{"none", 4, nil, trafficReport{Sent: 4, Lost: 4}},
		{"one lost", 4, []uint64{0, 1, 3}, trafficReport{Sent: 4, Received: 3, Lost: 1}},
		{"first and last lost", 4, []uint64{1, 2}, trafficReport{Sent: 4, Received: 2, Lost: 2}},
		{"one twice", 3, []uint64{0, 1, 1, 2}, trafficReport{Sent: 3, Received: 3, Duplicated: 1}},
		{"one twice, later", 4, []uint64{0, 1, 2, 3, 0}, trafficReport{Sent: 4, Received: 4, Duplicated: 1}},
		{"two swapped", 4, []uint64{0, 2, 1, 3}, trafficReport{Sent: 4, Received: 4, Reordered: 1}},
		{"one late and twice", 4, []uint64{0, 2, 3, 1, 1}, trafficReport{Sent: 4, Received: 4, Reordered: 1, Duplicated: 1}},
		{"one never sent", 2, []uint64{0, 1, 2}, trafficReport{Sent: 2, Received: 2, Damaged: 1}},
		{"wide gap", 2 * remembered, []uint64{0, remembered + 1, 2}, trafficReport{Sent: 2 * remembered, Received: 3, Lost: 2*remembered - 3, Reordered: 1}},
		{"too old to tell", 2 * remembered, []uint64{0, remembered, 0}, trafficReport{Sent: 2 * remembered, Received: 2, Lost: 2*remembered - 2, Damaged: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStream(demoMAC(2), demoMAC(3), 60, 256)
			s.sent.add(c.sent)
			for _, n := range c.arrived {
				s.check(numbered(s, n))
			}
			require.Equal(t, c.want, s.report())
		})
	}
}

// TestStreamSeesEveryByte changes each byte of a frame in turn.
func TestStreamSeesEveryByte(t *testing.T) {
	s := newStream(demoMAC(2), demoMAC(3), 100, 256)
	s.sent.add(1)
	for i := range s.frame {
		frame := numbered(s, 0)
		frame[i] ^= 0x80
		s.check(frame)
	}
	s.check(numbered(s, 0)[:99])
	s.check(append(numbered(s, 0), 0))
	require.Equal(t, trafficReport{Sent: 1, Lost: 1, Damaged: 102}, s.report())
}

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
		for ctx.Err() == nil && d.streams[0].arrived.load() < 2000 {
			time.Sleep(time.Millisecond)
		}
		stop()
	}()
	r, err := o.run(ctx, asRig(mem, two, d), silent())
	require.ErrorContains(t, err, "forward: 0 frames dropped or missed, but of the frames sent through 2 were lost")
	require.Equal(t, uint64(2), r.Traffic.Lost)
}

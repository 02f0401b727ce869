package main

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
)

func TestTrackerTellsWhatBecameOfFrames(t *testing.T) {
	for _, c := range []struct {
		name    string
		flows   uint64
		sent    uint64
		arrived []uint64
		want    trafficReport // Damaged are those that cannot have been sent
		settled uint64
	}{
		{"all", 1, 4, []uint64{0, 1, 2, 3}, trafficReport{Sent: 4, Received: 4}, 4},
		{"none", 1, 4, nil, trafficReport{Sent: 4, Lost: 4}, 0},
		{"one lost", 1, 4, []uint64{0, 1, 3}, trafficReport{Sent: 4, Received: 3, Lost: 1}, 4},
		{"first and last lost", 1, 4, []uint64{1, 2}, trafficReport{Sent: 4, Received: 2, Lost: 2}, 3},
		{"one twice", 1, 3, []uint64{0, 1, 1, 2}, trafficReport{Sent: 3, Received: 3, Duplicated: 1}, 3},
		{"one twice, later", 1, 4, []uint64{0, 1, 2, 3, 0}, trafficReport{Sent: 4, Received: 4, Duplicated: 1}, 4},
		{"two swapped", 1, 4, []uint64{0, 2, 1, 3}, trafficReport{Sent: 4, Received: 4, Reordered: 1}, 4},
		{"one late and twice", 1, 4, []uint64{0, 2, 3, 1, 1}, trafficReport{Sent: 4, Received: 4, Reordered: 1, Duplicated: 1}, 4},
		{"one never sent", 1, 2, []uint64{0, 1, 2}, trafficReport{Sent: 2, Received: 2, Damaged: 1}, 2},
		{"wide gap", 1, 2 * remembered, []uint64{0, remembered + 1, 2}, trafficReport{Sent: 2 * remembered, Received: 3, Lost: 2*remembered - 3, Reordered: 1}, remembered + 2},
		{"too old to tell", 1, 2 * remembered, []uint64{0, remembered, 0, 1}, trafficReport{Sent: 2 * remembered, Received: 3, Lost: 2*remembered - 3, Reordered: 1, Damaged: 1}, remembered + 1},
		{"flows pass each other", 2, 6, []uint64{1, 3, 5, 0, 2, 4}, trafficReport{Sent: 6, Received: 6}, 6},
		{"swapped in a flow", 2, 6, []uint64{0, 1, 4, 3, 2, 5}, trafficReport{Sent: 6, Received: 6, Reordered: 1}, 6},
		{"lost in a flow", 2, 6, []uint64{0, 1, 3, 4, 5}, trafficReport{Sent: 6, Received: 5, Lost: 1}, 6},
		{"a flow is held up", 2, 6, []uint64{1, 3, 5}, trafficReport{Sent: 6, Received: 3, Lost: 3}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			var sent counter
			sent.add(c.sent)
			tr, impossible := newTracker(c.flows, &sent), uint64(0)
			for _, n := range c.arrived {
				if !tr.note(n) {
					impossible++
				}
			}
			require.Equal(t, c.want, tr.report(impossible))
			require.Equal(t, c.settled, tr.settled.load())
		})
	}
}

// TestStreamSeesEveryByte changes each byte of a frame in turn.
func TestStreamSeesEveryByte(t *testing.T) {
	s := newStream(demoMAC(2), demoMAC(3), 100, 256)
	s.sent.add(1)
	for i := range s.frame {
		s.probes.write(s.frame, 0)
		s.frame[i] ^= 0x80
		s.check(s.frame)
	}
	s.probes.write(s.frame, 0)
	s.check(s.frame[:99])
	s.check(append(s.frame, 0))
	require.Equal(t, trafficReport{Sent: 1, Lost: 1, Damaged: 102}, s.report())
	s.check(s.frame)
	require.Equal(t, trafficReport{Sent: 1, Received: 1, Damaged: 102}, s.report())
}

// TestProbesAreUDP reads frames as a station would.
func TestProbesAreUDP(t *testing.T) {
	r := benchmarkRoute(demoMAC(2), demoMAC(3))
	p := newProbes(r, 300, []int{60, 590, 1514}, 0xABCD)
	hash := nicring.NewToeplitz(nicring.MicrosoftKey)
	queues := map[uint32]int{}
	for number := range uint64(900) {
		frame := make([]byte, p.size(number))
		p.write(frame, number)
		stamp(frame, 12345)

		require.Equal(t, r.toMAC[:], frame[:6])
		require.Equal(t, r.fromMAC[:], frame[6:12])
		ip := frame[14:34]
		require.Equal(t, uint16(0xFFFF), onesSum(ip), "checksum of the IPv4 header")
		require.Equal(t, len(frame)-14, int(binary.BigEndian.Uint16(ip[2:])))
		from, _ := netip.AddrFromSlice(ip[12:16])
		offset := number % 300
		require.Equal(t, netip.AddrFrom4([4]byte{198, 18, byte((1 + offset) >> 8), byte(1 + offset)}), from)
		require.Equal(t, len(frame)-34, int(binary.BigEndian.Uint16(frame[38:])))
		require.Zero(t, binary.BigEndian.Uint16(frame[40:]), "a UDP checksum that is not there")

		n, at, ours := p.read(frame)
		require.Equal(t, []any{number, uint64(12345), true}, []any{n, at, ours})
		h, flow := hash.Frame(frame, nicring.NewRSS(2).Hashes)
		require.Equal(t, nicring.FlowIPv4, flow)
		queues[h&1]++
	}
	require.Len(t, queues, 2, "flows spread over both queues")

	other := newProbes(r, 1, []int{60}, 0xABCE)
	frame := make([]byte, 60)
	other.write(frame, 0)
	_, _, ours := p.read(frame)
	require.False(t, ours, "a frame of another run")
}

func onesSum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return uint16(sum>>16 + sum&0xFFFF)
}

// TestSizesTakeTurnsInEachFlow has as many flows as there are sizes, where a
// mere remainder would give each flow one size.
func TestSizesTakeTurnsInEachFlow(t *testing.T) {
	p := newProbes(benchmarkRoute(demoMAC(2), demoMAC(3)), 3, []int{60, 61, 62}, 1)
	of := map[uint64]map[int]int{}
	for number := range uint64(90) {
		if of[p.flow(number)] == nil {
			of[p.flow(number)] = map[int]int{}
		}
		of[p.flow(number)][p.size(number)]++
	}
	want := map[int]int{60: 10, 61: 10, 62: 10}
	require.Equal(t, map[uint64]map[int]int{0: want, 1: want, 2: want}, of)
}

package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func someReport() report {
	a := portReport{"0000:03:00.0", "52:54:00:00:00:01", counts{RxPackets: 1000, RxBytes: 60000, TxPackets: 1234567, TxBytes: 74074020, Dropped: 3, Missed: 1}}
	b := portReport{"0000:04:00.0", "52:54:00:00:00:02", counts{RxPackets: 1234567, RxBytes: 74074020, TxPackets: 997, TxBytes: 59820, Errors: 2}}
	r := report{DurationSeconds: 2.5, PacketsPerSecond: 494225.6, BitsPerSecond: 237228288, NsPerPacket: 41.25, Burst: 32, Ring: 512, Ports: []portReport{a, b}}
	r.counts.add(a.counts)
	r.counts.add(b.counts)
	return r
}

func TestReportTable(t *testing.T) {
	var w strings.Builder
	r := someReport()
	r.writeTable(&w)
	require.Equal(t, `
port          rx packets    rx bytes  tx packets    tx bytes  dropped  missed  errors
0000:03:00.0       1,000      60,000   1,234,567  74,074,020        3       1       0
0000:04:00.0   1,234,567  74,074,020         997      59,820        0       0       2
total          1,235,567  74,134,020   1,235,564  74,133,840        3       1       2
2.50 s  494 kpps  237 Mbit/s  41.2 ns of work a packet
`, "\n"+w.String())

	w.Reset()
	r = someReport()
	r.Injected = 64
	r.ClockMHz, r.CyclesPerPacket = 2600.4, 107.25
	r.Traffic = &trafficReport{Sent: 1235570, Received: 1235564, Lost: 6}
	r.writeTable(&w)
	_, after, _ := strings.Cut(w.String(), "total")
	_, after, _ = strings.Cut(after, "\n")
	require.Equal(t, `
64 frames put in circulation first
2.50 s  494 kpps  237 Mbit/s  41.2 ns or 107 cycles (of 2600 MHz, says /proc/cpuinfo) of work a packet
1,235,570 frames sent through, each looked at: 6 lost, 0 duplicated, 0 reordered, 0 damaged
`, "\n"+after)
}

// TestReportKeys holds the keys that others go by.
func TestReportKeys(t *testing.T) {
	keys := func(v any) []string {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		var object map[string]any
		require.NoError(t, json.Unmarshal(text, &object))
		return slices.Sorted(maps.Keys(object))
	}
	counts := []string{"dropped", "errors", "missed", "rx_bytes", "rx_packets", "tx_bytes", "tx_packets"}
	always := append(slices.Clone(counts), "bits_per_second", "burst", "by_queue", "duration_seconds", "injected", "interrupts", "ns_per_packet",
		"packets_per_second", "pipeline", "ports", "queues", "ring", "workers")
	sorted := func(s ...string) []string { slices.Sort(s); return s }

	r := someReport()
	require.Equal(t, sorted(always...), keys(r))
	require.Equal(t, sorted(append(slices.Clone(counts), "port", "mac")...), keys(r.Ports[0]))
	require.Equal(t, []string{"dropped", "port", "queue", "rx_packets", "tx_packets"}, keys(queueReport{}))
	r.ClockMHz, r.CyclesPerPacket = 1, 1
	r.Traffic = &trafficReport{}
	require.Equal(t, sorted(append(always, "clock_mhz", "cycles_per_packet", "traffic")...), keys(r))
	require.Equal(t, []string{"damaged", "duplicated", "lost", "received", "reordered", "sent"}, keys(r.Traffic))
}

func TestDescribeBuild(t *testing.T) {
	require.Contains(t, describeBuild(nil), "ferrule (unversioned) go1.")
}

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestScaled(t *testing.T) {
	for v, want := range map[float64]string{
		0:           "0 pps",
		1:           "1.00 pps",
		9.994:       "9.99 pps",
		9.996:       "10.0 pps",
		99.94:       "99.9 pps",
		99.96:       "100 pps",
		999.4:       "999 pps",
		999.6:       "1.00 kpps",
		9_996:       "10.0 kpps",
		12_345:      "12.3 kpps",
		6_078_000:   "6.08 Mpps",
		2.5e9:       "2.50 Gpps",
		123_456.7e9: "123457 Gpps",
	} {
		require.Equal(t, want, scaled(v, "pps"))
	}
}

func TestGrouped(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0", 999: "999", 1000: "1,000", 123456: "123,456", 18234112: "18,234,112", 1<<64 - 1: "18,446,744,073,709,551,615",
	} {
		require.Equal(t, want, grouped(n))
	}
}

func TestTableAligns(t *testing.T) {
	rows := [][]string{{"port", "n", "bytes"}, {"a", "12,345", "1"}, {"long name", "", "23"}}
	var w strings.Builder
	writeTable(&w, rows, true)
	require.Equal(t, "port            n  bytes\na          12,345      1\nlong name             23\n", w.String())
	w.Reset()
	writeTable(&w, rows, false)
	require.Equal(t, "port       n       bytes\na          12,345  1\nlong name          23\n", w.String())
}

func TestLiveLine(t *testing.T) {
	s := sample{elapsed: 7 * time.Second, busy: 6 * time.Second, packets: 9_000_000, bytes: 540_000_000, dropped: 1234}
	second := s.since(sample{elapsed: 6 * time.Second, busy: 5500 * time.Millisecond, packets: 8_000_000, bytes: 480_000_000, dropped: 1000})
	require.Equal(t, "   7 s  1.00 Mpps  480 Mbit/s  1,234 dropped  500.0 ns  1300 cycles a packet", s.line(second, 2600))
	require.Equal(t, "   7 s  1.00 Mpps  480 Mbit/s  1,234 dropped  500.0 ns a packet", s.line(second, 0))
	require.Equal(t, "   0 s  0 pps  0 bit/s  0 dropped  0.0 ns a packet", sample{}.line(sample{}, 0))

	var w strings.Builder
	l := &liveLine{w: &w, terminal: true}
	l.end()
	l.show("one")
	l.show("two")
	l.end()
	require.Equal(t, "\rone\x1b[K\rtwo\x1b[K\n", w.String())

	w.Reset()
	l = &liveLine{w: &w}
	l.show("one")
	l.show("two")
	l.end()
	require.Equal(t, "one\ntwo\n", w.String())
}

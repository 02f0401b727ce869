package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func someSnapshot() snapshot {
	r := someReport()
	l := newLatencies()
	l.record([]int64{1000, 1000, 1000, 4000})
	return snapshot{Command: "generate", PID: 123, UptimeSeconds: 2, Ports: r.Ports,
		Traffic: &trafficReport{Sent: 9, Received: 7, Lost: 2, Reordered: 1}, Latency: new(l.all())}
}

func TestMetrics(t *testing.T) {
	var w strings.Builder
	other := snapshot{Command: "capture", PID: 7, UptimeSeconds: 0.5, Ports: []portReport{{Port: "odd\"name\\", counts: counts{RxPackets: 1 << 60}}}}
	require.NoError(t, writeMetrics(&w, []snapshot{someSnapshot(), other}))
	for _, line := range []string{
		`ferrule_uptime_seconds{command="generate",pid="123"} 2`,
		`ferrule_uptime_seconds{command="capture",pid="7"} 0.5`,
		`ferrule_receive_packets_total{command="generate",pid="123",port="0000:03:00.0"} 1000`,
		`ferrule_transmit_bytes_total{command="generate",pid="123",port="0000:04:00.0"} 59820`,
		`ferrule_dropped_packets_total{command="generate",pid="123",port="0000:03:00.0"} 3`,
		`ferrule_missed_packets_total{command="generate",pid="123",port="0000:03:00.0"} 1`,
		`ferrule_error_packets_total{command="generate",pid="123",port="0000:04:00.0"} 2`,
		`ferrule_receive_packets_total{command="capture",pid="7",port="odd\"name\\"} 1152921504606846976`,
		`ferrule_generated_lost_packets_total{command="generate",pid="123"} 2`,
		`ferrule_generated_reordered_packets_total{command="generate",pid="123"} 1`,
		`ferrule_latency_seconds{command="generate",pid="123",quantile="0.5"} 1e-06`,
		`ferrule_latency_seconds_count{command="generate",pid="123"} 4`,
	} {
		require.Contains(t, w.String(), "\n"+line+"\n")
	}
	requireExposition(t, w.String())
}

// requireExposition checks the text as Prometheus does: each sample after the
// HELP and TYPE of its metric, which come once, and no sample twice.
func requireExposition(t *testing.T, text string) {
	sample := regexp.MustCompile(`^([a-z_]+)\{([a-z]+="(?:[^"\\]|\\.)*"(?:,[a-z]+="(?:[^"\\]|\\.)*")*)\} [-+0-9.e]+$`)
	kinds, seen, current := map[string]string{}, map[string]bool{}, ""
	require.True(t, strings.HasSuffix(text, "\n"))
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, kind, _ := strings.Cut(rest, " ")
			require.NotContains(t, kinds, name)
			kinds[name], current = kind, name
			continue
		}
		if strings.HasPrefix(line, "# HELP ") {
			continue
		}
		m := sample.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		name := m[1]
		if kinds[current] == "summary" {
			name = strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")
		}
		require.Equal(t, current, name)
		require.Equal(t, kinds[current] == "counter", strings.HasSuffix(name, "_total"), name)
		key, _, _ := strings.Cut(line, "} ")
		require.False(t, seen[key], line)
		seen[key] = true
	}
}

// serveAt serves snapshots at a socket.
func serveAt(t *testing.T, name string, s ...snapshot) {
	l, err := net.Listen("unix", name)
	require.NoError(t, err)
	server := &http.Server{Handler: statsHandler(func(context.Context) ([]snapshot, error) { return s, nil })}
	go server.Serve(l)
	t.Cleanup(func() { server.Close() })
}

func TestCollect(t *testing.T) {
	dir := t.TempDir()
	all, err := collect(t.Context(), dir)
	require.NoError(t, err)
	require.Empty(t, all)

	want := someSnapshot()
	serveAt(t, filepath.Join(dir, "123.sock"), want)
	stale, err := net.Listen("unix", filepath.Join(dir, "9.sock"))
	require.NoError(t, err)
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	require.NoError(t, stale.Close())

	all, err = collect(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, []snapshot{want}, all)
	require.NoFileExists(t, filepath.Join(dir, "9.sock"), "left by a process that was killed")
}

// TestCollectWhileSomeGo asks among others two that end without an answer: one at
// once, one when it has heard the question.
func TestCollectWhileSomeGo(t *testing.T) {
	dir := t.TempDir()
	want := someSnapshot()
	serveAt(t, filepath.Join(dir, "123.sock"), want)
	for name, hear := range map[string]func(*bufio.Reader){
		"3.sock": func(*bufio.Reader) {},
		"4.sock": func(r *bufio.Reader) { http.ReadRequest(r) },
	} {
		going, err := net.Listen("unix", filepath.Join(dir, name))
		require.NoError(t, err)
		defer going.Close()
		go func() {
			conn, err := going.Accept()
			if err == nil {
				hear(bufio.NewReader(conn))
				conn.Close()
			}
		}()
	}
	all, err := collect(t.Context(), dir)
	require.NoError(t, err)
	require.Equal(t, []snapshot{want}, all)
}

func TestStatsTable(t *testing.T) {
	var w strings.Builder
	writeStats(&w, nil, nil)
	require.Equal(t, "No forward, generate or capture of this user is running.\n", w.String())

	before, now := someSnapshot(), someSnapshot()
	now.UptimeSeconds += 2
	now.Ports = append([]portReport{}, now.Ports...)
	now.Ports[0].RxPackets += 5000
	w.Reset()
	writeStats(&w, []snapshot{now}, []snapshot{before})
	require.Equal(t, `
pid   command          port         rx     tx  rx packets  tx packets  dropped  missed  errors  seconds
123  generate  0000:03:00.0  2.50 kpps  0 pps       6,000   1,234,567        3       1       0        4
123  generate  0000:04:00.0      0 pps  0 pps   1,234,567         997        0       0       2        4
123: 2 lost  0 duplicated  1 reordered  latency p50 1.00 µs  p99 4.00 µs  max 4.00 µs
`, "\n"+w.String())

	w.Reset()
	writeStats(&w, []snapshot{before}, nil)
	require.Contains(t, w.String(), "  500 pps", "of all the time")
}

// TestPublish asks a command for its counters in both ways, and finds nothing
// left when it has ended.
func TestPublish(t *testing.T) {
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	want := someSnapshot()
	want.PID = os.Getpid()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())

	unpublish, err := publish("generate", address, func() snapshot { return want })
	require.NoError(t, err)
	take, err := statsOf([]string{})
	require.NoError(t, err)
	all, err := take(t.Context())
	require.NoError(t, err)
	require.Contains(t, all, want)

	reply, err := http.Get("http://" + address + "/metrics")
	require.NoError(t, err)
	text, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	reply.Body.Close()
	require.Equal(t, "text/plain; version=0.0.4; charset=utf-8", reply.Header.Get("Content-Type"))
	require.Contains(t, string(text), `ferrule_receive_packets_total{command="generate"`)

	_, err = publish("forward", address, nil)
	require.ErrorContains(t, err, "forward: --prometheus: listen tcp "+address+": bind: address already in use")
	unpublish()
	all, err = take(t.Context())
	require.NoError(t, err)
	require.NotContains(t, all, want)
	_, err = http.Get("http://" + address + "/metrics")
	require.Error(t, err)

	take, err = statsOf([]string{"1"})
	require.NoError(t, err)
	_, err = take(t.Context())
	require.EqualError(t, err, "stats: process 1 is no forward, generate or capture of this user")
	_, err = statsOf([]string{"one"})
	require.EqualError(t, err, `stats: "one" is no process number`)
}

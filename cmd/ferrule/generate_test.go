package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// generateFlags are the flags left at their defaults, but for those given.
func generateFlags(t *testing.T, args ...string) *generateOptions {
	o := &generateOptions{rate: rate{}, sizes: sizeList{60}, flows: 64, burst: 32, ring: 512, from: "198.18.0.1", to: "198.19.0.1"}
	for flag := range slices.Chunk(args, 2) {
		switch flag[0] {
		case "--rate":
			require.NoError(t, o.rate.Set(flag[1]))
		case "--size":
			require.NoError(t, o.sizes.Set(flag[1]))
		default:
			t.Fatal(flag)
		}
	}
	require.NoError(t, o.check(nil))
	return o
}

// wired makes a rig of two strict cards. What the first sends goes through
// wire, which may keep a frame: it calls on for what arrives at the second.
func wired(t *testing.T, o *generateOptions, wire func(frame []byte, on func([]byte))) *rig {
	mem := nictest.NewMemory(memorySize(o.buffers(), o.bufferSize(nil), 2*o.ring+2*idleRing))
	c := cards(t, mem, nictest.Options{Deferred: true})
	if wire == nil {
		nictest.Link(c[0], c[1])
	} else {
		c[0].Attach(func(frame []byte) { wire(frame, c[1].Deliver) })
	}
	r := asRig(mem, c, nil)
	r.turn = func() int { return c[0].Step() + c[1].Step() }
	return r
}

func generateRun(t *testing.T, o *generateOptions, rig *rig, replay *recording) *generateReport {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	r, err := o.run(ctx, rig, replay, silent())
	require.NoError(t, err)
	require.NoError(t, ctx.Err(), "it did not end by itself")
	return r
}

func TestGeneratedFramesAllComeBack(t *testing.T) {
	count := uint64(20_000)
	if testing.Short() {
		count = 3_000
	}
	for _, c := range []struct {
		burst, ring, flows, procs int
		sizes, rate               string
	}{
		{32, 512, 64, 2, "60", "max"},
		{1, 8, 1, 2, "61", "max"},
		{32, 512, 65536, 2, "imix", "max"},
		{256, 512, 3, 8, "1514", "max"},
		{32, 512, 64, 1, "9216,60,2049", "max"}, // with one on its way, three goroutines take turns
		{32, 512, 64, 2, "60", "1M"},
	} {
		t.Run(fmt.Sprintf("%+v", c), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.procs))
			o := generateFlags(t, "--size", c.sizes, "--rate", c.rate)
			o.burst, o.ring, o.flows, o.count = c.burst, c.ring, c.flows, count
			r := generateRun(t, o, wired(t, o, nil), nil)
			bytes, p := uint64(0), newProbes(benchmarkRoute(demoMAC(0), demoMAC(1)), c.flows, o.sizes, 0)
			for n := range count {
				bytes += uint64(p.size(n))
			}
			require.Equal(t, counts{TxPackets: count, TxBytes: bytes}, r.Ports[0].counts)
			require.Equal(t, counts{RxPackets: count, RxBytes: bytes}, r.Ports[1].counts)
			require.Equal(t, &trafficReport{Sent: count, Received: count}, r.Traffic)
			require.Equal(t, int64(count), r.Latency.Samples)
			require.Positive(t, r.Latency.MinNs)
		})
	}
}

// TestGenerateSeesWhatTheWireDoes loses, doubles, swaps, damages and adds
// frames.
func TestGenerateSeesWhatTheWireDoes(t *testing.T) {
	o := generateFlags(t)
	o.count, o.flows = 5000, 10
	n := 0
	var kept []byte
	foreign := ethernet(make([]byte, 100), demoMAC(2), demoMAC(3))
	r := generateRun(t, o, wired(t, o, func(frame []byte, on func([]byte)) {
		switch n++; n {
		case 500, 501, 502:
			return
		case 600:
			on(frame)
			on(frame)
		case 700: // goes behind the next one of its flow
			kept = slices.Clone(frame)
		case 710:
			on(frame)
			on(kept)
		case 800: // goes behind the next one, of another flow
			kept = slices.Clone(frame)
		case 801:
			on(frame)
			on(kept)
		case 900:
			on(append(slices.Clone(frame), 0)) // its length is wrong
		case 901:
			binary.BigEndian.PutUint64(frame[numberAt:], 1<<40)
			on(frame)
		case 1000:
			on(foreign)
			on(frame)
		default:
			on(frame)
		}
	}), nil)
	require.Equal(t, &trafficReport{Sent: 5000, Received: 4995, Lost: 5, Duplicated: 1, Reordered: 1, Damaged: 2}, r.Traffic)
	require.Equal(t, int64(4995), r.Latency.Samples)
	require.Equal(t, uint64(5000-3+1+1), r.Ports[1].RxPackets, "all that arrived")
}

// TestLatencyIsThatOfTheWire holds the frames back for some time.
func TestLatencyIsThatOfTheWire(t *testing.T) {
	const delay = 20 * time.Millisecond
	o := generateFlags(t, "--rate", "1k")
	o.count, o.burst = 3, 1
	r := generateRun(t, o, wired(t, o, func(frame []byte, on func([]byte)) {
		time.Sleep(delay)
		on(frame)
	}), nil)
	require.Equal(t, int64(3), r.Latency.Samples)
	require.GreaterOrEqual(t, time.Duration(r.Latency.MinNs), delay)
	require.Less(t, time.Duration(r.Latency.MaxNs), patience)
	require.GreaterOrEqual(t, r.Latency.at(50), delay)
}

// TestFramesThatTheCardKeeps do not count as sent, nor as lost on the way.
func TestFramesThatTheCardKeeps(t *testing.T) {
	t.Parallel()
	o := generateFlags(t)
	o.duration = 50 * time.Millisecond
	rig := wired(t, o, nil)
	rig.cards[0].(*nictest.Card).SetFaults(nictest.Faults{TxStuck: true})
	r := generateRun(t, o, rig, nil)
	require.Equal(t, &trafficReport{}, r.Traffic)
	require.Zero(t, r.Ports[0].TxPackets)
}

// TestNoMoreFlowsThanAddresses begins near the last one there is.
func TestNoMoreFlowsThanAddresses(t *testing.T) {
	o := generateFlags(t)
	o.from, o.flows, o.count = "255.255.255.250", 6, 12
	require.NoError(t, o.check(nil))
	require.Equal(t, uint64(12), generateRun(t, o, wired(t, o, nil), nil).Traffic.Received)
	o.flows = 7
	require.EqualError(t, o.check(nil), "generate: --from 255.255.255.250: want an address for each of 7 flows, and there are 6 from there")
}

// TestPaces asks at moments of the test's choosing.
func TestPaces(t *testing.T) {
	p := perSecond(1000)
	require.Equal(t, uint64(1), p(0))
	require.Equal(t, uint64(1), p(999*time.Microsecond))
	require.Equal(t, uint64(2), p(1001*time.Microsecond))
	require.Equal(t, uint64(5001), p(5*time.Second))

	at := []time.Duration{0, 10, 10, 30}
	p = (&recording{at: at, frames: make([][]byte, 4)}).pace()
	for elapsed, want := range []uint64{0: 1, 9: 1, 10: 3, 29: 3, 30: 5, 39: 5, 40: 7, 59: 7, 60: 9} {
		if want > 0 {
			require.Equal(t, want, p(time.Duration(elapsed)), "at %d", elapsed)
		}
	}
	require.Equal(t, uint64(1<<62), (&recording{at: at[:1], frames: make([][]byte, 1)}).pace()(0))
}

// TestDelayIsNotMadeUpForAtOnce stops the transmitter for a second.
func TestDelayIsNotMadeUpForAtOnce(t *testing.T) {
	o := generateFlags(t, "--rate", "1M")
	mem := wired(t, o, func([]byte, func([]byte)) {})
	g, err := o.open(mem, nil)
	require.NoError(t, err)
	g.tx.window = 0
	sent := func(at time.Duration) (n int) {
		for {
			mem.turn()
			k := g.tx.turn(at)
			if k == 0 {
				return n
			}
			n += k
		}
	}
	require.Equal(t, 1, sent(0))
	require.Equal(t, catchUp, sent(time.Second))
	require.Equal(t, 100, sent(time.Second+100*time.Microsecond))
	require.NoError(t, g.close())
}

// recordingFile writes frames of the given sizes a millisecond apart.
func recordingFile(t *testing.T, ng bool, sizes ...int) (name string, frames [][]byte) {
	var out bytes.Buffer
	var write func(gopacket.CaptureInfo, []byte) error
	if ng {
		w, err := pcapgo.NewNgWriter(&out, layers.LinkTypeEthernet)
		require.NoError(t, err)
		defer func() { require.NoError(t, os.WriteFile(name, out.Bytes(), 0o600)) }()
		defer func() { require.NoError(t, w.Flush()) }()
		write = w.WritePacket
	} else {
		w := pcapgo.NewWriter(&out)
		require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeEthernet))
		defer func() { require.NoError(t, os.WriteFile(name, out.Bytes(), 0o600)) }()
		write = w.WritePacket
	}
	for i, size := range sizes {
		frame := bytes.Repeat([]byte{byte(i + 1)}, size)
		frames = append(frames, frame)
		at := time.Unix(1000, 0).Add(time.Duration(i) * time.Millisecond)
		require.NoError(t, write(gopacket.CaptureInfo{Timestamp: at, CaptureLength: size, Length: size}, frame))
	}
	return filepath.Join(t.TempDir(), "trace"), frames
}

func TestReplay(t *testing.T) {
	for _, ng := range []bool{false, true} {
		t.Run(fmt.Sprint("ng=", ng), func(t *testing.T) {
			o := generateFlags(t)
			var frames [][]byte
			o.pcap, frames = recordingFile(t, ng, 60, 1514, 100)
			o.count = 301
			replay, err := openRecording(o.pcap)
			require.NoError(t, err)
			require.Equal(t, []time.Duration{0, time.Millisecond, 2 * time.Millisecond}, replay.at)
			var came [][]byte
			rig := wired(t, o, func(frame []byte, on func([]byte)) {
				came = append(came, slices.Clone(frame))
				on(frame)
			})
			r := generateRun(t, o, rig, replay)
			require.Nil(t, r.Traffic)
			require.Equal(t, uint64(301), r.Ports[1].RxPackets)
			require.Len(t, came, 301)
			for i, frame := range came {
				require.Equal(t, frames[i%3], frame)
			}
		})
	}
}

func TestRecordingsThatCannotBeReplayed(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	require.NoError(t, os.WriteFile(text, []byte("no capture\n"), 0o600))
	short := filepath.Join(dir, "short")
	require.NoError(t, os.WriteFile(short, []byte{1}, 0o600))
	var raw bytes.Buffer
	require.NoError(t, pcapgo.NewWriter(&raw).WriteFileHeader(100, layers.LinkTypeRaw))
	rawIP := filepath.Join(dir, "raw")
	require.NoError(t, os.WriteFile(rawIP, raw.Bytes(), 0o600))
	empty, _ := recordingFile(t, true)
	long, _ := recordingFile(t, true, 60, generateMax+1)
	for name, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file or directory",
		text:                       "generate: --pcap " + text + ": ",
		short:                      "not a capture file",
		rawIP:                      "of link type Raw, want Ethernet",
		empty:                      "there is no packet in it",
		long:                       "packet 2 has 9217 bytes, want 1 to 9216",
	} {
		_, err := openRecording(name)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, name)
	}
}

// TestGeneratingAllocatesNothing counts allocations of the turns of both sides.
func TestGeneratingAllocatesNothing(t *testing.T) {
	o := generateFlags(t, "--size", "imix")
	rig := wired(t, o, nil)
	g, err := o.open(rig, nil)
	require.NoError(t, err)
	g.rx.clock = time.Now()
	turn := func() {
		g.tx.turn(time.Since(g.rx.clock))
		rig.turn()
		g.rx.turn()
	}
	turn()
	require.Zero(t, testing.AllocsPerRun(200, turn))
	require.Equal(t, uint64(202*32), g.rx.packets.load())
	require.NoError(t, g.close())
}

func TestLatencyReport(t *testing.T) {
	l := newLatencies()
	recent, total := l.take(), l.all()
	require.Equal(t, latencyReport{Percentiles: []percentile{}, Histogram: []bar{}}, recent)
	var w strings.Builder
	total.write(&w)
	require.Equal(t, "latency: no frame came back\n", w.String())

	var burst []int64
	for i := range 900 {
		burst = append(burst, int64(1000+i%20)) // within the three digits
	}
	l.record(burst)
	l.record([]int64{-1, 20 * int64(time.Second)})
	_ = l.take()
	for range 98 {
		l.record([]int64{5000})
	}
	total = l.all()
	recent = l.take()
	require.Equal(t, int64(98), recent.Samples)
	require.InDelta(t, 5000, recent.at(50), 5)
	require.Equal(t, int64(1000), total.Samples)
	require.Equal(t, int64(0), total.MinNs)
	require.InDelta(t, 10e9, total.MaxNs, 10e9/1000)
	require.InDelta(t, 1010, total.at(50), 10)
	require.InDelta(t, 5000, total.at(99), 5)
	require.Zero(t, total.at(12))
	sum := int64(0)
	for i, b := range total.Histogram {
		sum += b.Count
		require.Equal(t, b.FromNs*2, b.ToNs)
		if i > 0 {
			require.Equal(t, total.Histogram[i-1].ToNs, b.FromNs)
		}
	}
	require.Equal(t, int64(1000), sum)

	w.Reset()
	recent.write(&w)
	require.Regexp(t, `^latency: min 5.00 µs  p50 5.00 µs  .*  max 5.00 µs  mean 5.00 µs  of 98 frames
  4.10 µs to 8.19 µs   #{50} 98
$`, w.String())
}

func TestBrief(t *testing.T) {
	for ns, want := range map[int64]string{0: "0 ns", 999: "999 ns", 1000: "1.00 µs", 12345: "12.3 µs", 999_999: "1.00 ms", 123_456_789: "123 ms", 2_500_000_000: "2.50 s"} {
		require.Equal(t, want, brief(ns))
	}
}

func TestRatesAndSizesOnTheCommandLine(t *testing.T) {
	for text, want := range map[string]rate{"max": {}, "recorded": {recorded: true}, "1": {perSecond: 1}, "2.5k": {perSecond: 2500}, "1.2M": {perSecond: 1.2e6}} {
		var r rate
		require.NoError(t, r.Set(text), text)
		require.Equal(t, want, r)
		require.Equal(t, text, r.String())
	}
	for _, text := range []string{"", "0", "fast", "-1", "2G", "1m", "NaN"} {
		require.Error(t, new(rate).Set(text), text)
	}
	for text, want := range map[string]sizeList{"60": {60}, "60,9216": {60, 9216}, "imix": imix} {
		var s sizeList
		require.NoError(t, s.Set(text), text)
		require.Equal(t, want, s)
		require.Equal(t, text, s.String())
	}
	for _, text := range []string{"", "59", "9217", "60,", "small"} {
		require.Error(t, new(sizeList).Set(text), text)
	}
	mean, sum := 0, map[int]int{}
	for _, size := range imix {
		sum[size]++
		mean += size
	}
	require.Equal(t, map[int]int{60: 7, 590: 4, 1514: 1}, sum)
	require.Equal(t, 357, mean/12)
}

// TestGenerateWithAFullRing hands over what the card did not take at first: with
// the time at which it does.
func TestGenerateWithAFullRing(t *testing.T) {
	o := generateFlags(t)
	o.ring, o.count = 8, 100
	rig := wired(t, o, nil)
	g, err := o.open(rig, nil)
	require.NoError(t, err)
	g.tx.window = 0
	require.Equal(t, 7, g.tx.turn(0))
	require.Zero(t, g.tx.turn(0))
	require.Len(t, g.tx.held, 32-7)
	rig.turn()
	require.Equal(t, 7, g.tx.turn(12345))
	rig.turn()
	bufs := make([]*pktbuf.Buf, 32)
	got := g.rx.queue.Recv(bufs)
	for i, b := range bufs[:got] {
		number, at, ours := g.rx.probes.read(b.Bytes())
		require.True(t, ours)
		require.Equal(t, uint64(i), number)
		require.Equal(t, []uint64{0, 12345}[i/7], at, "the time at which the card took it")
	}
	g.rx.cache.PutN(bufs[:got])
	g.tx.giveUp()
	require.Equal(t, uint64(14), g.tx.given.load())
	require.Equal(t, uint64(14*60), g.tx.bytes.load())
	require.NoError(t, g.close())
}

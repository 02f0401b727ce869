package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
)

// captureFlags are the flags left at their defaults, but for what set changes.
func captureFlags(t *testing.T, set func(*captureOptions)) *captureOptions {
	o := &captureOptions{write: filepath.Join(t.TempDir(), "trace.pcapng"), snapLength: captureMax, ring: 512}
	if set != nil {
		set(o)
	}
	require.NoError(t, o.check())
	return o
}

// A captured is a packet read from a file.
type captured struct {
	frame []byte
	info  gopacket.CaptureInfo
}

// readCapture reads a file to its end, and fails unless it is whole.
func readCapture(t *testing.T, data []byte) (all []captured, stats []pcapgo.NgInterfaceStatistics) {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.NgReaderOptions{
		StatisticsCallback: func(_ int, s pcapgo.NgInterfaceStatistics) { stats = append(stats, s) },
	})
	require.NoError(t, err)
	for {
		frame, info, err := r.ReadPacketData()
		if err == io.EOF {
			return all, stats
		}
		require.NoError(t, err)
		all = append(all, captured{frame, info})
	}
}

// captureRun captures what turn has arrive at a strict card until it returns
// false, or the run ends by itself.
func captureRun(t *testing.T, o *captureOptions, stdout io.Writer, arrive func(c *nictest.Card, i int) bool) (*captureReport, error) {
	t.Helper()
	mem := nictest.NewMemory(memorySize(o.buffers(), bufferSize, o.ring+idleRing))
	c := cards(t, mem, nictest.Options{Deferred: true})[0]
	f, err := o.filter()
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	i, delivered := 0, false
	rig := &rig{cards: []e1000e.Card{c}, region: mem.Region(), turn: func() int {
		link := c.Read32(8)&2 != 0
		switch {
		case delivered && !unread(c):
			stop()
		case link && !delivered && (i%64 > 0 || !unread(c)): // so many fit in
			delivered = !arrive(c, i)
			i++
		}
		return 1 + c.Step()
	}}
	return o.run(ctx, rig, f, stdout, silent())
}

// unread reports whether a receive descriptor is done and not yet handed over
// again: whether RDH is more than one ahead of RDT.
func unread(c *nictest.Card) bool {
	const rdlen, rdh, rdt = 0x2808, 0x2810, 0x2818
	return (c.Read32(rdt)+1)%(c.Read32(rdlen)/16) != c.Read32(rdh)
}

// probesInto delivers so many frames of mixed sizes.
func probesInto(n int) func(c *nictest.Card, i int) bool {
	p := newProbes(benchmarkRoute(demoMAC(2), demoMAC(3)), 8, imix, 7)
	return func(c *nictest.Card, i int) bool {
		frame := make([]byte, p.size(uint64(i)))
		p.write(frame, uint64(i))
		c.Deliver(frame)
		return i+1 < n
	}
}

func TestCaptureKeepsEveryByte(t *testing.T) {
	for _, snap := range []int{captureMax, 64} {
		o := captureFlags(t, func(o *captureOptions) { o.snapLength = snap })
		began := time.Now()
		r, err := captureRun(t, o, nil, probesInto(2000))
		require.NoError(t, err)
		data, err := os.ReadFile(o.write)
		require.NoError(t, err)
		all, stats := readCapture(t, data)
		require.Len(t, all, 2000)
		p := newProbes(benchmarkRoute(demoMAC(2), demoMAC(3)), 8, imix, 7)
		last := began
		for i, c := range all {
			want := make([]byte, p.size(uint64(i)))
			p.write(want, uint64(i))
			require.Equal(t, len(want), c.info.Length)
			require.Equal(t, want[:min(snap, len(want))], c.frame)
			require.False(t, c.info.Timestamp.Before(last.Truncate(0)), "time runs backwards")
			last = c.info.Timestamp
		}
		require.False(t, last.After(time.Now()))
		require.Len(t, stats, 1)
		require.Equal(t, uint64(2000), stats[0].PacketsReceived)
		require.Equal(t, uint64(0), stats[0].PacketsDropped)
		require.Equal(t, []any{uint64(2000), uint64(2000), uint64(len(data)), []string{o.write}}, []any{r.RxPackets, r.Captured, r.WrittenBytes, r.Files})
	}
}

func TestCaptureOfJumboFrames(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.expression = "greater 9000" })
	frame := bytes.Repeat([]byte("jumbo!"), 1500)
	_, err := captureRun(t, o, nil, func(c *nictest.Card, i int) bool {
		copy(frame, demoMAC(7).String()) // any destination
		c.Deliver(frame)
		c.Deliver(frame[:1000])
		return i < 9
	})
	require.NoError(t, err)
	data, err := os.ReadFile(o.write)
	require.NoError(t, err)
	all, _ := readCapture(t, data)
	require.Len(t, all, 10)
	require.Equal(t, frame, all[9].frame)
}

func TestCaptureFilters(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.expression = "src host 198.18.0.3 or src host 198.18.0.4" })
	r, err := captureRun(t, o, nil, probesInto(800))
	require.NoError(t, err)
	require.Equal(t, []uint64{800, 200}, []uint64{r.RxPackets, r.Captured})
}

func TestCaptureEndsByCount(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.count = 77 })
	r, err := captureRun(t, o, nil, probesInto(1<<30))
	require.NoError(t, err)
	require.Equal(t, uint64(77), r.Captured)
	data, err := os.ReadFile(o.write)
	require.NoError(t, err)
	all, _ := readCapture(t, data)
	require.Len(t, all, 77)
}

func TestCaptureToStandardOutput(t *testing.T) {
	var out bytes.Buffer
	o := captureFlags(t, func(o *captureOptions) { o.write = "-" })
	r, err := captureRun(t, o, &out, probesInto(100))
	require.NoError(t, err)
	all, _ := readCapture(t, out.Bytes())
	require.Len(t, all, 100)
	require.Empty(t, r.Files)
}

// TestCaptureRotates wants every packet once, in files that can be read alone.
func TestCaptureRotates(t *testing.T) {
	for name, set := range map[string]func(*captureOptions){
		"count": func(o *captureOptions) { o.rotateCount = 300 },
		"size":  func(o *captureOptions) { o.rotateSize = 100_000 },
		"time":  func(o *captureOptions) { o.rotateTime = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			o := captureFlags(t, set)
			r, err := captureRun(t, o, nil, probesInto(1000))
			require.NoError(t, err)
			require.Greater(t, len(r.Files), 1)
			next := uint64(0)
			for i, file := range r.Files {
				require.Equal(t, strings.TrimSuffix(o.write, ".pcapng")+fmt.Sprintf("-%05d.pcapng", i+1), file)
				data, err := os.ReadFile(file)
				require.NoError(t, err)
				all, stats := readCapture(t, data)
				require.Len(t, stats, 1)
				last := i == len(r.Files)-1
				switch name {
				case "count":
					require.Len(t, all, map[bool]int{false: 300, true: 100}[last])
				case "size":
					if !last {
						require.GreaterOrEqual(t, len(data), 100_000)
					}
					require.Less(t, len(data), 102_000)
				}
				for _, c := range all {
					require.Equal(t, next, binary.BigEndian.Uint64(c.frame[numberAt:]))
					next++
				}
			}
			require.Equal(t, uint64(1000), next)
		})
	}
}

func TestCaptureKeepsTheLastFiles(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.rotateCount, o.files = 100, 3 })
	r, err := captureRun(t, o, nil, probesInto(1000))
	require.NoError(t, err)
	found, err := filepath.Glob(filepath.Join(filepath.Dir(o.write), "*"))
	require.NoError(t, err)
	require.Equal(t, r.Files, found)
	require.Len(t, found, 3)
	require.Contains(t, found[2], "-00010.pcapng")
	data, err := os.ReadFile(found[0])
	require.NoError(t, err)
	all, _ := readCapture(t, data)
	require.Equal(t, uint64(700), binary.BigEndian.Uint64(all[0].frame[numberAt:]))
}

// TestCaptureWhoseFilesAreTakenAway has somebody remove a file before its time.
func TestCaptureWhoseFilesAreTakenAway(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.rotateCount, o.files = 100, 2 })
	first, into := strings.Replace(o.write, ".pcapng", "-00001.pcapng", 1), probesInto(1000)
	removed := false
	r, err := captureRun(t, o, nil, func(c *nictest.Card, i int) bool {
		removed = os.Remove(first) == nil || removed
		return into(c, i)
	})
	require.NoError(t, err)
	require.True(t, removed)
	require.Equal(t, uint64(1000), r.Captured)
	require.Len(t, r.Files, 2)
}

// A smallDisk has room for so many bytes, and takes part of what does not fit.
type smallDisk struct {
	*os.File
	room int
}

var errFull = errors.New("no space left on the small disk")

func (d *smallDisk) Write(p []byte) (int, error) {
	if len(p) <= d.room {
		d.room -= len(p)
		return d.File.Write(p)
	}
	n, err := d.File.Write(p[:d.room])
	d.room = 0
	return n, errors.Join(err, errFull)
}

// TestFullDisk has the disk fill up at each byte of a few packets.
func TestFullDisk(t *testing.T) {
	o := captureFlags(t, nil)
	_, err := captureRun(t, o, nil, probesInto(5))
	require.NoError(t, err)
	whole, err := os.ReadFile(o.write)
	require.NoError(t, err)
	headers := int(binary.LittleEndian.Uint32(whole[4:]))
	headers += int(binary.LittleEndian.Uint32(whole[headers+4:]))
	for room := headers; room < len(whole); room += 7 {
		name := filepath.Join(t.TempDir(), "small.pcapng")
		f, err := newCaptureFiles(name, false, 0, nil)
		require.NoError(t, err)
		f.file = &smallDisk{f.file.(*os.File), room}
		c := <-f.empty
		c.begin, c.data = true, append(c.data, whole...)
		f.full <- c
		c = <-f.empty
		c.data = append(c.data, whole[headers:]...) // comes too late
		f.full <- c
		<-f.failed
		err = f.finish()
		require.ErrorIs(t, err, errFull)
		data, err2 := os.ReadFile(name)
		require.NoError(t, err2)
		require.LessOrEqual(t, len(data), room)
		all, _ := readCapture(t, data)
		require.Equal(t, uint64(len(all)), f.packets.load())
		require.Equal(t, uint64(len(data)), f.bytes.load())
		require.ErrorContains(t, err, fmt.Sprintf("(the %d packets written before are whole)", len(all)))
		if end := len(data) + 60; end < room { // no packet that fits is given up
			n := int(binary.LittleEndian.Uint32(whole[len(data)+4:]))
			require.Greater(t, len(data)+n, room)
		}
	}
}

func TestCaptureWhereNothingCanBeWritten(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.write = "/nowhere/trace.pcapng" })
	_, err := captureRun(t, o, nil, probesInto(1))
	require.EqualError(t, err, "capture: open /nowhere/trace.pcapng: no such file or directory")
}

func TestCaptureOfARemovedCard(t *testing.T) {
	o := captureFlags(t, nil)
	_, err := captureRun(t, o, nil, func(c *nictest.Card, i int) bool {
		if i == 100 {
			c.Remove()
		}
		return probesInto(1<<30)(c, i)
	})
	require.ErrorContains(t, err, "card removed")
	data, err := os.ReadFile(o.write)
	require.NoError(t, err)
	all, stats := readCapture(t, data)
	require.NotEmpty(t, all)
	require.Len(t, stats, 1, "the file ends as it should")
}

// TestIdleCaptureParks wants the worker to wait for the interrupt when nothing
// comes, to hand over first what it has, and to wake up.
func TestIdleCaptureParks(t *testing.T) {
	o := captureFlags(t, func(o *captureOptions) { o.rotateTime = time.Hour })
	mem := nictest.NewMemory(memorySize(o.buffers(), bufferSize, o.ring+idleRing))
	card := cards(t, mem, nictest.Options{})[0]
	waits := make(chan struct{}, 1000)
	c, err := o.open(&rig{cards: []e1000e.Card{waitTeller{card, waits}}, region: mem.Region()}, everything{})
	require.NoError(t, err)
	c.files, err = newCaptureFiles(o.write, true, 0, nil)
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	ended := make(chan error)
	go func() { ended <- c.run(ctx) }()
	for i := range 10 {
		<-waits
		require.Equal(t, uint64(i), c.kept.load())
		probesInto(0)(card, i)
		until(t, "it is in the file", func() bool { return c.files.packets.load() == uint64(i)+1 })
	}
	stop()
	require.NoError(t, <-ended)
	require.NoError(t, c.files.finish())
	require.NoError(t, c.close())
}

// A waitTeller tells when the interrupt is waited for.
type waitTeller struct {
	*nictest.Card
	waits chan<- struct{}
}

func (c waitTeller) WaitInterrupt(ctx context.Context) error {
	c.waits <- struct{}{}
	return c.Card.WaitInterrupt(ctx)
}

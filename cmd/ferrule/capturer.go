package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// captureBurst is how many frames are received at a time: they get one time.
const captureBurst = 32

// A capturer receives, filters and makes blocks of pcapng, which its files
// write. It belongs to the goroutine in run, but for the counters.
type capturer struct {
	o      *captureOptions
	port   nicring.Port
	queue  nicring.RxQueue
	pool   *pktbuf.Pool
	cache  *pktbuf.Cache
	filter filter
	files  *captureFiles

	bufs    []*pktbuf.Buf
	scratch []byte // for a frame in several buffers
	chunk   *chunk // nil if there is none to fill
	format  *pcapgo.NgWriter
	began   time.Time
	ended   time.Time

	// Of the file that is written now.
	opened     time.Time
	fileBytes  uint64
	filePacket uint64

	packets, bytes counter // received
	kept           counter // past the filter
}

// open opens the port of a rig. What it returns is to be closed even if it
// failed.
func (o *captureOptions) open(rig *rig, f filter) (*capturer, error) {
	c := &capturer{o: o, filter: f, bufs: make([]*pktbuf.Buf, captureBurst), scratch: make([]byte, captureMax)}
	arena := pktbuf.NewArena(rig.region)
	var err error
	if c.pool, err = pktbuf.NewPool(arena, o.buffers(), bufferSize); err != nil {
		return c, err
	}
	c.cache = c.pool.NewCache()
	port, err := e1000e.Open(rig.cards[0], arena, e1000e.Config{
		RxRing: o.ring, TxRing: idleRing,
		RxCaches: []*pktbuf.Cache{c.cache}, TxCaches: []*pktbuf.Cache{c.cache},
		Filter:   nicring.Filter{Promiscuous: true},
		MaxFrame: captureMax,
	})
	if err != nil {
		return c, err
	}
	c.port, c.queue = port, port.RxQueue(0)
	return c, nil
}

func (c *capturer) close() error {
	if c.pool == nil {
		return nil
	}
	var ports []nicring.Port
	if c.port != nil {
		ports = append(ports, c.port)
	}
	return closePorts(ports, []*pktbuf.Cache{c.cache}, c.pool)
}

// captureBusy is how long to poll after a frame before waiting for an interrupt.
const captureBusy = 50 * time.Microsecond

// run captures until ctx is done, the count is reached or the card fails. It
// returns an error if it was the card.
func (c *capturer) run(ctx context.Context) error {
	if err := c.begin(time.Now()); err != nil {
		return err
	}
	poller := nicring.NewPoller(c.queue, nicring.PollerConfig{Busy: captureBusy, Idle: c.hand})
	for !c.enough() && ctx.Err() == nil {
		err := c.turn(ctx, poller)
		if errors.Is(err, nicring.ErrRemoved) || err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return errors.Join(err, c.finish())
		}
	}
	return c.finish()
}

func (c *capturer) enough() bool { return c.o.count > 0 && c.kept.load() >= c.o.count }

// turn receives a burst and looks at it. It ends with ctx, and when it is time
// for another file.
func (c *capturer) turn(ctx context.Context, poller *nicring.Poller) error {
	if c.o.rotateTime > 0 && c.filePacket > 0 {
		end := c.opened.Add(c.o.rotateTime)
		if now := time.Now(); !now.Before(end) {
			return c.rotate(now)
		}
		within, cancel := context.WithDeadline(ctx, end)
		defer cancel()
		ctx = within
	}
	n, err := poller.Recv(ctx, c.bufs)
	now := time.Now()
	c.packets.add(uint64(n))
	for _, b := range c.bufs[:n] {
		if err == nil {
			err = c.look(b, now)
		}
	}
	c.cache.PutN(c.bufs[:n])
	return err
}

// look keeps a frame that the filter lets pass, unless there are enough.
func (c *capturer) look(b *pktbuf.Buf, now time.Time) error {
	length := b.PacketLen()
	c.bytes.add(uint64(length))
	frame := b.Bytes()
	if length != len(frame) {
		frame = cutChain(b, c.scratch)
	}
	if keep, err := c.filter.Run(frame); err != nil || keep == 0 || c.enough() {
		return err
	}
	if err := c.rotateIfFull(now); err != nil {
		return err
	}
	data := frame[:min(len(frame), c.o.snapLength)]
	if c.chunk == nil || len(c.chunk.data) >= chunkSize {
		c.hand()
		c.take()
	}
	before := len(c.chunk.data)
	err := c.format.WritePacket(gopacket.CaptureInfo{Timestamp: now, CaptureLength: len(data), Length: length}, data)
	if err == nil {
		err = c.format.Flush()
	}
	c.kept.add(1)
	c.filePacket++
	c.fileBytes += uint64(len(c.chunk.data) - before)
	return err
}

// rotateIfFull begins a new file where the next packet would be one too many.
func (c *capturer) rotateIfFull(now time.Time) error {
	if c.filePacket > 0 && (c.o.rotateCount > 0 && c.filePacket >= c.o.rotateCount ||
		c.o.rotateSize > 0 && c.fileBytes >= uint64(c.o.rotateSize)) {
		return c.rotate(now)
	}
	return nil
}

// rotate ends a file and begins the next.
func (c *capturer) rotate(now time.Time) error {
	if err := c.finish(); err != nil {
		return err
	}
	return c.begin(now)
}

// begin begins a file, with headers of its own.
func (c *capturer) begin(now time.Time) (err error) {
	c.take()
	c.chunk.begin = true
	c.format, err = pcapgo.NewNgWriterInterface((*chunkWriter)(c), pcapgo.NgInterface{
		Name: c.port.String(), Filter: c.o.expression, OS: runtime.GOOS,
		LinkType: layers.LinkTypeEthernet, SnapLength: uint32(c.o.snapLength), TimestampResolution: 9,
	}, pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "ferrule"}})
	if err == nil {
		err = c.format.Flush()
	}
	c.opened, c.filePacket, c.fileBytes = now, 0, uint64(len(c.chunk.data))
	return err
}

// finish ends a file with what the card says of the time since the start.
func (c *capturer) finish() error {
	if c.chunk == nil {
		c.take()
	}
	stats, _ := c.port.Stats() // of a card that is gone, what it last told
	err := c.format.WriteInterfaceStats(0, pcapgo.NgInterfaceStatistics{
		LastUpdate: time.Now(), StartTime: c.began, EndTime: time.Now(),
		PacketsReceived: c.packets.load(), PacketsDropped: stats.RxMissed,
	})
	if err == nil {
		err = c.format.Flush()
	}
	c.hand()
	return err
}

// take gets a chunk to fill. While all of them wait for the disk, frames wait in
// the card.
func (c *capturer) take() { c.chunk = <-c.files.empty }

// hand gives the chunk, if there is one, to be written.
func (c *capturer) hand() {
	if c.chunk != nil {
		c.files.full <- c.chunk
		c.chunk = nil
	}
}

// A chunkWriter writes to whatever chunk is there.
type chunkWriter capturer

func (w *chunkWriter) Write(p []byte) (int, error) { return w.chunk.Write(p) }

// sample tells how far the run has come.
func (c *capturer) sample() sample {
	s := sample{elapsed: time.Since(c.began), packets: c.kept.load(), bytes: c.files.bytes.load()}
	if !c.ended.IsZero() {
		s.elapsed = c.ended.Sub(c.began)
	}
	return s
}

// line gives the rate of the time since last, and what was lost, and puts last
// forward.
func (c *capturer) line(last *sample) (string, error) {
	s := c.sample()
	second := s.since(*last)
	*last = s
	stats, err := c.port.Stats()
	line := fmt.Sprintf("%4.0f s  %s  %s packets kept of %s  %s bytes  %s missed", s.elapsed.Seconds(), scaled(second.packetsPerSecond(), "pps"),
		grouped(s.packets), grouped(c.packets.load()), grouped(s.bytes), grouped(stats.RxMissed))
	if link, e := c.port.Link(); e == nil && !link.Up {
		line += "  link down"
	}
	return line, err
}

func (c *capturer) portReport() portReport {
	stats, _ := c.port.Stats() // of a card that is gone, what it last told
	return portReport{c.port.String(), c.port.MAC().String(), counts{
		RxPackets: c.packets.load(), RxBytes: c.bytes.load(),
		Missed: stats.RxMissed, Errors: stats.RxErrors + stats.RxDropped,
	}}
}

// snapshot is what stats shows while the capturer runs.
func (c *capturer) snapshot() snapshot {
	return newSnapshot("capture", c.began, []portReport{c.portReport()})
}

// report sums a run up. It has stopped, and the port is open still.
func (c *capturer) report() captureReport {
	p := c.portReport()
	return captureReport{
		counts:          p.counts,
		DurationSeconds: c.sample().elapsed.Seconds(),
		Captured:        c.files.packets.load(),
		WrittenBytes:    c.files.bytes.load(),
		Files:           append([]string{}, c.files.names...),
		Ports:           []portReport{p},
	}
}

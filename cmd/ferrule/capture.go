package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
)

const captureHelp = `Write what a card receives to a file of pcapng, until so many packets are
written, the duration has passed or Ctrl-C.

The card is the PCI address of one bound to UIO (see "ferrule bind"). Without it
the card is made of memory and receives ten thousand frames a second, of mixed
sizes: that needs no card, no root and no huge pages. A card that receives nothing
costs no processor time.

With any of the --rotate flags there are several files, numbered before the
suffix; each begins with headers of its own and can be read alone. If the disk is
full, capturing ends, and the file with the last packet that is whole.

` + filterHelp

const captureExample = `  ferrule capture --write trace.pcapng --duration 3s
  ferrule capture 0000:03:00.0 -w trace.pcapng --filter 'tcp port 443 and net 192.0.2.0/24'
  ferrule capture 0000:03:00.0 -w trace.pcapng --rotate-size 100M --files 10
  ferrule capture 0000:03:00.0 -w - | tcpdump -n -r -`

// captureOptions are the flags of capture.
type captureOptions struct {
	write       string
	duration    time.Duration
	count       uint64
	snapLength  int
	expression  string
	code        string
	rotateSize  byteSize
	rotateTime  time.Duration
	rotateCount uint64
	files       int
	ring        int
	json        bool
	serve       string
}

func newCapture() *cobra.Command {
	var o captureOptions
	cmd := &cobra.Command{
		Use:               "capture [CARD]",
		ValidArgsFunction: completeCards(1),
		Short:             "Write what a card receives to a file of pcapng",
		Long:              captureHelp,
		Example:           captureExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("capture: got %d addresses, want one, or none for the demonstration", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, addrs []string) error {
			if err := o.check(); err != nil {
				return err
			}
			return o.capture(cmd.Context(), addrs, os.Stdout, os.Stderr)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.write, "write", "w", "", "the `file` to write, or - for standard output")
	f.DurationVar(&o.duration, "duration", 0, "how long to capture; 0 means until Ctrl-C")
	f.Uint64Var(&o.count, "count", 0, "how many packets to write; 0 means no limit")
	f.IntVar(&o.snapLength, "snaplen", captureMax, "how many bytes of each frame to keep, 14 to 9230")
	f.StringVar(&o.expression, "filter", "", "which frames to keep, as an `expression`: see above")
	f.StringVar(&o.code, "filter-code", "", "the same as a `file` of what tcpdump -ddd prints")
	f.Var(&o.rotateSize, "rotate-size", "begin a new file after so many bytes, as 500k, 100M or 1G")
	f.DurationVar(&o.rotateTime, "rotate-time", 0, "begin a new file after so long")
	f.Uint64Var(&o.rotateCount, "rotate-count", 0, "begin a new file after so many packets")
	f.IntVar(&o.files, "files", 0, "keep so many files, and remove the oldest for each new one; 0 keeps all")
	f.IntVar(&o.ring, "ring", 4*defaultRing, "descriptors of the ring, a power of two from 8 to 32768")
	f.StringVar(&o.serve, "prometheus", "", "serve the counters in the text format of Prometheus at this `address`, as :9100")
	f.BoolVar(&o.json, "json", false, "print nothing but one JSON object at the end, to standard error with -w -")
	return cmd
}

// captureMax is the longest frame that the card can receive.
const captureMax = 9230

// check refuses flags that make no sense.
func (o *captureOptions) check() error {
	switch {
	case o.write == "":
		return errors.New("capture: no --write: want a file, or - for standard output")
	case o.duration < 0:
		return fmt.Errorf("capture: --duration %v: want a positive one, or 0 for no end", o.duration)
	case o.snapLength < 14 || o.snapLength > captureMax:
		return fmt.Errorf("capture: --snaplen %d: want 14 to %d", o.snapLength, captureMax)
	case o.expression != "" && o.code != "":
		return errors.New("capture: --filter and --filter-code: want one of them")
	case o.rotateTime < 0:
		return fmt.Errorf("capture: --rotate-time %v: want a positive one", o.rotateTime)
	case o.rotates() && o.write == "-":
		return errors.New("capture: standard output is one file: want --write FILE to rotate")
	case o.files < 0 || o.files > 0 && !o.rotates():
		return fmt.Errorf("capture: --files %d: want one of --rotate-size, --rotate-time and --rotate-count with it", o.files)
	case !validRing(o.ring):
		return fmt.Errorf("capture: --ring %d: want a power of two from 8 to %d", o.ring, 1<<15)
	}
	return nil
}

func (o *captureOptions) rotates() bool {
	return o.rotateSize > 0 || o.rotateTime > 0 || o.rotateCount > 0
}

func (o *captureOptions) filter() (filter, error) {
	if o.code != "" {
		return readFilterCode(o.code)
	}
	return newFilter(o.expression)
}

// buffers is how many keep the rings and the worker going.
func (o *captureOptions) buffers() int {
	const stock = 512 // of a pktbuf.Cache
	return o.ring + idleRing + stock + captureBurst
}

// demoRate is how many frames a second a card of memory captures, of demoFlows.
const demoRate = 10_000

func (o *captureOptions) rig(addrs []string) (*rig, error) {
	size := memorySize(o.buffers(), bufferSize, o.ring+idleRing)
	if len(addrs) > 0 {
		return openRig("capture", addrs, size)
	}
	r, cards := demoRig(size)
	r.cards = r.cards[:1]
	probes := newProbes(benchmarkRoute(demoMAC(2), demoMAC(3)), demoFlows, imix, 1)
	due, began, sent := perSecond(demoRate), time.Now(), uint64(0)
	frame := make([]byte, frameMax)
	r.turn = func() (moved int) {
		for end := due(time.Since(began)); sent < end; sent++ {
			f := frame[:probes.size(sent)]
			probes.write(f, sent)
			cards[0].Deliver(f)
			moved++
		}
		return moved + cards[0].Step()
	}
	return r, nil
}

// capture is the command, its flags checked.
func (o *captureOptions) capture(ctx context.Context, addrs []string, stdout, stderr *os.File) (err error) {
	ignoreBrokenPipe()
	f, err := o.filter()
	if err != nil {
		return err
	}
	rig, err := o.rig(addrs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.close()) }()
	report := stdout
	if o.write == "-" {
		report = stderr
	}
	live := liveLineFor(report, stderr, o.json)
	live.show(fmt.Sprintf("%s -> %s  Ctrl-C ends it", rig.cards[0], o.write))
	live.end()
	r, err := o.run(ctx, rig, f, stdout, live)
	if r == nil {
		return err
	}
	if o.json {
		return errors.Join(err, writeJSON(report, r))
	}
	return errors.Join(err, tell(report, r.write))
}

// run captures until ctx is done, the duration or the count is over, or
// something fails, and reports; there is no report if it did not come to
// capturing. All that it opens it closes.
func (o *captureOptions) run(ctx context.Context, rig *rig, f filter, stdout io.Writer, live *liveLine) (r *captureReport, err error) {
	c, err := o.open(rig, f)
	defer func() { err = errors.Join(err, c.close()) }()
	if err != nil {
		return nil, err
	}
	if c.files, err = newCaptureFiles(o.write, o.rotates(), o.files, stdout); err != nil {
		return nil, err
	}
	if rig.turn != nil {
		var m motor
		m.start(rig.turn)
		defer m.stop()
	}
	if err := awaitLinks(ctx, []nicring.Port{c.port}); err != nil {
		return nil, errors.Join(err, c.files.finish())
	}
	ctx, cancel := limited(ctx, o.duration)
	defer cancel()
	ended := make(chan error, 1)
	c.began = time.Now()
	unpublish, err := publish("capture", o.serve, c.snapshot)
	if err != nil {
		return nil, errors.Join(err, c.files.finish())
	}
	go func() {
		ended <- c.run(ctx)
		cancel()
	}()
	go func() {
		select {
		case <-c.files.failed: // which says why when it is finished
			cancel()
		case <-ctx.Done():
		}
	}()
	last := c.sample()
	err = everySecond(ctx, "capture", nil, func() error { // a card that goes ends the worker
		line, err := c.line(&last)
		live.show(line)
		return err
	})
	cancel()
	err = errors.Join(err, <-ended)
	live.end()
	unpublish()
	c.ended = time.Now()
	if e := c.files.finish(); !c.files.gone.Load() {
		err = errors.Join(err, e)
	}
	return new(c.report()), err
}

// A captureReport is what a run comes to. Its keys do not change their meaning;
// new ones may be added.
type captureReport struct {
	counts
	DurationSeconds float64      `json:"duration_seconds"`
	Captured        uint64       `json:"captured"` // packets written, whole
	WrittenBytes    uint64       `json:"written_bytes"`
	Files           []string     `json:"files"` // those that are there; none for standard output
	Ports           []portReport `json:"ports"`
}

func (r *captureReport) write(w io.Writer) {
	rows := [][]string{countNames}
	for _, p := range r.Ports {
		rows = append(rows, p.row(p.Port))
	}
	writeTable(w, rows, true)
	fmt.Fprintf(w, "%.2f s  %s packets written in %s bytes", r.DurationSeconds, grouped(r.Captured), grouped(r.WrittenBytes))
	switch n := len(r.Files); {
	case n == 1:
		fmt.Fprintf(w, " to %s", r.Files[0])
	case n > 1:
		fmt.Fprintf(w, ", the last of %d files being %s", n, r.Files[n-1])
	}
	fmt.Fprintln(w)
}

// A byteSize is a number of bytes on the command line.
type byteSize uint64

// Set reads a size from the command line.
func (s *byteSize) Set(text string) error {
	v, err := parseScaled(text)
	if err != nil || !(v >= 1 && v <= 1e15) {
		return errors.New("want bytes, as 500k, 100M or 1G")
	}
	*s = byteSize(v)
	return nil
}

// String gives a size as Set reads it.
func (s *byteSize) String() string { return fmt.Sprint(uint64(*s)) }

// Type is how help calls it.
func (s *byteSize) Type() string { return "bytes" }

// cutChain copies up to len(p) bytes of a packet in several buffers.
func cutChain(b *pktbuf.Buf, p []byte) []byte { return p[:b.CopyTo(p, 0)] }

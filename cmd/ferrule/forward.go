package main

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/pktbuf"
)

const forwardHelp = `Forward frames between two network cards, both ways, until the duration has
passed or Ctrl-C.

A and B are PCI addresses of cards bound to UIO (see "ferrule bind"). Without
them the two cards are made of memory, and traffic comes from a built-in source
that numbers every frame and looks at each that comes out: it needs no card, no
root and no huge pages.

Once a second a line tells what was sent in that second: packets and bits (of
frames without preamble and FCS), frames dropped so far, and how much of the
forwarder's time a packet took, waiting for packets not counted. A table sums up.

While there are frames the workers poll, and no interrupt is taken; after --busy
without one they wait for the cards' interrupts and take no processor time.`

const forwardExample = `  ferrule forward --duration 3s
  ferrule forward 0000:03:00.0 0000:04:00.0
  ferrule forward --queues 2 --workers 2 --max-frame 9018 03:00.0 04:00.0
  ferrule forward --vlan 5,7 03:00.0 04:00.0
  ferrule forward --json --duration 10s 0000:03:00.0 0000:04:00.0`

const (
	// bufferSize is what the driver asks of a receive buffer.
	bufferSize = 2048

	frameMin, frameMax = 60, 1514 // without FCS

	maxBuffers = 1 << 20 // more than 2 GiB

	maxQueues = 2 // of a card, in each direction

	maxFrameLeast, maxFrameMost = 1518, 9230 // of --max-frame

	maxVLAN = 4094 // the highest identifier (IEEE 802.1Q, 9.6)

	// defaultRing takes what a gigabit card receives in 0.7 ms at most, and its
	// packet buffer another 0.2 ms: about as long as other goroutines, or another
	// process, may keep a worker from its processor.
	defaultRing = 1024

	// defaultBusy is what it takes to wait for an interrupt and to be woken by it.
	defaultBusy = 50 * time.Microsecond
)

// forwardOptions are the flags of forward.
type forwardOptions struct {
	duration time.Duration
	burst    int
	size     int
	ring     int
	buffers  int
	txFirst  int
	workers  int
	queues   int
	busy     time.Duration
	maxFrame int
	vlans    []uint
	pipeline bool
	json     bool
	serve    string
}

func newForward() *cobra.Command {
	var o forwardOptions
	cmd := &cobra.Command{
		Use:               "forward [A B]",
		ValidArgsFunction: completeCards(2),
		Short:             "Forward frames between two cards, or in a demonstration without any",
		Long:              forwardHelp,
		Example:           forwardExample,
		Args:              noneOrTwo,
		RunE: func(cmd *cobra.Command, addrs []string) error {
			if err := o.check(addrs); err != nil {
				return err
			}
			return o.forward(cmd.Context(), addrs, os.Stdout, os.Stderr)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.duration, "duration", 0, "how long to forward; 0 means until Ctrl-C")
	f.IntVar(&o.burst, "burst", 32, "frames to receive and send at a time, 1 to 256")
	f.IntVar(&o.size, "size", 60, "bytes of the frames made here, without FCS, 60 to 1514")
	f.IntVar(&o.ring, "ring", defaultRing, "descriptors of each ring, a power of two from 8 to 32768")
	f.IntVar(&o.buffers, "buffers", 0, "packet buffers; 0 means as many as are needed")
	f.IntVar(&o.txFirst, "tx-first", 0, "send so many frames out of each card first: they go round if the cards are linked")
	f.IntVar(&o.queues, "queues", 1, "queues of each card and direction, 1 or 2: the cards spread flows over them")
	f.IntVar(&o.workers, "workers", 1, "goroutines that forward, 1 to 2 for each queue")
	f.DurationVar(&o.busy, "busy", defaultBusy, "how long to poll after the last frame before waiting for an interrupt; it costs a processor meanwhile")
	f.IntVar(&o.maxFrame, "max-frame", maxFrameLeast, "bytes of the longest frame, without FCS, 1518 to 9230; 9018 for an MTU of 9000")
	f.UintSliceVar(&o.vlans, "vlan", nil, "forward tagged frames of these VLAN `identifiers` only, as 5,7: the cards drop the others")
	f.BoolVar(&o.pipeline, "pipeline", false, "two workers for each queue and direction, one receives and one sends")
	f.StringVar(&o.serve, "prometheus", "", "serve the counters in the text format of Prometheus at this `address`, as :9100")
	f.BoolVar(&o.json, "json", false, "print nothing but one JSON object at the end")
	return cmd
}

// validRing reports whether a ring can have n descriptors.
func validRing(n int) bool { return n >= 8 && n <= 1<<15 && bits.OnesCount(uint(n)) == 1 }

func noneOrTwo(_ *cobra.Command, args []string) error {
	if n := len(args); n != 0 && n != 2 {
		return fmt.Errorf("forward: got %d addresses, want two, or none for the demonstration", n)
	}
	return nil
}

// check refuses flags that make no sense, and fills in those left out.
func (o *forwardOptions) check(addrs []string) error {
	needed := o.buffersNeeded()
	switch {
	case o.queues < 1 || o.queues > maxQueues:
		return fmt.Errorf("forward: --queues %d: want 1 or %d", o.queues, maxQueues)
	case o.workers < 1 || o.workers > 2*o.queues:
		return fmt.Errorf("forward: --workers %d: want 1 to %d, two for each of --queues", o.workers, 2*o.queues)
	case o.pipeline && o.workers > 1:
		return errors.New("forward: --workers with --pipeline, which has workers of its own: want one of them")
	case o.duration < 0:
		return fmt.Errorf("forward: --duration %v: want a positive one, or 0 for no end", o.duration)
	case o.busy < 0:
		return fmt.Errorf("forward: --busy %v: want a positive one, or 0 for no polling", o.busy)
	case o.maxFrame < maxFrameLeast || o.maxFrame > maxFrameMost:
		return fmt.Errorf("forward: --max-frame %d: want %d to %d", o.maxFrame, maxFrameLeast, maxFrameMost)
	case len(o.vlans) > 0 && slices.Max(o.vlans) > maxVLAN:
		return fmt.Errorf("forward: --vlan %d: want 0 to %d", slices.Max(o.vlans), maxVLAN)
	case o.burst < 1 || o.burst > 256:
		return fmt.Errorf("forward: --burst %d: want 1 to 256", o.burst)
	case o.size < frameMin || o.size > frameMax:
		return fmt.Errorf("forward: --size %d: want %d to %d", o.size, frameMin, frameMax)
	case !validRing(o.ring):
		return fmt.Errorf("forward: --ring %d: want a power of two from 8 to %d", o.ring, 1<<15)
	case o.buffers != 0 && (o.buffers < needed || o.buffers > maxBuffers):
		return fmt.Errorf("forward: --buffers %d: want %d, for the rings and the workers, to %d", o.buffers, needed, maxBuffers)
	case o.txFirst < 0 || o.txFirst > o.ring/2:
		return fmt.Errorf("forward: --tx-first %d: want 0 to %d, half a ring", o.txFirst, o.ring/2)
	case len(addrs) == 2 && addrs[0] == addrs[1]:
		return fmt.Errorf("forward: %s twice: want two cards", addrs[0])
	case o.txFirst > 0 && len(addrs) == 0:
		return errors.New("forward: --tx-first needs two cards: the demonstration has its own traffic")
	}
	if o.buffers == 0 {
		o.buffers = needed
	}
	return nil
}

// buffersNeeded is how many buffers keep the forwarder going whatever gets
// stuck: with every ring full and every worker's stock at its largest.
func (o *forwardOptions) buffersNeeded() int {
	const stock = 512 // of a pktbuf.Cache
	inFrame := (o.maxFrame + bufferSize - 1) / bufferSize
	if o.pipeline {
		return o.queues * (4*o.ring + 2*pipelineRing*inFrame + 4*(stock+o.burst*inFrame))
	}
	return o.queues*4*o.ring + o.workers*(stock+o.burst*inFrame)
}

func (o *forwardOptions) rig(addrs []string) (*rig, error) {
	if len(addrs) == 0 {
		r, cards := demoRig(o.memorySize())
		r.demo = newDemo(cards, o.size, o.ring)
		return r, nil
	}
	return openRig("forward", addrs, o.memorySize())
}

func (o *forwardOptions) shape() shape { return shape{o.queues, o.workers, o.pipeline} }

func (o *forwardOptions) memorySize() int {
	return memorySize(o.buffers, bufferSize, o.queues*4*o.ring)
}

// forward is the command, its flags checked.
func (o *forwardOptions) forward(ctx context.Context, addrs []string, stdout, stderr *os.File) (err error) {
	rig, err := o.rig(addrs)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.close()) }()
	live := liveLineFor(stdout, stderr, o.json)
	live.show(fmt.Sprintf("%s <-> %s  bursts of %d  rings of %d  Ctrl-C ends it", rig.cards[0], rig.cards[1], o.burst, o.ring))
	live.end()
	r, err := o.run(ctx, rig, live)
	if r == nil {
		return err
	}
	if o.json {
		return errors.Join(err, writeJSON(stdout, r))
	}
	return errors.Join(err, tell(stdout, r.writeTable))
}

// run forwards between the cards of a rig until ctx is done, the duration is
// over or a card fails, and reports; there is no report if it did not come to
// forward. All that it opens it closes.
func (o *forwardOptions) run(ctx context.Context, rig *rig, live *liveLine) (r *report, err error) {
	arena := pktbuf.NewArena(rig.region)
	pool, err := pktbuf.NewPool(arena, o.buffers, bufferSize)
	if err != nil {
		return nil, err
	}
	e := newEngine(pool, o.burst, o.busy, o.shape())
	ports, err := o.open(rig, arena, e)
	defer func() { err = errors.Join(err, closePorts(ports, e.caches(), pool)) }()
	if err != nil {
		return nil, err
	}
	e.join([2]nicring.Port(ports))

	if err := awaitLinks(ctx, ports); err != nil {
		return nil, err
	}
	if err := e.inject(o.txFirst, o.size); err != nil {
		return nil, err
	}
	e.began = time.Now()
	unpublish, err := publish("forward", o.serve, e.snapshot)
	if err != nil {
		return nil, err
	}
	mhz := clockMHz()
	if rig.demo != nil {
		rig.demo.start()
	}
	e.start()
	err = o.watch(ctx, e, ports, live, mhz)
	live.end()
	unpublish()
	if rig.demo != nil {
		rig.demo.quiesce()
	}
	e.stop()
	r = new(e.report(mhz))
	r.Ring = o.ring
	if rig.demo != nil {
		r.Traffic = new(rig.demo.end())
		err = errors.Join(err, r.Traffic.check(r.Dropped+r.Missed))
	}
	return r, err
}

// rss brings both ways of a connection to queues of the same number, and so to
// the same worker where there is one for each.
func (o *forwardOptions) rss() *nicring.RSS {
	if o.queues == 1 {
		return nil
	}
	r := nicring.NewRSS(o.queues)
	r.Key = nicring.SymmetricKey
	return &r
}

// filter lets pass what is not for a card itself, but no VLAN that was not asked for.
func (o *forwardOptions) filter() nicring.Filter {
	f := nicring.Filter{Promiscuous: true}
	for _, id := range o.vlans {
		f.VLANs = append(f.VLANs, uint16(id))
	}
	return f
}

func (o *forwardOptions) open(rig *rig, arena *pktbuf.Arena, e *engine) (ports []nicring.Port, err error) {
	for i, card := range rig.cards {
		p, err := e1000e.Open(card, arena, e1000e.Config{
			RxRing: o.ring, TxRing: o.ring,
			RxCaches: e.rxCaches(i), TxCaches: e.txCaches(i), RSS: o.rss(),
			Filter: o.filter(), VLAN: o.vlans != nil, MaxFrame: o.maxFrame,
		})
		if err != nil {
			return ports, err
		}
		ports = append(ports, p)
	}
	return ports, nil
}

// watch shows how the run goes, and returns when it is to end: with an error if
// that is because a card has failed.
func (o *forwardOptions) watch(ctx context.Context, e *engine, ports []nicring.Port, live *liveLine, mhz float64) error {
	ctx, cancel := limited(ctx, o.duration)
	defer cancel()
	last := e.sample()
	return everySecond(ctx, "forward", ports, func() error {
		s := e.sample()
		line := s.line(s.since(last), mhz)
		last = s
		for _, p := range ports {
			link, err := p.Link()
			if err != nil {
				return err
			}
			if !link.Up {
				line += fmt.Sprintf("  %s: link down", p)
			}
		}
		live.show(line)
		return nil
	})
}

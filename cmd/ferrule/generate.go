package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/nictest"
)

const generateHelp = `Send frames out of card A, at a rate or as fast as the card takes them, until so
many are sent, the duration has passed or Ctrl-C. If card B gets them back, from
whatever is being measured, each is looked at: how long it took, and how many
were lost, duplicated, reordered within their flow or damaged.

A and B are PCI addresses of cards bound to UIO (see "ferrule bind"). Without
them the two cards are made of memory and wired to each other: that needs no card,
no root and no huge pages.

The frames are UDP over IPv4 to port 9, from as many addresses as there are
flows, and hold a number and the time at which they were handed to card A. With
--pcap they are those of a file, over and over; then B only counts them.

To keep time finer than the millisecond that a sleep takes, two processors are
kept busy. A table, percentiles and a histogram of latencies sum up.`

const generateExample = `  ferrule generate --duration 3s
  ferrule generate 0000:03:00.0 0000:04:00.0 --rate 1M --size imix --flows 1000
  ferrule generate 0000:03:00.0 --to-mac 52:54:00:12:34:56 --to 192.0.2.2 --count 1000
  ferrule generate 0000:03:00.0 --pcap trace.pcapng --rate recorded`

const (
	// generateMax is the longest frame to send, without FCS: what goes by the name
	// of 9 KiB jumbo frames, and less than the card's limit.
	generateMax = 9216

	// latest is how long frames may take before they count as lost.
	latest = 500 * time.Millisecond

	// idleRing is for the directions that a card is not used in.
	idleRing = 8

	maxFlows = 1 << 16
)

// generateOptions are the flags of generate.
type generateOptions struct {
	duration time.Duration
	count    uint64
	rate     rate
	sizes    sizeList
	flows    int
	pcap     string
	burst    int
	ring     int
	toMAC    string
	from, to string
	json     bool
	serve    string
}

func newGenerate() *cobra.Command {
	o := generateOptions{rate: rate{perSecond: 100e3}, sizes: sizeList{frameMin}}
	cmd := &cobra.Command{
		Use:               "generate [A [B]]",
		ValidArgsFunction: completeCards(2),
		Short:             "Send frames, and measure what becomes of them",
		Long:              generateHelp,
		Example:           generateExample,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 2 {
				return fmt.Errorf("generate: got %d addresses, want one, two, or none for the demonstration", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, addrs []string) error {
			if err := o.check(addrs); err != nil {
				return err
			}
			return o.generate(cmd.Context(), addrs, os.Stdout, os.Stderr)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&o.duration, "duration", 0, "how long to send; 0 means until Ctrl-C")
	f.Uint64Var(&o.count, "count", 0, "how many frames to send; 0 means no limit")
	f.Var(&o.rate, "rate", "frames a second, as 5000, 100k or 1.2M; max; or recorded, with --pcap")
	f.Var(&o.sizes, "size", "bytes of a frame without FCS, 60 to 9216; several with commas take turns; imix is the usual mix")
	f.IntVar(&o.flows, "flows", 64, "how many flows, each from an address of its own, 1 to 65536")
	f.StringVar(&o.pcap, "pcap", "", "send the frames of this pcap or pcapng `file`, again and again")
	f.IntVar(&o.burst, "burst", 32, "frames to hand to the card at a time, 1 to 256")
	f.IntVar(&o.ring, "ring", defaultRing, "descriptors of each ring, a power of two from 8 to 32768")
	f.StringVar(&o.toMAC, "to-mac", "", "Ethernet `address` to send to; left out, that of card B")
	f.StringVar(&o.from, "from", "198.18.0.1", "IPv4 `address` of the first flow")
	f.StringVar(&o.to, "to", "198.19.0.1", "IPv4 `address` to send to")
	f.StringVar(&o.serve, "prometheus", "", "serve the counters in the text format of Prometheus at this `address`, as :9100")
	f.BoolVar(&o.json, "json", false, "print nothing but one JSON object at the end")
	return cmd
}

// check refuses flags that make no sense.
func (o *generateOptions) check(addrs []string) error {
	switch {
	case o.duration < 0:
		return fmt.Errorf("generate: --duration %v: want a positive one, or 0 for no end", o.duration)
	case o.burst < 1 || o.burst > 256:
		return fmt.Errorf("generate: --burst %d: want 1 to 256", o.burst)
	case o.flows < 1 || o.flows > maxFlows:
		return fmt.Errorf("generate: --flows %d: want 1 to %d", o.flows, maxFlows)
	case !validRing(o.ring):
		return fmt.Errorf("generate: --ring %d: want a power of two from 8 to %d", o.ring, 1<<15)
	case o.rate.recorded && o.pcap == "":
		return errors.New("generate: --rate recorded: want --pcap with it, which says what was recorded")
	case len(addrs) == 2 && addrs[0] == addrs[1]:
		return fmt.Errorf("generate: %s twice: want two cards", addrs[0])
	case len(addrs) == 1 && o.toMAC == "" && o.pcap == "":
		return errors.New("generate: no --to-mac: want the Ethernet address to send to, or a second card that receives")
	}
	for flag, text := range map[string]string{"from": o.from, "to": o.to} {
		if a, err := netip.ParseAddr(text); err != nil || !a.Is4() {
			return fmt.Errorf("generate: --%s %s: want an IPv4 address", flag, text)
		}
	}
	from := netip.MustParseAddr(o.from).As4()
	if first := binary.BigEndian.Uint32(from[:]); uint64(first)+uint64(o.flows)-1 > math.MaxUint32 {
		return fmt.Errorf("generate: --from %s: want an address for each of %d flows, and there are %d from there", o.from, o.flows, math.MaxUint32-first+1)
	}
	if o.toMAC != "" {
		if mac, err := net.ParseMAC(o.toMAC); err != nil || len(mac) != 6 {
			return fmt.Errorf("generate: --to-mac %s: want an address as 52:54:00:12:34:56", o.toMAC)
		}
	}
	return nil
}

// generate is the command, its flags checked.
func (o *generateOptions) generate(ctx context.Context, addrs []string, stdout, stderr *os.File) (err error) {
	var replay *recording
	if o.pcap != "" {
		if replay, err = openRecording(o.pcap); err != nil {
			return err
		}
	}
	rig, err := o.rig(addrs, replay)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.close()) }()
	live := liveLineFor(stdout, stderr, o.json)
	live.show(o.heading(rig, replay))
	live.end()
	r, err := o.run(ctx, rig, replay, live)
	if r == nil {
		return err
	}
	if o.json {
		return errors.Join(err, writeJSON(stdout, r))
	}
	return errors.Join(err, tell(stdout, r.write))
}

func (o *generateOptions) heading(rig *rig, replay *recording) string {
	way := rig.cards[0].String()
	if len(rig.cards) > 1 {
		way += " -> " + rig.cards[1].String()
	}
	what := fmt.Sprintf("%s bytes  %d flows", &o.sizes, o.flows)
	if replay != nil {
		what = fmt.Sprintf("%d frames of %s", len(replay.frames), o.pcap)
		if replay.cut > 0 {
			what += fmt.Sprintf(", %d of them as short as it has them", replay.cut)
		}
	}
	return fmt.Sprintf("%s  %s pps  %s  Ctrl-C ends it", way, &o.rate, what)
}

func (o *generateOptions) rig(addrs []string, replay *recording) (*rig, error) {
	size := memorySize(o.buffers(), o.bufferSize(replay), 2*o.ring+2*idleRing)
	if len(addrs) > 0 {
		return openRig("generate", addrs, size)
	}
	r, cards := demoRig(size)
	nictest.Link(cards[0], cards[1])
	return r, nil
}

// buffers is how many keep both rings and both workers going.
func (o *generateOptions) buffers() int {
	const stock = 512 // of a pktbuf.Cache
	return 2*(o.ring+idleRing) + 2*(stock+o.burst)
}

// bufferSize makes room for a frame to be sent in one piece. Those that are
// received may be in several.
func (o *generateOptions) bufferSize(replay *recording) int {
	return max(bufferSize, o.largest(replay))
}

// largest is the longest frame to be sent.
func (o *generateOptions) largest(replay *recording) int {
	if replay != nil {
		return replay.longest
	}
	return slices.Max(o.sizes)
}

func (o *generateOptions) source(r route, replay *recording) source {
	if replay != nil {
		return replay
	}
	return probeSource{newProbes(r, o.flows, o.sizes, uint16(rand.Uint32()))}
}

func (o *generateOptions) pace(s source) pace {
	switch {
	case o.rate.recorded:
		return s.pace()
	case o.rate.perSecond == 0:
		return asFastAsPossible
	}
	return perSecond(o.rate.perSecond)
}

// route is the way from the first port, to the last unless told otherwise.
func (o *generateOptions) route(ports []nicring.Port) route {
	r := route{fromMAC: ports[0].MAC(), toMAC: ports[len(ports)-1].MAC()}
	if mac, err := net.ParseMAC(o.toMAC); err == nil {
		r.toMAC = nicring.MAC(mac)
	}
	r.from, r.to = netip.MustParseAddr(o.from), netip.MustParseAddr(o.to)
	return r
}

// run sends until ctx is done, the duration or the count is over or a card
// fails, and reports; there is no report if it did not come to sending. All that
// it opens it closes.
func (o *generateOptions) run(ctx context.Context, rig *rig, replay *recording, live *liveLine) (r *generateReport, err error) {
	g, err := o.open(rig, replay)
	defer func() { err = errors.Join(err, g.close()) }()
	if err != nil {
		return nil, err
	}
	if rig.turn != nil {
		var m motor
		m.start(rig.turn)
		defer m.stop()
	}
	if err := awaitLinks(ctx, g.ports); err != nil {
		return nil, err
	}
	ctx, cancel := limited(ctx, o.duration)
	defer cancel()
	g.began = time.Now()
	unpublish, err := publish("generate", o.serve, g.snapshot)
	if err != nil {
		return nil, err
	}
	g.start(cancel)
	last := g.sample()
	err = everySecond(ctx, "generate", g.ports, func() error {
		line, err := g.line(&last)
		live.show(line)
		return err
	})
	live.end()
	unpublish()
	g.stop()
	r = new(g.report())
	r.Rate = o.rate.perSecond
	return r, err
}

// A generateReport is what a run comes to. Its keys do not change their meaning;
// new ones may be added.
type generateReport struct {
	counts
	DurationSeconds  float64        `json:"duration_seconds"`
	Rate             float64        `json:"rate"`               // asked for; 0 for another
	PacketsPerSecond float64        `json:"packets_per_second"` // tx_packets by duration
	BitsPerSecond    float64        `json:"bits_per_second"`    // tx_bytes by duration
	Ports            []portReport   `json:"ports"`
	Traffic          *trafficReport `json:"traffic,omitempty"` // if a second card looks at numbered frames
	Latency          *latencyReport `json:"latency,omitempty"` // the same
}

func (r *generateReport) write(w io.Writer) {
	rows := [][]string{countNames}
	for _, p := range r.Ports {
		rows = append(rows, p.row(p.Port))
	}
	writeTable(w, rows, true)
	fmt.Fprintf(w, "%.2f s  %s  %s\n", r.DurationSeconds, scaled(r.PacketsPerSecond, "pps"), scaled(r.BitsPerSecond, "bit/s"))
	if r.Traffic != nil {
		fmt.Fprintln(w, r.Traffic)
		r.Latency.write(w)
	}
}

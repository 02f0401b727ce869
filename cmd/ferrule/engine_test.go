package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// patience bounds every wait; running out of it fails the test.
const patience = 20 * time.Second

// options are the flags left at their defaults, but for what set changes.
func options(t *testing.T, addrs []string, set func(*forwardOptions)) *forwardOptions {
	o := &forwardOptions{burst: 32, size: 60, ring: 512, queues: 1, workers: 1, busy: defaultBusy, maxFrame: maxFrameLeast}
	if set != nil {
		set(o)
	}
	require.NoError(t, o.check(addrs))
	return o
}

// cards makes two cards and has the test fail if the driver breaks their rules.
func cards(t *testing.T, mem *nictest.Memory, opts nictest.Options) (c [2]*nictest.Card) {
	for i := range c {
		opts.Name = fmt.Sprint("card", i)
		opts.MAC = demoMAC(i)
		c[i] = nictest.New(mem, opts)
		c[i].Check(t)
	}
	return c
}

// asRig makes a rig of two cards.
func asRig(mem *nictest.Memory, c [2]*nictest.Card, d *demo) *rig {
	return &rig{cards: []e1000e.Card{c[0], c[1]}, region: mem.Region(), demo: d}
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		require.True(t, time.Now().Before(deadline), "still waiting until %s", what)
	}
}

func silent() *liveLine { return &liveLine{w: io.Discard} }

// TestAllComesThrough runs the demonstration on strict cards until so many
// frames have arrived at each end.
func TestAllComesThrough(t *testing.T) {
	frames := uint64(20_000)
	if testing.Short() {
		frames = 3_000
	}
	for _, c := range []struct {
		burst, size, ring, procs int
		pipeline                 bool
		queues, workers          int
	}{
		{1, 60, 64, 2, false, 1, 1},
		{2, 1514, 8, 2, false, 1, 1},
		{32, 60, 512, 1, false, 1, 1},
		{32, 61, 512, 8, false, 1, 1},
		{256, 60, 512, 2, false, 1, 1},
		{1, 60, 64, 2, true, 1, 1},
		{32, 60, 512, 1, true, 1, 1},
		{32, 1514, 64, 8, true, 1, 1},
		{256, 60, 1024, 2, true, 1, 1},
		{32, 60, 512, 2, false, 1, 2},
		{32, 60, 512, 2, false, 2, 1},
		{32, 60, 512, 1, false, 2, 2},
		{1, 1514, 64, 8, false, 2, 3},
		{32, 60, 512, 8, false, 2, 4},
		{32, 60, 512, 2, true, 2, 1},
	} {
		name := fmt.Sprintf("burst=%d,size=%d,ring=%d,procs=%d,pipeline=%v,queues=%d,workers=%d", c.burst, c.size, c.ring, c.procs, c.pipeline, c.queues, c.workers)
		t.Run(name, func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(c.procs))
			o := options(t, nil, func(o *forwardOptions) {
				o.burst, o.size, o.ring, o.pipeline = c.burst, c.size, c.ring, c.pipeline
				o.queues, o.workers = c.queues, c.workers
			})
			mem := nictest.NewMemory(o.memorySize())
			two := cards(t, mem, nictest.Options{Deferred: true})
			d := newDemo(two, c.size, c.ring)

			ctx, stop := context.WithTimeout(t.Context(), patience)
			defer stop()
			go func() {
				for ctx.Err() == nil && (d.streams[0].received.load() < frames || d.streams[1].received.load() < frames) {
					time.Sleep(time.Millisecond)
				}
				stop()
			}()
			r, err := o.run(ctx, asRig(mem, two, d), silent())
			require.NoError(t, err)

			sent := [2]uint64{d.streams[0].sent.load(), d.streams[1].sent.load()}
			for i, p := range r.Ports {
				require.GreaterOrEqual(t, sent[i], frames)
				require.Equal(t, counts{
					RxPackets: sent[i], RxBytes: sent[i] * uint64(c.size),
					TxPackets: sent[1-i], TxBytes: sent[1-i] * uint64(c.size),
				}, p.counts, p.Port)
			}
			all := sent[0] + sent[1]
			require.Equal(t, trafficReport{Sent: all, Received: all}, *r.Traffic)
			require.Positive(t, r.NsPerPacket)
		})
	}
}

// A bench is an engine on two cards that work within each doorbell.
type bench struct {
	*engine
	cards [2]*nictest.Card
	ports [2]nicring.Port
	pool  *pktbuf.Pool
}

func newBench(t *testing.T, o *forwardOptions) *bench {
	mem := nictest.NewMemory(o.memorySize())
	two := cards(t, mem, nictest.Options{})
	b := newBenchOf(t, o, asRig(mem, two, nil))
	b.cards = two
	return b
}

// newBenchOf takes the cards of any rig.
func newBenchOf(t *testing.T, o *forwardOptions, r *rig) *bench {
	b := new(bench)
	arena := pktbuf.NewArena(r.region)
	var err error
	b.pool, err = pktbuf.NewPool(arena, o.buffers, bufferSize)
	require.NoError(t, err)
	b.engine = newEngine(b.pool, o.burst, o.busy, o.shape())
	ports, err := o.open(r, arena, b.engine)
	require.NoError(t, err)
	b.ports = [2]nicring.Port(ports)
	b.join(b.ports)
	return b
}

// close fails if a buffer is lost.
func (b *bench) close(t *testing.T) {
	require.NoError(t, closePorts(b.ports[:], b.caches(), b.pool))
}

// deliver has n frames arrive at card i, slowly enough for none to be missed.
func (b *bench) deliver(t *testing.T, i, n int) {
	frame := ethernet(make([]byte, 60), demoMAC(2), demoMAC(3))
	before := b.joined[i].flow().received
	for k := range n {
		until(t, "the forwarder has kept up", func() bool {
			return before+uint64(k) < b.joined[i].flow().received+100
		})
		b.cards[i].Deliver(frame)
	}
	until(t, "all is received", func() bool { return b.joined[i].flow().received == before+uint64(n) })
}

// TestStuckPort sends more frames towards a card that sends none than its ring
// holds. They are dropped and counted, and the other way is not disturbed.
func TestStuckPort(t *testing.T) {
	t.Parallel()
	for _, pipeline := range []bool{false, true} {
		t.Run(fmt.Sprint("pipeline=", pipeline), func(t *testing.T) {
			b := newBench(t, options(t, nil, func(o *forwardOptions) { o.ring, o.pipeline = 64, pipeline }))
			out := 0
			b.cards[0].Attach(func([]byte) { out++ })
			b.cards[1].SetFaults(nictest.Faults{TxStuck: true})
			b.start()
			b.deliver(t, 0, 5000)
			b.deliver(t, 1, 500)
			b.stop()

			r := b.report(0)
			require.Equal(t, uint64(5000), r.Ports[0].Dropped)
			require.Equal(t, uint64(0), r.Ports[1].TxPackets)
			require.Equal(t, uint64(0), r.Ports[1].Dropped)
			require.Equal(t, uint64(500), r.Ports[0].TxPackets)
			require.Equal(t, 500, out)
			require.Equal(t, r.RxPackets, r.TxPackets+r.Dropped)
			b.close(t)
		})
	}
}

// TestSlowPort has a card that sends a little at a time: what it sends and what
// is dropped is all there was.
func TestSlowPort(t *testing.T) {
	b := newBench(t, options(t, nil, func(o *forwardOptions) { o.ring = 64 }))
	out := uint64(0)
	b.cards[1].Attach(func([]byte) { out++ })
	b.start()
	for range 20 {
		b.cards[1].SetFaults(nictest.Faults{TxStuck: true})
		b.deliver(t, 0, 100)
		b.cards[1].SetFaults(nictest.Faults{})
	}
	b.stop()
	r := b.report(0)
	require.Equal(t, out, r.TxPackets)
	require.Positive(t, r.TxPackets)
	require.Positive(t, r.Dropped)
	require.Equal(t, uint64(2000), r.TxPackets+r.Dropped)
	require.Equal(t, r.TxPackets*60, r.TxBytes)
	b.close(t)
}

// TestStopEmptiesThePipeline stops a pipeline whose ring is full, with more
// received than it holds.
func TestStopEmptiesThePipeline(t *testing.T) {
	b := newBench(t, options(t, nil, func(o *forwardOptions) { o.ring, o.pipeline = 1024, true }))
	s := newStream(demoMAC(2), demoMAC(3), 60, 1000)
	b.cards[1].Attach(s.check)
	for s.feed(b.cards[0]) > 0 {
	}
	receiver, bufs := b.crew[0], make([]*pktbuf.Buf, 31)
	for receiver.turn(b.joined, bufs) > 0 {
	}
	require.Equal(t, pipelineRing, b.joined[0].ring.Len())
	require.NotEmpty(t, b.joined[0].rx.held)

	b.stop()
	r := b.report(0)
	require.Greater(t, r.RxPackets, uint64(pipelineRing))
	require.Equal(t, r.RxPackets, r.TxPackets)
	require.Equal(t, trafficReport{Sent: 1000, Received: r.RxPackets, Lost: 1000 - r.RxPackets}, s.report())
	b.close(t)
}

// TestIdleWorkersCollect wants a worker without frames to take back those sent.
func TestIdleWorkersCollect(t *testing.T) {
	for _, pipeline := range []bool{false, true} {
		b := newBench(t, options(t, nil, func(o *forwardOptions) { o.pipeline = pipeline }))
		var spies [2]spy
		for i, l := range b.joined {
			spies[i].TxQueue = l.out
			l.out = &spies[i]
		}
		for _, w := range b.crew {
			w.turn(b.joined, make([]*pktbuf.Buf, 32))
		}
		require.Equal(t, [2]int{1, 1}, [2]int{spies[0].empty, spies[1].empty}, "pipeline=%v", pipeline)
		b.close(t)
	}
}

// A spy counts calls of Send with nothing to send.
type spy struct {
	nicring.TxQueue
	empty int
}

func (s *spy) Send(bufs []*pktbuf.Buf) int {
	if len(bufs) == 0 {
		s.empty++
	}
	return s.TxQueue.Send(bufs)
}

// TestCirculation has two linked cards pass a few frames round and round.
func TestCirculation(t *testing.T) {
	for _, pipeline := range []bool{false, true} {
		t.Run(fmt.Sprint("pipeline=", pipeline), func(t *testing.T) {
			b := newBench(t, options(t, nil, func(o *forwardOptions) { o.pipeline = pipeline }))
			nictest.Link(b.cards[0], b.cards[1])
			require.NoError(t, b.inject(40, 100))
			b.start()
			until(t, "frames have gone round", func() bool { return b.joined[0].flow().received > 10_000 })
			b.stop()
			r := b.report(0)
			require.Equal(t, uint64(80), r.Injected)
			require.Equal(t, uint64(0), r.Dropped)
			require.Equal(t, r.RxPackets+r.Injected, r.TxPackets)
			require.Equal(t, r.RxPackets*100, r.RxBytes)
			b.close(t)
		})
	}
}

func TestInjectIntoStuckPort(t *testing.T) {
	b := newBench(t, options(t, nil, func(o *forwardOptions) { o.ring = 8 }))
	b.cards[1].SetFaults(nictest.Faults{TxStuck: true})
	require.EqualError(t, b.inject(20, 60), "forward: card1 took 7 of 20 frames")
	b.close(t)
}

// TestRemovedCard takes a card away while frames pass.
func TestRemovedCard(t *testing.T) {
	o := options(t, nil, nil)
	mem := nictest.NewMemory(o.memorySize())
	two := cards(t, mem, nictest.Options{Deferred: true})
	d := newDemo(two, o.size, o.ring)
	go func() {
		for d.arrived() < 1000 {
			time.Sleep(time.Millisecond)
		}
		two[1].Remove()
	}()
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	r, err := o.run(ctx, asRig(mem, two, d), silent())
	require.ErrorIs(t, err, nicring.ErrRemoved)
	require.ErrorContains(t, err, "card1")
	require.NotContains(t, err.Error(), "pktbuf", "a buffer is lost")
	require.NotNil(t, r)
	require.Positive(t, r.TxPackets)
}

// TestCardTakenAway has a card go whose registers can still be read, as when the
// kernel gives it to another driver.
func TestCardTakenAway(t *testing.T) {
	o := options(t, nil, nil)
	mem := nictest.NewMemory(o.memorySize())
	two := cards(t, mem, nictest.Options{Deferred: true})
	d := newDemo(two, o.size, o.ring)
	rig := asRig(mem, two, d)
	rig.cards[0] = takenAway{two[0], d}
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	r, err := o.run(ctx, rig, silent())
	require.ErrorIs(t, err, nicring.ErrRemoved)
	require.EqualError(t, err, "forward: card0: card removed")
	require.GreaterOrEqual(t, r.TxPackets, uint64(1000))
}

// A takenAway card is taken away when frames have arrived in a demo.
type takenAway struct {
	*nictest.Card
	d *demo
}

func (c takenAway) WaitInterrupt(ctx context.Context) error {
	for c.d.arrived() < 1000 {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("wait: %w", nicring.ErrRemoved)
}

// TestForwardingAllocatesNothing counts allocations of the turns that workers
// take.
func TestForwardingAllocatesNothing(t *testing.T) {
	for _, pipeline := range []bool{false, true} {
		b := newBench(t, options(t, nil, func(o *forwardOptions) { o.pipeline = pipeline }))
		bufs := make([]*pktbuf.Buf, b.burst)
		frame := ethernet(make([]byte, 60), demoMAC(2), demoMAC(3))
		require.Zero(t, testing.AllocsPerRun(200, func() {
			for range 8 {
				b.cards[0].Deliver(frame)
				b.cards[1].Deliver(frame)
			}
			for _, w := range b.crew {
				w.watch.start()
				w.turn(b.joined, bufs)
				w.watch.tick()
				w.watch.pause()
			}
		}), "pipeline=%v", pipeline)
		require.Equal(t, uint64(201*8), b.joined[0].flow().sent)
		require.Equal(t, uint64(201*8), b.joined[1].flow().sent)
		b.close(t)
	}
}

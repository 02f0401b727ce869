package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// shapes are all the ways to divide the work.
var shapes = []shape{
	{1, 1, false}, {1, 2, false}, {2, 1, false}, {2, 2, false}, {2, 3, false}, {2, 4, false},
	{1, 1, true}, {2, 1, true},
}

// eachShape runs a test in each of them, with more to set.
func eachShape(t *testing.T, set func(*forwardOptions), test func(t *testing.T, o *forwardOptions)) {
	for _, s := range shapes {
		t.Run(fmt.Sprintf("queues=%d,workers=%d,pipeline=%v", s.queues, s.workers, s.pipeline), func(t *testing.T) {
			test(t, options(t, nil, func(o *forwardOptions) {
				o.queues, o.workers, o.pipeline = s.queues, s.workers, s.pipeline
				set(o)
			}))
		})
	}
}

// A watchedPort's queues count what they are called for, and see to it that no two
// goroutines are in one at a time.
type watchedPort struct {
	nicring.Port
	rx []*watchedRx
	tx []*watchedTx
}

type watchedRx struct {
	nicring.RxQueue
	one            *onlyOne
	recvs          atomic.Int64
	waits, waiting atomic.Int64
	leave          func() // ends what Notify began
}

type watchedTx struct {
	nicring.TxQueue
	one *onlyOne
}

func (p *watchedPort) RxQueue(i int) nicring.RxQueue { return p.rx[i] }
func (p *watchedPort) TxQueue(i int) nicring.TxQueue { return p.tx[i] }

func (q *watchedRx) Recv(bufs []*pktbuf.Buf) int {
	defer q.one.in()()
	q.recvs.Add(1)
	return q.RxQueue.Recv(bufs)
}

func (q *watchedRx) Wait(ctx context.Context) error {
	defer q.one.in()()
	q.waits.Add(1)
	q.waiting.Add(1)
	defer q.waiting.Add(-1)
	return q.RxQueue.Wait(ctx)
}

// Notify and Ignore enclose a wait, as Wait does.
func (q *watchedRx) Notify() <-chan struct{} {
	q.leave = q.one.in()
	q.waits.Add(1)
	q.waiting.Add(1)
	return q.RxQueue.(nicring.Notifier).Notify()
}

func (q *watchedRx) Ignore() (over bool, err error) {
	defer q.leave()
	q.waiting.Add(-1)
	return q.RxQueue.(nicring.Notifier).Ignore()
}

func (q *watchedTx) Send(bufs []*pktbuf.Buf) int {
	defer q.one.in()()
	return q.TxQueue.Send(bufs)
}

// onlyOne finds two goroutines where one may be.
type onlyOne struct {
	t      *testing.T
	name   string
	inside atomic.Int32
}

func (o *onlyOne) in() (out func()) {
	if o.inside.Add(1) != 1 {
		o.t.Errorf("two goroutines in the %s", o.name)
	}
	return func() { o.inside.Add(-1) }
}

// watchQueues has the engine of a bench use watched queues, and returns those that
// receive.
func (b *bench) watchQueues(t *testing.T) (all []*watchedRx) {
	var ports [2]nicring.Port
	for i, p := range b.ports {
		w := &watchedPort{Port: p}
		for q := range b.queues {
			one := func(what string) *onlyOne { return &onlyOne{t: t, name: fmt.Sprintf("%s queue %d of %s", what, q, p)} }
			w.rx = append(w.rx, &watchedRx{RxQueue: p.RxQueue(q), one: one("receive")})
			w.tx = append(w.tx, &watchedTx{TxQueue: p.TxQueue(q), one: one("transmit")})
		}
		all = append(all, w.rx...)
		ports[i] = w
	}
	b.joined = nil
	b.join(ports)
	return all
}

// arrival returns what has come out, or will soon.
func arrival[T any](t *testing.T, out <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-out:
	case <-time.After(patience):
		require.Fail(t, "a frame has not come through")
	}
	return v
}

// TestIdleWorkersPark sends a frame whenever all workers wait for interrupts. It
// wakes one of them, comes through, and costs a few looks at the queues, however
// long it was in coming; then all are stopped asleep.
func TestIdleWorkersPark(t *testing.T) {
	eachShape(t, func(o *forwardOptions) { o.busy = 0 }, func(t *testing.T, o *forwardOptions) {
		b := newBench(t, o)
		queues := b.watchQueues(t)
		out := make(chan uint64, 1)
		for _, c := range b.cards {
			c.Attach(func(frame []byte) { out <- binary.BigEndian.Uint64(frame[14:]) })
		}
		b.start()
		asleep := func() {
			until(t, "all workers are asleep", func() bool {
				return !slices.ContainsFunc(queues, func(q *watchedRx) bool { return q.waiting.Load() == 0 })
			})
		}
		probes := newProbes(benchmarkRoute(demoMAC(2), demoMAC(3)), demoFlows, []int{60}, 1)
		frame := make([]byte, 60)
		const frames = 64 // one of each flow, so each queue gets some
		for n := range uint64(frames) {
			asleep()
			probes.write(frame, n)
			b.cards[n/2%2].Deliver(frame)
			arrival(t, out)
		}
		asleep()
		b.stop()

		looks, waits := int64(0), int64(0)
		for _, q := range queues {
			looks += q.recvs.Load()
			waits += q.waits.Load()
			require.Zero(t, q.waiting.Load(), "who waits after stop")
		}
		for k, l := range b.joined {
			require.Positive(t, l.rx.packets.load(), "frames that lane %d carried", k)
		}
		// Who is woken looks at all that it serves, once with success, and once or twice
		// before it sleeps again. A wait that began may be ended for another queue's sake.
		require.Less(t, looks, int64(4*(frames+1)*len(queues)), "looks at %d queues for %d frames", len(queues), frames)
		require.GreaterOrEqual(t, waits, int64(frames))
		b.close(t)
	})
}

// TestOwners pours over all queues at once.
func TestOwners(t *testing.T) {
	eachShape(t, func(o *forwardOptions) { o.busy = 10 * time.Microsecond }, func(t *testing.T, o *forwardOptions) {
		b := newBench(t, o)
		b.watchQueues(t)
		var streams [2]*stream
		for i := range streams {
			streams[i] = newStream(demoMAC(2+i), demoMAC(3-i), 60, o.ring/2)
			b.cards[1-i].Attach(streams[i].check)
		}
		b.start()
		for i := 0; streams[0].sent.load() < 3000 || streams[1].sent.load() < 3000; i++ {
			if streams[i%2].feed(b.cards[i%2]) == 0 {
				time.Sleep(10 * time.Microsecond) // until some have come through, and workers sleep
			}
		}
		until(t, "all has come through", func() bool {
			return streams[0].received.load() == streams[0].sent.load() && streams[1].received.load() == streams[1].sent.load()
		})
		b.stop()
		for _, l := range b.joined {
			require.Positive(t, l.rx.packets.load())
		}
		for _, s := range streams {
			r := s.report()
			require.NoError(t, r.check(0))
		}
		b.close(t)
	})
}

// TestFullPipelineParks has the one worker hold a frame more than the ring takes, since
// the other does not go on, and then no frame come any more: what wakes it is room.
func TestFullPipelineParks(t *testing.T) {
	b := newBench(t, options(t, nil, func(o *forwardOptions) { o.busy, o.pipeline = 0, true }))
	gate := &gated{TxQueue: b.joined[0].out, asked: make(chan struct{}, 1), open: make(chan struct{})}
	b.joined[0].out = gate
	b.start()
	ring := b.joined[0].ring
	b.deliver(t, 0, 1)
	arrival(t, gate.asked)
	b.deliver(t, 0, pipelineRing+1)
	until(t, "the ring is full", func() bool { return ring.Len() == pipelineRing })
	time.Sleep(10 * time.Millisecond) // time to fall asleep in; it may be awake as well
	close(gate.open)
	until(t, "all is sent", func() bool { return b.joined[0].flow().sent == pipelineRing+2 })
	b.stop()
	b.close(t)
}

// A gated queue sends nothing before it is opened.
type gated struct {
	nicring.TxQueue
	asked chan struct{} // told of the first time
	open  chan struct{}
}

func (q *gated) Send(bufs []*pktbuf.Buf) int {
	if len(bufs) > 0 {
		select {
		case q.asked <- struct{}{}:
		default:
		}
		<-q.open
	}
	return q.TxQueue.Send(bufs)
}

// TestLoadTakesNoInterrupts has two linked cards pass frames round. There always
// are some in the one or the other queue of the only worker, so it never waits.
func TestLoadTakesNoInterrupts(t *testing.T) {
	b := newBench(t, options(t, nil, func(o *forwardOptions) { o.busy = 0 }))
	queues := b.watchQueues(t)
	nictest.Link(b.cards[0], b.cards[1])
	require.NoError(t, b.inject(40, 100))
	b.start()
	until(t, "frames have gone round", func() bool { return b.joined[0].flow().received > 10_000 })
	b.stop()
	require.Zero(t, b.report(0).Interrupts)
	for _, q := range queues {
		require.Zero(t, q.waits.Load())
	}
	b.close(t)
}

// TestBusy has workers poll for as long as told, and take no interrupt meanwhile.
func TestBusy(t *testing.T) {
	eachShape(t, func(o *forwardOptions) { o.busy = time.Hour }, func(t *testing.T, o *forwardOptions) {
		b := newBench(t, o)
		queues := b.watchQueues(t)
		b.start()
		b.deliver(t, 0, 3)
		for _, q := range queues {
			seen := q.recvs.Load()
			until(t, "it was looked at again", func() bool { return q.recvs.Load() > seen+3000 })
		}
		b.deliver(t, 1, 3)
		b.stop()
		require.Zero(t, b.report(0).Interrupts)
		b.close(t)
	})
}

// TestStopAtOddMoments ends a run wherever it is: before the links are up, in the
// middle of traffic, in a worker's sleep.
func TestStopAtOddMoments(t *testing.T) {
	runs := 6
	if testing.Short() {
		runs = 2
	}
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	eachShape(t, func(o *forwardOptions) { o.ring = 64 }, func(t *testing.T, o *forwardOptions) {
		for range runs {
			o.busy = time.Duration(random.Int64N(int64(2 * defaultBusy)))
			after := time.Duration(random.Int64N(int64(15 * time.Millisecond)))
			mem := nictest.NewMemory(o.memorySize())
			two := cards(t, mem, nictest.Options{Deferred: true})
			d := newDemo(two, o.size, o.ring)
			ctx, cancel := context.WithTimeout(t.Context(), after)
			r, err := o.run(ctx, asRig(mem, two, d), silent())
			cancel()
			require.NoError(t, err, "after %v", after)
			require.Equal(t, r.RxPackets, r.TxPackets+r.Dropped, "after %v", after)
			require.Zero(t, r.Traffic.Lost, "after %v", after)
		}
	})
}

// TestJumbo forwards the longest frames, in chains of buffers.
func TestJumbo(t *testing.T) {
	for _, pipeline := range []bool{false, true} {
		b := newBench(t, options(t, nil, func(o *forwardOptions) { o.maxFrame, o.pipeline = 9018, pipeline }))
		out := make(chan []byte, 1)
		b.cards[1].Attach(func(frame []byte) { out <- slices.Clone(frame) })
		b.start()
		var bytes uint64
		for _, size := range []int{60, 2047, 2048, 2049, 4096, 9018} {
			frame := ethernet(make([]byte, size), demoMAC(2), demoMAC(3))
			for i := 14; i < size; i++ {
				frame[i] = byte(i * i >> 3)
			}
			b.cards[0].Deliver(frame)
			require.Equal(t, frame, arrival(t, out))
			bytes += uint64(size)
		}
		b.stop()
		r := b.report(0)
		require.Equal(t, counts{RxPackets: 6, RxBytes: bytes, TxPackets: 6, TxBytes: bytes}, r.counts)
		b.close(t)
	}
}

// TestVLANs has the cards drop what is of another VLAN. Between them the tag is
// beside the frame, and at the end where it was.
func TestVLANs(t *testing.T) {
	b := newBench(t, options(t, nil, func(o *forwardOptions) { o.vlans = []uint{5, 7} }))
	taken := &tags{TxQueue: b.joined[0].out}
	b.joined[0].out = taken
	out := make(chan []byte, 8)
	b.cards[1].Attach(func(frame []byte) { out <- slices.Clone(frame) })
	tagged := func(tci uint16) []byte {
		frame := ethernet(make([]byte, 64), demoMAC(2), demoMAC(3))
		binary.BigEndian.PutUint16(frame[12:], 0x8100)
		binary.BigEndian.PutUint16(frame[14:], tci)
		binary.BigEndian.PutUint16(frame[16:], localExperimental)
		return frame
	}
	plain := ethernet(make([]byte, 64), demoMAC(2), demoMAC(3))
	b.start()
	for _, frame := range [][]byte{tagged(5), tagged(6), tagged(3<<13 | 7), plain} {
		b.cards[0].Deliver(frame)
	}
	for _, want := range [][]byte{tagged(5), tagged(3<<13 | 7), plain} {
		require.Equal(t, want, arrival(t, out))
	}
	b.stop()
	require.Equal(t, []uint16{5, 3<<13 | 7}, taken.seen)
	require.Equal(t, uint64(3*64), b.report(0).TxBytes)
	b.close(t)
}

// tags notes the tags that are to be put in.
type tags struct {
	nicring.TxQueue
	seen []uint16
}

func (q *tags) Send(bufs []*pktbuf.Buf) int {
	for _, b := range bufs {
		if tci, ok := b.VLAN(); ok {
			q.seen = append(q.seen, tci)
		}
	}
	return q.TxQueue.Send(bufs)
}

package e1000e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// A rig is a card to test and what stands around it. One suite runs on every
// rig: a card made of memory, QEMU's, and one in a machine.
type rig struct {
	card   e1000e.Card
	region pktbuf.Region
	mac    nicring.MAC

	// deliver puts frames on the wire towards the card, in order.
	deliver func(frames ...[]byte)
	// next returns the next frame that the card has put on the wire, or nil
	// if none comes within a while.
	next func() []byte
	// setLink plugs and unplugs the wire.
	setLink func(up bool)

	longest int // frame that the wire's other end takes and sends, in bytes; 0 for all there are

	// What the makers of cards do differently.
	padsRunts   bool // counts a short frame as an error, and brings it to 60 bytes
	txBytesBare bool // GOTC counts no CRC
	padsNothing bool // sends short frames as they are, whatever TCTL.PSP says
	fragments   bool // makes IP fragments in place of TCP segments
	floorsGap   bool // makes ITR at least 500, whatever it is told
	reorders    bool // the wire changes the order of frames that have to wait for the card
}

// patience bounds every wait for a card; running out of it fails the test.
const patience = 20 * time.Second

// conform is the suite. Each test gets a rig of its own from open.
func conform(t *testing.T, open func(t *testing.T) *rig) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, r *rig)
	}{
		{"MAC", testMAC},
		{"LinkUpAndDown", testLink},
		{"SingleFrame", testSingleFrame},
		{"Lengths", testLengths},
		{"Bursts", testBursts},
		{"RingWrap", testRingWrap},
		{"ReceiveRingFull", testReceiveRingFull},
		{"TransmitRingFull", testTransmitRingFull},
		{"TransmitQueues", testTransmitQueues},
		{"RuntsAndOversize", testRuntsAndOversize},
		{"Filter", testFilter},
		{"SetFilter", testSetFilter},
		{"Spread", testSpread},
		{"ReceiveChecksums", testReceiveChecksums},
		{"ReceiveVLAN", testReceiveVLAN},
		{"Jumbo", testJumbo},
		{"SendChains", testSendChains},
		{"SendClones", testSendClones},
		{"SendChecksums", testSendChecksums},
		{"SendVLAN", testSendVLAN},
		{"Segments", testSegments},
		{"SendRefuses", testSendRefuses},
		{"Statistics", testStatistics},
		{"Wait", testWait},
		{"WaitQueues", testWaitQueues},
		{"Notify", testNotify},
		{"InterruptsOff", testInterruptsOff},
		{"InterruptGap", testInterruptGap},
		{"LinkChange", testLinkChange},
		{"StatisticsByName", testStatisticsByName},
		{"PauseRegisters", testPauseRegisters},
		{"Reset", testReset},
		{"ResetWhileWaiting", testResetWhileWaiting},
		{"PoolExhausted", testPoolExhausted},
		{"CloseUnderTraffic", testCloseUnderTraffic},
		{"Reopen", testReopen},
		{"TakeOver", testTakeOver},
		{"Refusals", testRefusals},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
}

// A desk is an open port with its pool. Closing it checks that every buffer
// came home.
type desk struct {
	t     *testing.T
	rig   *rig
	arena *pktbuf.Arena
	pool  *pktbuf.Pool
	cache *pktbuf.Cache
	port  *e1000e.Port
	rx    nicring.RxQueue
	tx    nicring.TxQueue
}

const ringSize = 64

func (r *rig) open(t *testing.T, change ...func(*e1000e.Config)) *desk {
	t.Helper()
	d := &desk{t: t, rig: r, arena: pktbuf.NewArena(r.region)}
	var err error
	d.pool, err = pktbuf.NewPool(d.arena, 2*ringSize+1024, 2048)
	require.NoError(t, err)
	d.cache = d.pool.NewCache()
	cfg := e1000e.Config{RxRing: ringSize, TxRing: ringSize, RxCaches: []*pktbuf.Cache{d.cache}, TxCaches: []*pktbuf.Cache{d.cache}}
	for _, f := range change {
		f(&cfg)
	}
	d.port, err = e1000e.Open(r.card, d.arena, cfg)
	require.NoError(t, err)
	d.rx, d.tx = d.port.RxQueue(0), d.port.TxQueue(0)
	t.Cleanup(d.close)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, nicring.WaitLink(ctx, d.port))
	return d
}

func (d *desk) close() {
	if d.port == nil {
		return
	}
	require.NoError(d.t, d.port.Close())
	require.NoError(d.t, d.port.Close(), "a second Close has nothing to do")
	d.port = nil
	d.cache.Flush()
	require.Equal(d.t, d.pool.Cap(), d.pool.Len(), "buffers at home after Close")
	require.NoError(d.t, d.pool.Close())
	require.Equal(d.t, len(d.rig.region.Bytes), d.arena.Room(), "bytes free in the arena after Close")
}

// send hands frames to the card, as many times as it takes.
func (d *desk) send(frames ...[]byte) {
	d.t.Helper()
	bufs := make([]*pktbuf.Buf, len(frames))
	require.Equal(d.t, len(bufs), d.cache.GetN(bufs))
	for i, f := range frames {
		copy(bufs[i].Append(len(f)), f)
	}
	for deadline := time.Now().Add(patience); len(bufs) > 0; {
		bufs = bufs[d.tx.Send(bufs):]
		require.True(d.t, time.Now().Before(deadline), "%d frames are not sent", len(bufs))
	}
}

// recv polls until n frames have come, and gives their buffers back.
func (d *desk) recv(n, burst int) (frames [][]byte) {
	d.t.Helper()
	bufs := make([]*pktbuf.Buf, burst)
	for deadline := time.Now().Add(patience); len(frames) < n; {
		got := d.rx.Recv(bufs[:min(burst, n-len(frames))])
		for _, b := range bufs[:got] {
			frames = append(frames, bytes.Clone(b.Bytes()))
		}
		d.cache.PutN(bufs[:got])
		require.True(d.t, time.Now().Before(deadline), "%d of %d frames received", len(frames), n)
	}
	return frames
}

// await polls for a condition.
func (d *desk) await(condition func() bool, format string, args ...any) {
	d.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); {
		require.True(d.t, time.Now().Before(deadline), "waited in vain for %s", fmt.Sprintf(format, args...))
	}
}

// sent returns the next n frames on the wire.
func (d *desk) sent(n int) (frames [][]byte) {
	d.t.Helper()
	for len(frames) < n {
		f := d.rig.next()
		require.NotNil(d.t, f, "%d of %d frames on the wire", len(frames), n)
		frames = append(frames, f)
	}
	return frames
}

var peer = nicring.MAC{2, 0, 0, 0, 0, 9}

// frame makes a frame to the rig's card that is known by its number. Its type
// is one that IEEE 802 leaves to local experiments.
func (r *rig) frame(number, length int) []byte {
	f := make([]byte, length)
	random := rand.New(rand.NewPCG(uint64(number), uint64(length)))
	for i := range f {
		f[i] = byte(random.Uint32())
	}
	copy(f, r.mac[:])
	copy(f[min(6, length):], peer[:])
	if length >= 18 {
		binary.BigEndian.PutUint16(f[12:], 0x88B5)
		binary.BigEndian.PutUint32(f[14:], uint32(number))
	}
	return f
}

// frames makes n frames, the first with the given number, of lengths that vary.
func (r *rig) frames(first, n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = r.frame(first+i, 60+(first+i)*37%1455)
	}
	return all
}

func testMAC(t *testing.T, r *rig) {
	d := r.open(t)
	require.Equal(t, r.mac, d.port.MAC())
	require.Equal(t, r.card.String(), d.port.String())
}

func testLink(t *testing.T, r *rig) {
	d := r.open(t)
	link, err := d.port.Link()
	require.NoError(t, err)
	require.Equal(t, nicring.Link{Up: true, Mbps: 1000, FullDuplex: true}, link)

	r.setLink(false)
	for deadline := time.Now().Add(patience); link.Up; {
		link, err = d.port.Link()
		require.NoError(t, err)
		require.True(t, time.Now().Before(deadline), "the link is still up")
	}
	require.Equal(t, nicring.Link{}, link)

	r.setLink(true)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, nicring.WaitLink(ctx, d.port))
	f := r.frames(0, 3)
	r.deliver(f...)
	require.Equal(t, f, d.recv(3, 8), "frames after the link came back")
}

func testSingleFrame(t *testing.T, r *rig) {
	d := r.open(t)
	in, out := r.frame(1, 64), r.frame(2, 64)
	require.Zero(t, d.rx.Recv(make([]*pktbuf.Buf, 4)), "frames received before one was sent")
	r.deliver(in)
	require.Equal(t, [][]byte{in}, d.recv(1, 1))
	d.send(out)
	require.Equal(t, [][]byte{out}, d.sent(1))
	require.Zero(t, d.tx.Send(nil))
	require.Zero(t, d.rx.Recv(nil))
}

func testLengths(t *testing.T, r *rig) {
	d := r.open(t)
	for length := 60; length <= 1518; length += 18 {
		in, out := r.frame(length, length), r.frame(length+1, length)
		r.deliver(in)
		require.Equal(t, [][]byte{in}, d.recv(1, 1), "length %d", length)
		d.send(out)
		require.Equal(t, [][]byte{out}, d.sent(1), "length %d", length)
	}
}

func testBursts(t *testing.T, r *rig) {
	d := r.open(t)
	number := 0
	for _, burst := range []int{1, 2, 3, 7, 8, 31, 32, 33, ringSize - 1, ringSize} {
		f := r.frames(number, burst)
		number += burst
		d.send(f...)
		require.Equal(t, f, d.sent(burst), "burst of %d", burst)
		for len(f) > 0 { // what fits in the card at once
			part := f[:min(len(f), 16)]
			f = f[len(part):]
			r.deliver(part...)
			require.Equal(t, part, d.recv(len(part), burst), "burst of %d", burst)
		}
	}
}

func testRingWrap(t *testing.T, r *rig) {
	d := r.open(t, func(c *e1000e.Config) { c.RxRing, c.TxRing = 8, 8 })
	for i := 0; i < 50*8; i += 5 {
		f := r.frames(i, 5)
		r.deliver(f...)
		require.Equal(t, f, d.recv(5, 3), "frames from %d", i)
		d.send(f...)
		require.Equal(t, f, d.sent(5), "frames from %d", i)
	}
}

// testReceiveRingFull overruns the card. What it does with the surplus differs,
// but every frame is received once or counted as missed, and the order holds.
func testReceiveRingFull(t *testing.T, r *rig) {
	d := r.open(t, func(c *e1000e.Config) { c.RxRing = 8 })
	const n = 200
	r.deliver(r.frames(0, n)...)
	got, last := 0, -1
	seen := map[int]bool{}
	bufs := make([]*pktbuf.Buf, 4)
	for deadline := time.Now().Add(patience); ; {
		k := d.rx.Recv(bufs)
		for _, b := range bufs[:k] {
			number := int(binary.BigEndian.Uint32(b.Bytes()[14:]))
			require.Equal(t, r.frames(number, 1)[0], b.Bytes())
			require.False(t, seen[number], "frame %d received twice", number)
			if !r.reorders {
				require.Greater(t, number, last, "order of frames")
			}
			seen[number], last = true, number
			got++
		}
		d.cache.PutN(bufs[:k])
		stats, err := d.port.Stats()
		require.NoError(t, err)
		if got+int(stats.RxMissed) == n {
			break
		}
		require.True(t, time.Now().Before(deadline), "%d frames received and %d missed of %d", got, stats.RxMissed, n)
	}
	require.Greater(t, got, 7)
	f := r.frames(n, 5)
	r.deliver(f...)
	require.Equal(t, f, d.recv(5, 5), "frames after the overrun")
}

func testTransmitRingFull(t *testing.T, r *rig) {
	d := r.open(t)
	f := r.frames(0, 2*ringSize)
	bufs := make([]*pktbuf.Buf, len(f))
	require.Equal(t, len(f), d.cache.GetN(bufs))
	for i := range f {
		copy(bufs[i].Append(len(f[i])), f[i])
	}
	n := d.tx.Send(bufs)
	require.Equal(t, ringSize-1, n, "a ring takes all but one of its descriptors")
	for deadline := time.Now().Add(patience); n < len(bufs); {
		n += d.tx.Send(bufs[n:])
		require.True(t, time.Now().Before(deadline), "%d frames are not sent", len(bufs)-n)
	}
	require.Equal(t, f, d.sent(len(f)))
}

func testRuntsAndOversize(t *testing.T, r *rig) {
	d := r.open(t)
	good := r.frame(9, 100)
	r.deliver(r.frame(1, 2000), r.frame(2, 30), good)
	if r.padsRunts {
		padded := append(r.frame(2, 30), make([]byte, 30)...)
		require.Equal(t, [][]byte{padded, good}, d.recv(2, 4))
	} else {
		require.Equal(t, [][]byte{good}, d.recv(1, 4))
	}
	d.send(r.frames(10, 8)...) // the next buffers taken are ones that hold something
	d.sent(8)
	d.tx.Send(nil)
	short := r.frame(3, 1)
	d.send(nil, r.frame(4, 1519), short, r.frame(5, 59), good)
	require.Equal(t, [][]byte{
		append(short, make([]byte, 59)...),
		append(r.frame(5, 59), 0),
		good,
	}, d.sent(3))
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.EqualValues(t, 2, stats.TxDropped, "an empty frame and one of 1519 bytes")
	require.EqualValues(t, 11, stats.TxPackets)
	require.EqualValues(t, 2, stats.RxErrors, "one too long and one too short")
	require.Zero(t, stats.RxDropped)
}

func testFilter(t *testing.T, r *rig) {
	stranger := r.frame(1, 80)
	copy(stranger, []byte{2, 0, 0, 0, 0, 77})
	broadcast := r.frame(2, 80)
	copy(broadcast, []byte{255, 255, 255, 255, 255, 255})
	multicast := r.frame(3, 80)
	copy(multicast, []byte{1, 0, 0x5E, 0, 0, 1})
	mine := r.frame(4, 80)

	d := r.open(t)
	r.deliver(stranger, broadcast, multicast, mine)
	require.Equal(t, [][]byte{broadcast, mine}, d.recv(2, 8))
	d.close()

	d = r.open(t, func(c *e1000e.Config) { c.Filter.Promiscuous = true })
	r.deliver(stranger, broadcast, multicast, mine)
	require.Equal(t, [][]byte{stranger, broadcast, multicast, mine}, d.recv(4, 8))
}

func testStatistics(t *testing.T, r *rig) {
	d := r.open(t)
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.Equal(t, nicring.Stats{}, stats, "of a port just opened")

	var want nicring.Stats
	for i := range 20 {
		f := r.frames(10*i, 10)
		r.deliver(f...)
		d.recv(10, 10)
		d.send(f...)
		d.sent(10)
		for _, f := range f {
			want.RxPackets++
			want.RxBytes += uint64(len(f))
			want.TxPackets++
			want.TxBytes += uint64(len(f))
		}
		if i == 9 {
			d.port.Stats() // reading clears the card's registers, not the sum
		}
	}
	if r.txBytesBare {
		want.TxBytes -= 4 * want.TxPackets
	}
	stats, err = d.port.Stats()
	require.NoError(t, err)
	require.Equal(t, want, stats)
	d.port.Close()
	stats, err = d.port.Stats()
	require.NoError(t, err)
	require.Equal(t, want, stats, "after Close")
}

func testWait(t *testing.T, r *rig) {
	d := r.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.rx.Wait(ctx), context.Canceled)

	ctx, cancel = context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range 20 {
		f := r.frames(3*i, 3)
		if i%2 == 0 {
			r.deliver(f...)
			require.NoError(t, d.rx.Wait(ctx), "frames before the call")
		} else {
			done := make(chan error)
			go func() { done <- d.rx.Wait(ctx) }()
			r.deliver(f...)
			require.NoError(t, <-done, "frames during the call")
		}
		require.Equal(t, f[:1], d.recv(1, 1))
		require.NoError(t, d.rx.Wait(ctx), "frames left over, whose interrupt has been taken")
		require.Equal(t, f[1:], d.recv(2, 2))
	}
}

// testPoolExhausted holds every buffer back from the card.
func testPoolExhausted(t *testing.T, r *rig) {
	d := r.open(t)
	held := make([]*pktbuf.Buf, d.pool.Cap())
	n := d.cache.GetN(held)
	f := r.frames(0, 4)
	r.deliver(f...)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, d.rx.Wait(ctx))
	require.Zero(t, d.rx.Recv(make([]*pktbuf.Buf, 4)), "no buffer can take the place of one handed out")
	d.cache.PutN(held[:n])
	require.Equal(t, f, d.recv(4, 4), "nothing was lost")
}

// testCloseUnderTraffic closes the port while frames arrive, and then looks
// whether the card still writes to memory that is no longer its own.
func testCloseUnderTraffic(t *testing.T, r *rig) {
	d := r.open(t)
	stop := make(chan struct{})
	var wire sync.WaitGroup
	wire.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				r.deliver(r.frame(i, 100))
			}
		}
	})
	out := r.frames(0, 5)
	d.recv(50, 16)
	d.send(out...)
	d.close()
	seed := maphash.MakeSeed()
	before := maphash.Bytes(seed, r.region.Bytes)
	for i := range 20 {
		r.deliver(r.frame(i, 100))
	}
	require.Equal(t, before, maphash.Bytes(seed, r.region.Bytes), "memory after Close")
	close(stop)
	wire.Wait()
}

func testReopen(t *testing.T, r *rig) {
	for i := range 3 {
		d := r.open(t)
		f := r.frames(10*i, 10)
		r.deliver(f...)
		require.Equal(t, f, d.recv(10, 4))
		d.send(f...)
		require.Equal(t, f, d.sent(10))
		d.close()
	}
}

// testTakeOver opens a card whose owner was killed: it runs, with all that the
// owner had set, and the kernel has taken it off memory.
func testTakeOver(t *testing.T, r *rig) {
	killed := r.open(t, func(c *e1000e.Config) { c.Filter.Promiscuous = true })
	r.deliver(r.frames(0, 3)...)
	killed.recv(3, 3)
	require.NoError(t, r.card.SetBusMaster(false))
	killed.port = nil // its memory went with it

	d := r.open(t)
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.Equal(t, nicring.Stats{}, stats)
	stranger := r.frame(1, 80)
	copy(stranger, []byte{2, 0, 0, 0, 0, 77})
	f := r.frames(10, 3)
	r.deliver(append([][]byte{stranger}, f...)...)
	require.Equal(t, f, d.recv(3, 3), "and no frame for a stranger")
	d.send(f...)
	require.Equal(t, f, d.sent(3))

	const rctl, tctl, ims = 0x100, 0x400, 0xD0
	d.close()
	require.Zero(t, r.card.Read32(rctl)&2, "RCTL.EN after Close")
	require.Zero(t, r.card.Read32(tctl)&2, "TCTL.EN after Close")
	require.Zero(t, r.card.Read32(ims), "IMS after Close")
}

func testRefusals(t *testing.T, r *rig) {
	arena := pktbuf.NewArena(r.region)
	small, err := pktbuf.NewPool(arena, 64, 1500)
	require.NoError(t, err)
	few, err := pktbuf.NewPool(arena, 63, 2048)
	require.NoError(t, err)
	for _, c := range []struct {
		pool *pktbuf.Pool
		want string
	}{
		{small, "receive ring: its pool's buffers hold 1536 bytes, want at least 2048"},
		{few, "receive ring of 64 descriptors: its pool has 63 free buffers"},
	} {
		cache := c.pool.NewCache()
		_, err := e1000e.Open(r.card, arena, e1000e.Config{RxRing: 64, TxRing: 64, RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache}})
		require.EqualError(t, err, fmt.Sprintf("e1000e: open %s: %s", r.card, c.want))
		cache.Flush()
		require.NoError(t, c.pool.Close())
	}
	require.Equal(t, len(r.region.Bytes), arena.Room())
}

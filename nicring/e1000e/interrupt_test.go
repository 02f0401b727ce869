package e1000e_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// twoQueues opens a port with two receive queues, and returns two frames for each.
func (r *rig) twoQueues(t *testing.T, change ...func(*e1000e.Config)) (d *desk, frames [2][][]byte) {
	d = r.open(t, append(change, func(c *e1000e.Config) { c.RxCaches = append(c.RxCaches, c.RxCaches[0]) })...)
	rss := nicring.NewRSS(2)
	toeplitz := nicring.NewToeplitz(rss.Key)
	for i := 0; len(frames[0]) < 2 || len(frames[1]) < 2; i++ {
		f := r.packet(port(host4, 2000+i), port(host4, 80), tcp, 100)
		hash, _ := toeplitz.Frame(f, rss.Hashes)
		queue := rss.Table[hash&127]
		frames[queue] = append(frames[queue], f)
	}
	return d, frames
}

// testWaitQueues has a goroutine wait on each queue of one interrupt. Each wakes
// for its own frames, every time, whatever the other does.
func testWaitQueues(t *testing.T, r *rig) {
	d, frames := r.twoQueues(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	woke := [2]chan error{make(chan error), make(chan error)}
	proceed := [2]chan bool{make(chan bool), make(chan bool)}
	var waiters sync.WaitGroup
	for i := range 2 {
		q := d.port.RxQueue(i)
		waiters.Go(func() {
			for range proceed[i] { // the desk's cache is one for both queues
				woke[i] <- q.Wait(ctx)
			}
		})
		proceed[i] <- true
	}
	bufs := make([]*pktbuf.Buf, 2)
	random := rand.New(rand.NewPCG(1, 1))
	for range 60 {
		i := random.IntN(2)
		r.deliver(frames[i][0])
		select {
		case err := <-woke[i]:
			require.NoError(t, err)
		case err := <-woke[1-i]:
			require.Fail(t, "the other queue's goroutine woke", "%v", err)
		}
		require.Equal(t, 1, d.port.RxQueue(i).Recv(bufs))
		require.Equal(t, frames[i][0], bufs[0].Bytes())
		d.cache.PutN(bufs[:1])
		proceed[i] <- true
	}

	// Both at once; and then one is told to give up, and the other waits on.
	r.deliver(frames[0][0], frames[1][0])
	for i := range 2 {
		require.NoError(t, <-woke[i])
		require.Equal(t, 1, d.port.RxQueue(i).Recv(bufs))
		d.cache.PutN(bufs[:1])
	}
	close(proceed[0])
	short, cancelShort := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- d.port.RxQueue(0).Wait(short) }()
	proceed[1] <- true
	cancelShort()
	require.ErrorIs(t, <-done, context.Canceled)
	r.deliver(frames[1][1])
	require.NoError(t, <-woke[1])
	require.Equal(t, 1, d.port.RxQueue(1).Recv(bufs))
	d.cache.PutN(bufs[:1])
	close(proceed[1])
	waiters.Wait()
}

// testInterruptsOff counts: a port that is polled takes no interrupt, one that
// waits takes about one for each time that it does, and one that waits for nothing
// takes none.
func testInterruptsOff(t *testing.T, r *rig) {
	d := r.open(t)
	p := nicring.NewPoller(d.rx, nicring.PollerConfig{})
	bufs := make([]*pktbuf.Buf, 8)
	take := func(n int) {
		for got := 0; got < n; {
			k, err := p.Recv(t.Context(), bufs)
			require.NoError(t, err)
			d.cache.PutN(bufs[:k])
			got += k
		}
	}
	before := d.stat("interrupts_taken")
	for i := range 20 {
		r.deliver(r.frames(8*i, 8)...)
		d.recv(8, 8)
	}
	require.Equal(t, before, d.stat("interrupts_taken"), "while it was polled")

	before = d.stat("interrupts_taken")
	taken := func() uint64 { return d.stat("interrupts_taken") - before }
	naps := uint64(0)
	for ; taken() < 10; naps++ {
		require.Less(t, naps, uint64(200), "a look at the queue may come before an interrupt, but not each time")
		done := make(chan bool)
		go func() {
			take(1)
			close(done)
		}()
		const ims = 0xD0
		d.await(func() bool { return r.card.Read32(ims) != 0 }, "sleep")
		r.deliver(r.frame(int(naps), 100))
		<-done
	}
	require.LessOrEqual(t, taken(), 2*naps, "one for each nap, and a few without cause")
}

// TestInterruptsTaken counts them where there are others who wait for something else:
// none for what came before the wait, one for a frame, and none for nobody.
func TestInterruptsTaken(t *testing.T) {
	const ims = 0xD0
	r, card := memoryRig(t)
	d := r.open(t)
	taken := func(want uint64) {
		t.Helper()
		for range 500 { // of which an interrupt that nobody takes back would be seen by some
			require.Equal(t, want, d.stat("interrupts_taken"))
		}
	}
	r.deliver(r.frames(0, 3)...)
	d.recv(3, 3)
	up, err := d.port.Link()
	require.NoError(t, err)
	link := make(chan error)
	go func() {
		_, err := d.port.LinkChange(t.Context(), up)
		link <- err
	}()
	d.await(func() bool { return card.Read32(ims) != 0 }, "the wait for the link")
	linkOnly := card.Read32(ims)
	frame := make(chan error)
	go func() { frame <- d.rx.Wait(t.Context()) }()
	d.await(func() bool { return card.Read32(ims) != linkOnly }, "the wait for a frame")
	taken(0)
	r.deliver(r.frame(1, 100))
	require.NoError(t, <-frame)
	taken(1)
	require.Equal(t, linkOnly, card.Read32(ims))
	d.recv(1, 1)

	ctx, cancel := context.WithCancel(t.Context())
	go func() { frame <- d.rx.Wait(ctx) }()
	d.await(func() bool { return card.Read32(ims) != linkOnly }, "the wait for a frame")
	cancel()
	require.ErrorIs(t, <-frame, context.Canceled)
	require.Equal(t, linkOnly, card.Read32(ims))
	r.deliver(r.frame(1, 100))
	d.recv(1, 1)
	taken(1)
	card.SetLink(false)
	require.NoError(t, <-link)
	taken(2)
	require.Zero(t, card.Read32(ims))
}

// TestInterruptIsTakenBack has somebody wait on one queue and a frame come for the
// other. The card interrupts, having one interrupt for both, and no second time.
func TestInterruptIsTakenBack(t *testing.T) {
	const ims = 0xD0
	r, card := memoryRig(t)
	d, frames := r.twoQueues(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.port.RxQueue(1).Wait(ctx) }()
	d.await(func() bool { return card.Read32(ims) != 0 }, "the wait")
	r.deliver(frames[0][0])
	require.NoError(t, d.rx.Wait(t.Context()))
	d.await(func() bool { return d.stat("interrupts_taken") > 0 }, "the interrupt")
	for range 500 {
		require.EqualValues(t, 1, d.stat("interrupts_taken"))
	}
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	d.recv(1, 1)
}

// stat returns one of the port's statistics.
func (d *desk) stat(name string) uint64 {
	d.t.Helper()
	stats, err := d.port.ExtendedStats()
	require.NoError(d.t, err)
	for n, v := range stats {
		if n == name {
			return v
		}
	}
	require.Fail(d.t, "no such statistic", name)
	return 0
}

// testLinkChange waits for the link to go down and to come up.
func testLinkChange(t *testing.T, r *rig) {
	d := r.open(t)
	up := nicring.Link{Up: true, Mbps: 1000, FullDuplex: true}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	link, err := d.port.LinkChange(ctx, nicring.Link{})
	require.NoError(t, err)
	require.Equal(t, up, link)
	for range 3 {
		for _, want := range []nicring.Link{{}, up} {
			done := make(chan nicring.Link)
			go func() {
				got, _ := d.port.LinkChange(ctx, link)
				done <- got
			}()
			r.setLink(want.Up)
			link = <-done
			require.Equal(t, want, link)
		}
	}
	cancel()
	_, err = d.port.LinkChange(ctx, link)
	require.ErrorIs(t, err, context.Canceled)
	d.port.Close()
	_, err = d.port.LinkChange(t.Context(), link)
	require.ErrorContains(t, err, "the port is closed")
}

// testInterruptGap reads what the card was told.
func testInterruptGap(t *testing.T, r *rig) {
	const itr = 0xC4
	for _, c := range []struct {
		gap  time.Duration
		want uint32
	}{{0, 195}, {1, 0}, {time.Millisecond, 3906}} {
		d := r.open(t, func(cfg *e1000e.Config) { cfg.InterruptGap = c.gap })
		if !r.floorsGap {
			require.Equal(t, c.want, r.card.Read32(itr)&0xFFFF)
		}
		done := make(chan error)
		go func() { done <- d.rx.Wait(t.Context()) }()
		r.deliver(r.frame(1, 100))
		require.NoError(t, <-done)
		d.recv(1, 1)
		d.close()
	}
}

// TestWaitersOfARemovedCard are woken, all of them.
func TestWaitersOfARemovedCard(t *testing.T) {
	r, card := memoryRig(t)
	d, _ := r.twoQueues(t)
	done := make(chan error)
	for i := range 2 {
		go func() { done <- d.port.RxQueue(i).Wait(t.Context()) }()
	}
	go func() {
		_, err := d.port.LinkChange(t.Context(), nicring.Link{Up: true, Mbps: 1000, FullDuplex: true})
		done <- err
	}()
	card.Remove()
	for range 3 {
		require.ErrorIs(t, <-done, nicring.ErrRemoved)
	}
}

// TestRemovedWithoutNotice has registers read all ones and nobody say so, as when
// the kernel does not notice.
func TestRemovedWithoutNotice(t *testing.T) {
	r, card := memoryRig(t)
	s := &silent{Card: card}
	r.card = s
	d := r.open(t)
	done := make(chan error)
	go func() { done <- d.rx.Wait(t.Context()) }()
	s.off.Store(true)
	require.ErrorIs(t, <-done, nicring.ErrRemoved)
}

// TestRemovedWhileCounted has the card go as its counters are read. What it does not
// answer is no count.
func TestRemovedWhileCounted(t *testing.T) {
	for _, counter := range []uint32{0x4010, 0x4088, 0x408C} { // MPC, GORCL, GORCH
		r, card := memoryRig(t)
		s := &silent{Card: card}
		r.card = s
		d := r.open(t)
		r.deliver(r.frames(0, 10)...)
		d.recv(10, 4)
		s.last.Store(counter)
		d.await(func() bool { // the port counts by itself, too
			_, err := d.port.Stats()
			return err != nil
		}, "the port to see that its card has gone")
		stats, err := d.port.Stats()
		require.ErrorIs(t, err, nicring.ErrRemoved)
		require.Less(t, stats.RxMissed+stats.RxPackets+stats.RxBytes, uint64(1e6))
		d.close()
	}
}

// A silent card ceases to answer: from now on, or from a register on that is read.
type silent struct {
	*nictest.Card
	off  atomic.Bool
	last atomic.Uint32
}

func (s *silent) Read32(offset uint32) uint32 {
	if offset == s.last.Load() && offset != 0 {
		s.off.Store(true)
	}
	if s.off.Load() {
		return 0xFFFFFFFF
	}
	return s.Card.Read32(offset)
}

// A tapped card calls a function before a register is written.
type tapped struct {
	*nictest.Card
	mu     sync.Mutex
	offset uint32
	once   func()
}

func (c *tapped) before(offset uint32, once func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.once = offset, once
}

func (c *tapped) Write32(offset, value uint32) {
	c.mu.Lock()
	once := c.once
	if once != nil && offset == c.offset {
		c.once = nil
	} else {
		once = nil
	}
	c.mu.Unlock()
	if once != nil {
		once()
	}
	c.Card.Write32(offset, value)
}

// TestFrameAsTheMaskOpens has a frame come after the queue was found empty, and its
// interrupt be taken back by the wait that begins: only a second look finds it. The
// port's own looks would find it too, some day, but they count what they find.
func TestFrameAsTheMaskOpens(t *testing.T) {
	const icr, ims = 0xC0, 0xD0
	for _, at := range []uint32{icr, ims} {
		r, card := memoryRig(t)
		tap := &tapped{Card: card}
		r.card = tap
		d := r.open(t)
		tap.before(at, func() { r.deliver(r.frame(1, 100)) })
		require.NoError(t, d.rx.Wait(t.Context()))
		d.recv(1, 1)

		// The same as the mask opens again after a reset, for one who waits.
		done := make(chan error)
		go func() { done <- d.rx.Wait(t.Context()) }()
		d.await(func() bool { return card.Read32(ims) != 0 }, "the wait")
		tap.before(at, func() { r.deliver(r.frame(2, 100)) })
		require.NoError(t, d.port.Reset())
		require.NoError(t, <-done)
		d.recv(1, 1)
		require.Zero(t, d.stat("interrupts_missed"))
		d.close()
	}
}

// TestNoWakeUpIsLost races arrivals with the opening of the mask, many times and
// with both queues of one interrupt.
func TestNoWakeUpIsLost(t *testing.T) {
	r, _ := memoryRig(t)
	d, frames := r.twoQueues(t)
	n := 4000
	if testing.Short() {
		n = 500
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var cache sync.Mutex // one cache, two goroutines
	seen := [2]chan bool{make(chan bool, 1), make(chan bool, 1)}
	errs := make(chan error, 2)
	for i := range 2 {
		q := d.port.RxQueue(i)
		go func() {
			bufs := make([]*pktbuf.Buf, 4)
			for got := 0; got < n; {
				if err := q.Wait(ctx); err != nil {
					errs <- err
					return
				}
				cache.Lock()
				k := q.Recv(bufs)
				d.cache.PutN(bufs[:k])
				cache.Unlock()
				for range k {
					seen[i] <- true
				}
				got += k
			}
			errs <- nil
		}()
	}
	var senders sync.WaitGroup
	for i := range 2 {
		senders.Go(func() {
			for range n {
				r.deliver(frames[i][0])
				select {
				case <-seen[i]: // the next comes when the queue goes back to sleep
				case <-ctx.Done():
					return
				}
			}
		})
	}
	senders.Wait()
	require.NoError(t, <-errs)
	require.NoError(t, <-errs)
	require.Less(t, d.stat("interrupts_taken"), uint64(4*n))
	require.LessOrEqual(t, d.stat("interrupts_missed"), uint64(3), "a look may come before an interrupt, but that is rare")
}

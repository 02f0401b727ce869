package nicring_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// A fakeQueue is a receive queue that counts what is asked of it.
type fakeQueue struct {
	mu           sync.Mutex
	frames       []*pktbuf.Buf
	noBuffers    bool // Recv has frames and cannot give them
	gone         bool
	changed      chan struct{} // closed and replaced by every change
	recvs, waits int
	waiting      int

	look func(n int) // if not nil, called by the nth Recv with mu held
}

func newFakeQueue() *fakeQueue { return &fakeQueue{changed: make(chan struct{})} }

// do changes the queue and wakes who waits.
func (q *fakeQueue) do(change func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	change()
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *fakeQueue) put(frames ...*pktbuf.Buf) {
	q.do(func() { q.frames = append(q.frames, frames...) })
}

func (q *fakeQueue) Recv(bufs []*pktbuf.Buf) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.recvs++
	if q.look != nil {
		q.look(q.recvs)
	}
	if q.noBuffers {
		return 0
	}
	n := copy(bufs, q.frames)
	q.frames = q.frames[n:]
	return n
}

func (q *fakeQueue) Wait(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waits++
	for len(q.frames) == 0 {
		if q.gone {
			return nicring.ErrRemoved
		}
		changed := q.changed
		q.waiting++
		q.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		}
		q.mu.Lock()
		q.waiting--
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

func (q *fakeQueue) counts() (recvs, waits, waiting int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.recvs, q.waits, q.waiting
}

// asleep waits until somebody is in Wait for the nth time.
func (q *fakeQueue) asleep(t *testing.T, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		_, waits, waiting := q.counts()
		return waits == n && waiting == 1
	}, 20*time.Second, 100*time.Microsecond)
}

func frames(n int) []*pktbuf.Buf {
	all := make([]*pktbuf.Buf, n)
	for i := range all {
		all[i] = new(pktbuf.Buf)
	}
	return all
}

// TestPollerLoadedNeverWaits counts: as long as there are frames, each Recv looks
// once and none asks for an interrupt.
func TestPollerLoadedNeverWaits(t *testing.T) {
	q := newFakeQueue()
	idle := 0
	p := nicring.NewPoller(q, nicring.PollerConfig{Budget: 10, Idle: func() { idle++ }})
	all := frames(1000)
	q.put(all...)
	bufs := make([]*pktbuf.Buf, 7)
	var got []*pktbuf.Buf
	for len(got) < len(all) {
		n, err := p.Recv(t.Context(), bufs)
		require.NoError(t, err)
		got = append(got, bufs[:n]...)
	}
	require.Equal(t, all, got)
	recvs, waits, _ := q.counts()
	require.Equal(t, (1000+6)/7, recvs)
	require.Zero(t, waits)
	require.Zero(t, idle)
}

// TestPollerIdleSleeps counts: each frame after a silence costs one wait and two
// looks, however long the silence.
func TestPollerIdleSleeps(t *testing.T) {
	q := newFakeQueue()
	idle := 0
	p := nicring.NewPoller(q, nicring.PollerConfig{Idle: func() { idle++ }})
	const n = 20
	done := make(chan error)
	go func() {
		bufs := make([]*pktbuf.Buf, 4)
		for got := 0; got < n; {
			k, err := p.Recv(context.Background(), bufs)
			if err != nil {
				done <- err
				return
			}
			got += k
		}
		done <- nil
	}()
	for i := range n {
		q.asleep(t, i+1)
		q.put(frames(1)...)
	}
	require.NoError(t, <-done)
	recvs, waits, _ := q.counts()
	require.Equal(t, n, waits)
	require.Equal(t, 2*n, recvs)
	require.Equal(t, n, idle)
}

// TestPollerGivesWay has a queue that never runs dry on the only processor there is:
// after as many frames as the budget has, others run.
func TestPollerGivesWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	q := newFakeQueue()
	frame := frames(1)
	q.look = func(int) { q.frames = frame }
	p := nicring.NewPoller(q, nicring.PollerConfig{Budget: 10})
	bufs := make([]*pktbuf.Buf, 1)
	var ran atomic.Bool
	go ran.Store(true)
	for got := 0; !ran.Load(); got++ { // the runtime would take the processor away some day
		require.Less(t, got, 1000)
		p.TryRecv(bufs)
	}
}

// TestPollerBusyPolls has a frame come while the poller still polls: no wait.
func TestPollerBusyPolls(t *testing.T) {
	q := newFakeQueue()
	p := nicring.NewPoller(q, nicring.PollerConfig{Busy: math.MaxInt64})
	done := make(chan int)
	go func() {
		n, _ := p.Recv(context.Background(), make([]*pktbuf.Buf, 4))
		done <- n
	}()
	require.Eventually(t, func() bool { recvs, _, _ := q.counts(); return recvs > 2000 }, 20*time.Second, time.Millisecond)
	q.put(frames(3)...)
	require.Equal(t, 3, <-done)
	_, waits, _ := q.counts()
	require.Zero(t, waits)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	recvs, _, _ := q.counts()
	q.look = func(n int) {
		if n == recvs+1000 { // who does not see that ctx is done is not to poll for ever
			q.frames = frames(1)
		}
	}
	_, err := p.Recv(ctx, make([]*pktbuf.Buf, 4))
	require.ErrorIs(t, err, context.Canceled)
}

// TestPollerBusyEnds has the time of polling be over before the first frame comes:
// the poller waits for the interrupt.
func TestPollerBusyEnds(t *testing.T) {
	q := newFakeQueue()
	q.look = func(n int) {
		if n == 1e4 && q.waits == 0 {
			q.frames = frames(1)
		}
	}
	p := nicring.NewPoller(q, nicring.PollerConfig{Busy: time.Nanosecond})
	done := make(chan bool)
	go func() {
		p.Recv(context.Background(), make([]*pktbuf.Buf, 4))
		close(done)
	}()
	require.Eventually(t, func() bool {
		recvs, _, waiting := q.counts()
		return waiting == 1 || recvs >= 1e4
	}, 20*time.Second, 100*time.Microsecond)
	q.put(frames(1)...)
	<-done
	_, waits, _ := q.counts()
	require.Equal(t, 1, waits)
}

// TestPollerBusySinceTheLastFrame has hours go by between frames, and each come
// while the poller polls that waited for it: there never was an hour without.
func TestPollerBusySinceTheLastFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		q.look = func(n int) {
			if n%100 == 0 {
				q.frames = frames(1)
			}
		}
		p := nicring.NewPoller(q, nicring.PollerConfig{Busy: time.Hour})
		for range 5 {
			n, err := p.Recv(t.Context(), make([]*pktbuf.Buf, 4))
			require.NoError(t, err)
			require.Equal(t, 1, n)
			time.Sleep(2 * time.Hour)
		}
		recvs, waits, _ := q.counts()
		require.Equal(t, 500, recvs)
		require.Zero(t, waits)
	})
}

func TestPollerErrors(t *testing.T) {
	q := newFakeQueue()
	p := nicring.NewPoller(q, nicring.PollerConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	bufs := make([]*pktbuf.Buf, 4)
	_, err := p.Recv(ctx, bufs)
	require.EqualError(t, err, "nicring: receive: context canceled")
	q.put(frames(2)...)
	n, err := p.Recv(ctx, bufs)
	require.NoError(t, err, "frames that have come")
	require.Equal(t, 2, n)
	n, err = p.Recv(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, n)

	q.do(func() { q.gone = true })
	require.ErrorIs(t, p.Run(t.Context(), func([]*pktbuf.Buf) {}), nicring.ErrRemoved)
	<-p.Ready()
	_, err = p.TryRecv(bufs)
	require.ErrorIs(t, err, nicring.ErrRemoved)
	require.Panics(t, func() { nicring.NewPoller(q, nicring.PollerConfig{Busy: -1}) })
}

// TestPollerStarved has frames that cannot be received for want of buffers: the
// poller slows down, by whichever way it waits, and goes on when there are some.
func TestPollerStarved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock goes only while everybody sleeps
		q := newFakeQueue()
		p := nicring.NewPoller(q, nicring.PollerConfig{})
		bufs := make([]*pktbuf.Buf, 4)
		q.noBuffers = true
		q.put(frames(2)...)
		q.look = func(n int) { q.noBuffers = n < 3000 }
		began := time.Now()
		n, err := p.Recv(t.Context(), bufs)
		require.NoError(t, err)
		require.Equal(t, 2, n)
		require.Greater(t, time.Since(began), time.Second)

		q.look = nil
		q.noBuffers = true
		q.put(frames(3)...)
		began = time.Now()
		for range 100 {
			<-p.Ready()
			n, err := p.TryRecv(bufs)
			require.NoError(t, err)
			require.Zero(t, n)
		}
		require.GreaterOrEqual(t, time.Since(began), 99*time.Millisecond)

		q.do(func() { q.noBuffers = false })
		n, _ = p.TryRecv(bufs)
		require.Equal(t, 3, n)
		p.Ready()
		synctest.Wait()
		_, _, waiting := q.counts()
		require.Equal(t, 1, waiting, "it is starved no more, and waits at once")
		p.Close()
	})
}

// TestPollerRun hands over every frame, in order, and ends with its context.
func TestPollerRun(t *testing.T) {
	q := newFakeQueue()
	all := frames(500)
	q.put(all[:200]...)
	ctx, cancel := context.WithCancel(t.Context())
	var got []*pktbuf.Buf
	err := nicring.NewPoller(q, nicring.PollerConfig{}).Run(ctx, func(bufs []*pktbuf.Buf) {
		got = append(got, bufs...)
		switch len(got) {
		case 200:
			go q.put(all[200:]...)
		case 500:
			cancel()
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, all, got)
}

// TestReadyBeginsAnew has a frame be taken whose wake-up was not: neither it nor the
// wait that was for it is there for what follows.
func TestReadyBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newFakeQueue()
		idle := 0
		p := nicring.NewPoller(q, nicring.PollerConfig{Idle: func() { idle++ }})
		bufs := make([]*pktbuf.Buf, 4)
		p.Ready()
		q.put(frames(1)...)
		synctest.Wait()
		n, err := p.TryRecv(bufs)
		require.NoError(t, err)
		require.Equal(t, 1, n)

		ready := p.Ready()
		synctest.Wait()
		require.Empty(t, ready)
		require.Equal(t, ready, p.Ready(), "one wait, however often one asks")
		_, waits, waiting := q.counts()
		require.Equal(t, []int{2, 1, 2}, []int{waits, waiting, idle})

		n, err = p.TryRecv(bufs) // for another reason
		require.NoError(t, err)
		require.Zero(t, n)
		_, _, waiting = q.counts()
		require.Zero(t, waiting, "the interrupt stays on")

		p.Ready()
		synctest.Wait()
		p.Close()
		_, _, waiting = q.counts()
		require.Zero(t, waiting, "after Close")

		q.do(func() { q.gone = true })
		<-p.Ready()
		_, err = p.TryRecv(bufs)
		require.ErrorIs(t, err, nicring.ErrRemoved)
	})
}

// TestReady selects over two pollers. Nothing is lost, nothing is waited for in
// vain, and the waits that others ended leave nothing behind.
func TestReady(t *testing.T) {
	queues := []*fakeQueue{newFakeQueue(), newFakeQueue()}
	var pollers []*nicring.Poller
	for _, q := range queues {
		pollers = append(pollers, nicring.NewPoller(q, nicring.PollerConfig{}))
	}
	const n = 300
	go func() {
		for i := range n {
			queues[i*i/7%2].put(frames(1)...)
		}
	}()
	bufs := make([]*pktbuf.Buf, 4)
	for got := 0; got < n; {
		moved := 0
		for _, p := range pollers {
			k, err := p.TryRecv(bufs)
			require.NoError(t, err)
			moved += k
		}
		if got += moved; moved > 0 {
			continue
		}
		select {
		case <-pollers[0].Ready():
		case <-pollers[1].Ready():
		case <-time.After(20 * time.Second):
			require.Fail(t, "slept through a frame", "%d of %d came", got, n)
		}
	}
	for i, p := range pollers {
		p.Ready()
		p.Close()
		_, _, waiting := queues[i].counts()
		require.Zero(t, waiting)
		select {
		case <-p.Ready():
			require.Fail(t, "ready with nothing to receive")
		case <-time.After(time.Millisecond):
		}
		p.Close()
	}
	queues[0].do(func() { queues[0].gone = true })
	<-pollers[0].Ready()
	_, err := pollers[0].TryRecv(bufs)
	require.True(t, errors.Is(err, nicring.ErrRemoved))
}

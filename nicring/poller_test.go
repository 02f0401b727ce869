package nicring_test

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
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
	p := nicring.NewPoller(q, nicring.PollerConfig{})
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
	_, err := p.Recv(ctx, make([]*pktbuf.Buf, 4))
	require.ErrorIs(t, err, context.Canceled)

	// And when that time is over it waits.
	p = nicring.NewPoller(q, nicring.PollerConfig{Busy: time.Nanosecond})
	go func() {
		n, _ := p.Recv(context.Background(), make([]*pktbuf.Buf, 4))
		done <- n
	}()
	q.asleep(t, 1)
	q.put(frames(1)...)
	require.Equal(t, 1, <-done)
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
// poller slows down, and goes on when there are some.
func TestPollerStarved(t *testing.T) {
	q := newFakeQueue()
	p := nicring.NewPoller(q, nicring.PollerConfig{})
	q.noBuffers = true
	q.put(frames(2)...)
	done := make(chan int)
	go func() {
		n, _ := p.Recv(context.Background(), make([]*pktbuf.Buf, 4))
		done <- n
	}()
	require.Eventually(t, func() bool { recvs, _, _ := q.counts(); return recvs > 10 }, 20*time.Second, time.Millisecond)
	q.do(func() { q.noBuffers = false })
	require.Equal(t, 2, <-done)
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

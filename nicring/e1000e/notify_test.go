package e1000e_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// testNotify is testWait without a goroutine that waits.
func testNotify(t *testing.T, r *rig) {
	const ims = 0xD0
	d := r.open(t)
	q := d.rx.(nicring.Notifier)
	arrival := func(c <-chan struct{}) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(patience):
			require.Fail(t, "slept through a frame")
		}
	}
	for i := range 20 {
		f := r.frames(2*i, 2)
		var c <-chan struct{}
		if i%2 == 0 {
			c = q.Notify()
			r.deliver(f...)
		} else {
			r.deliver(f...)
			c = q.Notify()
		}
		if i%3 > 0 {
			arrival(c)
		} else {
			d.await(func() bool { return len(c) == 1 }, "a value that nobody receives")
		}
		over, err := q.Ignore()
		require.NoError(t, err)
		require.True(t, over)
		require.Equal(t, f, d.recv(2, 2))

		c = q.Notify()
		require.NotZero(t, r.card.Read32(ims))
		over, err = q.Ignore()
		require.NoError(t, err)
		require.False(t, over, "given up")
		require.Zero(t, r.card.Read32(ims))
		require.Empty(t, c)
	}
}

// TestNotifyTwoQueues has one goroutine wait for two queues of one interrupt. It
// wakes for each frame, and a wait that it gives up leaves nothing behind.
func TestNotifyTwoQueues(t *testing.T) {
	r, card := memoryRig(t)
	d, frames := r.twoQueues(t)
	n := 4000
	if testing.Short() {
		n = 500
	}
	pollers := [2]*nicring.Poller{}
	for i := range pollers {
		pollers[i] = nicring.NewPoller(d.port.RxQueue(i), nicring.PollerConfig{})
	}
	seen := make(chan struct{}, 1)
	go func() {
		for i := range n {
			r.deliver(frames[i*i/7%2][0])
			<-seen // the next comes when the queues go back to sleep
		}
	}()
	bufs := make([]*pktbuf.Buf, 4)
	take := func() (moved int, err error) {
		for _, p := range pollers {
			k, failed := p.TryRecv(bufs)
			d.cache.PutN(bufs[:k])
			moved += k
			if failed != nil {
				err = failed
			}
		}
		return moved, err
	}
	wait := func() {
		select {
		case <-pollers[0].Ready():
		case <-pollers[1].Ready():
		case <-time.After(patience):
			require.Fail(t, "slept through a frame")
		}
	}
	for got := 0; got < n; {
		moved, err := take()
		require.NoError(t, err)
		for range moved {
			seen <- struct{}{}
		}
		if got += moved; moved == 0 {
			wait()
		}
	}
	require.LessOrEqual(t, d.stat("interrupts_missed"), uint64(3), "a look may come before an interrupt, but that is rare")

	go card.Remove()
	_, err := take()
	for ; err == nil; _, err = take() {
		wait()
	}
	require.ErrorIs(t, err, nicring.ErrRemoved)
	for _, p := range pollers {
		p.Close()
	}
}

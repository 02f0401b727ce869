package nicring_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
)

// A notifyingQueue is a fakeQueue that is a Notifier.
type notifyingQueue struct {
	*fakeQueue
	cancel            context.CancelFunc
	over              chan error
	notified, cancels int
	waitsOfAPoller    int // calls of Wait that did not come from Notify
	began             bool
}

func (q *notifyingQueue) Notify() <-chan struct{} {
	if q.began {
		panic("Notify twice")
	}
	q.began = true
	q.notified++
	var ctx context.Context
	ctx, q.cancel = context.WithCancel(context.Background())
	q.over = make(chan error, 1)
	c := make(chan struct{}, 1)
	go func() {
		err := q.fakeQueue.Wait(ctx)
		q.over <- err
		if ctx.Err() == nil {
			c <- struct{}{}
		}
	}()
	return c
}

func (q *notifyingQueue) Ignore() (bool, error) {
	if !q.began {
		panic("Ignore without Notify")
	}
	q.began = false
	q.cancel()
	err := <-q.over
	if err == context.Canceled {
		q.cancels++
		return false, nil
	}
	return true, err
}

func (q *notifyingQueue) Wait(ctx context.Context) error {
	q.waitsOfAPoller++
	return q.fakeQueue.Wait(ctx)
}

// TestReadyOfNotifiers selects over two pollers whose queues need no goroutine: each
// Notify has its Ignore, and nobody calls Wait.
func TestReadyOfNotifiers(t *testing.T) {
	var queues [2]*notifyingQueue
	var pollers [2]*nicring.Poller
	for i := range queues {
		queues[i] = &notifyingQueue{fakeQueue: newFakeQueue()}
		pollers[i] = nicring.NewPoller(queues[i], nicring.PollerConfig{})
	}
	const n = 300
	go func() {
		for i := range n {
			queues[i*i/7%2].put(frames(1)...)
		}
	}()
	bufs := frames(4)
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
		require.Equal(t, pollers[0].Ready(), pollers[0].Ready(), "the same wait")
		select {
		case <-pollers[0].Ready():
		case <-pollers[1].Ready():
		case <-time.After(20 * time.Second):
			require.Fail(t, "slept through a frame", "%d of %d came", got, n)
		}
	}
	for i, q := range queues {
		pollers[i].Close()
		require.False(t, q.began, "a wait that was not ended")
		require.Zero(t, q.waitsOfAPoller)
	}

	// A wait that is given up is one, and says nothing; one that fails says why.
	cancels := queues[1].cancels
	pollers[1].Ready()
	k, err := pollers[1].TryRecv(bufs)
	require.NoError(t, err)
	require.Zero(t, k)
	require.Equal(t, cancels+1, queues[1].cancels)
	queues[0].do(func() { queues[0].gone = true })
	<-pollers[0].Ready()
	_, err = pollers[0].TryRecv(bufs)
	require.ErrorIs(t, err, nicring.ErrRemoved)
	require.ErrorContains(t, err, "nicring: receive: ")
}

// TestStarvedNotifier has frames that no buffer can be had for. The next wait is not
// over at once, or the poller would go round without rest.
func TestStarvedNotifier(t *testing.T) {
	q := &notifyingQueue{fakeQueue: newFakeQueue()}
	p := nicring.NewPoller(q, nicring.PollerConfig{})
	q.noBuffers = true
	q.put(frames(2)...)
	bufs := frames(4)
	<-p.Ready()
	for range 5 {
		n, err := p.TryRecv(bufs)
		require.NoError(t, err)
		require.Zero(t, n)
		<-p.Ready()
	}
	require.Equal(t, 1, q.notified, "after the first wait a moment goes by before each")
	q.do(func() { q.noBuffers = false })
	n, err := p.TryRecv(bufs)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	p.Ready()
	require.Equal(t, 2, q.notified)
	p.Close()
}

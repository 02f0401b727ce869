package nicring

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/spinlock"
)

// PollerConfig says how a Poller divides the processor between its queue and the
// rest. The zero value is one that waits as soon as there is nothing to receive.
type PollerConfig struct {
	// Busy is how long to go on polling after the last frame before asking for an
	// interrupt. It saves the way of an interrupt, some ten to fifty microseconds,
	// wherever the next frame comes sooner, and costs a processor meanwhile.
	Busy time.Duration
	// Budget is how many frames a queue that never runs dry may deliver before
	// other goroutines get their turn; 0 means 300.
	Budget int
	// Idle, if not nil, is called before each wait for an interrupt: the moment
	// to collect what was sent, with Send(nil), or to flush a Cache.
	Idle func()
}

// A Notifier is an RxQueue that can be waited for without a goroutine that waits. A
// wake-up is shorter by one hop, and a wait that is given up costs a few steps.
//
// Ownership. Both methods are for the goroutine that uses the queue, and as between
// Wait and its return there is no Recv between them.
type Notifier interface {
	RxQueue
	// Notify begins to wait. The channel has a value to receive when Wait would
	// return.
	Notify() <-chan struct{}
	// Ignore ends what Notify began. It reports whether the wait was over, its value
	// received or not, and what Wait would have returned then.
	Ignore() (over bool, err error)
}

// A Poller receives from one queue: by polling while frames come, and by
// interrupt while none do. The interrupt is off for as long as there is work; the
// queue is looked at once more after it has been turned on, so no frame is slept
// through. It is what Linux calls NAPI, for one queue.
//
// Progress. Recv blocks. While it waits for the interrupt it costs no processor
// time.
//
// Ownership. One goroutine at a time uses a Poller, and as long as there is one
// nobody else uses its queue.
//
// Make one with NewPoller.
type Poller struct {
	queue RxQueue
	cfg   PollerConfig

	moved   int       // frames since others had their turn
	quiet   time.Time // when polling began to find nothing; zero while it finds frames
	starved bool      // frames have come, and there was no free buffer for them
	backoff spinlock.Backoff

	// What Ready began: notified, if the queue is a Notifier, or cancel and ended.
	notifier Notifier
	notified <-chan struct{} // nil if there is none

	ready  chan struct{}      // holds one
	cancel context.CancelFunc // ends the wait that Ready began; nil if there is none
	ended  chan struct{}      // closed when that has returned
	err    error              // and with what
}

// NewPoller returns a Poller of q. It panics if Busy or Budget is negative.
func NewPoller(q RxQueue, cfg PollerConfig) *Poller {
	if cfg.Busy < 0 || cfg.Budget < 0 {
		panic(fmt.Sprintf("nicring: Poller with Busy %v and Budget %d: want neither negative", cfg.Busy, cfg.Budget))
	}
	if cfg.Budget == 0 {
		cfg.Budget = 300
	}
	p := &Poller{queue: q, cfg: cfg, ready: make(chan struct{}, 1)}
	p.notifier, _ = q.(Notifier)
	return p
}

// Run calls work with every burst of frames, of 64 at most, until ctx is done or
// the card is gone, and returns why it ended. The buffers are work's; the slice
// is not, once work has returned.
func (p *Poller) Run(ctx context.Context, work func([]*pktbuf.Buf)) error {
	bufs := make([]*pktbuf.Buf, 64)
	for {
		n, err := p.Recv(ctx, bufs)
		if err != nil {
			return err
		}
		work(bufs[:n])
	}
}

// Recv fills bufs as RxQueue.Recv does, and waits until there is something to
// fill them with: its count is 0 only with an error, which wraps that of ctx or
// ErrRemoved, or if bufs is empty. Frames that have come are returned even if ctx
// is done.
func (p *Poller) Recv(ctx context.Context, bufs []*pktbuf.Buf) (int, error) {
	for {
		n, err := p.TryRecv(bufs)
		if n > 0 || err != nil || len(bufs) == 0 {
			return n, err
		}
		if err := p.wait(ctx); err != nil {
			return 0, fmt.Errorf("nicring: receive: %w", err)
		}
	}
}

// TryRecv is Recv for those who do not wait, or wait with Ready: its count may be
// 0. The error is that of a wait that Ready began.
func (p *Poller) TryRecv(bufs []*pktbuf.Buf) (int, error) {
	err := p.disarm()
	if p.moved >= p.cfg.Budget {
		p.moved = 0
		runtime.Gosched()
	}
	n := p.queue.Recv(bufs)
	if n == 0 {
		return 0, err
	}
	p.moved += n
	p.quiet, p.starved = time.Time{}, false
	return n, nil
}

// wait lets some time go by: a little while polling is worth it, and then as much
// as it takes.
func (p *Poller) wait(ctx context.Context) error {
	if p.quiet.IsZero() {
		p.quiet = time.Now()
		p.backoff.Reset()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	switch {
	case p.starved: // a buffer may come home at any time, and nobody says so
		p.backoff.Wait()
	case time.Since(p.quiet) < p.cfg.Busy:
		p.backoff.Wait()
		if p.backoff.Spent() {
			p.backoff.Reset()
		}
		return nil
	}
	p.idle()
	err := p.queue.Wait(ctx)
	p.starved = err == nil
	return err
}

func (p *Poller) idle() {
	p.moved = 0
	if p.cfg.Idle != nil {
		p.cfg.Idle()
	}
}

// Ready begins a wait for the interrupt, and returns a channel from which there is
// a value to receive when it is over: TryRecv then has a frame, or an error, or
// neither. It is for those who have more to wait for, as a second Poller or a
// timer: call it each time before a select, after TryRecv has returned 0. TryRecv
// and Recv end the wait.
//
// It is a channel and not a file descriptor since the select of Go is where a
// program's waits come together, and since one interrupt may be the port's for
// several queues: a descriptor that is readable would say too much. Who polls
// descriptors can have a goroutine write to one of its own.
func (p *Poller) Ready() <-chan struct{} {
	switch {
	case p.notified != nil:
		return p.notified
	case p.cancel != nil:
		return p.ready
	}
	p.idle()
	if p.notifier != nil && !p.starved {
		p.notified = p.notifier.Notify()
		return p.notified
	}
	p.arm()
	return p.ready
}

// arm has a goroutine wait.
func (p *Poller) arm() {
	var ctx context.Context
	ctx, p.cancel = context.WithCancel(context.Background())
	p.ended = make(chan struct{})
	starved := p.starved
	go func() {
		defer close(p.ended)
		if starved {
			select {
			case <-time.After(time.Millisecond):
			case <-ctx.Done():
			}
		}
		p.err = p.queue.Wait(ctx)
		p.ready <- struct{}{}
	}()
}

// disarm ends the wait that Ready began, and returns what it failed with.
func (p *Poller) disarm() error {
	if p.notified != nil {
		p.notified = nil
		if over, err := p.notifier.Ignore(); over {
			return p.waited(err)
		}
		return nil
	}
	if p.cancel == nil {
		return nil
	}
	cancelled := true
	select {
	case <-p.ended:
		cancelled = false
	default:
	}
	p.cancel()
	<-p.ended
	p.cancel = nil
	select {
	case <-p.ready:
	default:
	}
	if cancelled {
		return nil
	}
	return p.waited(p.err)
}

// waited notes how a wait ended that nobody else did.
func (p *Poller) waited(err error) error {
	p.starved = err == nil
	if err != nil {
		return fmt.Errorf("nicring: receive: %w", err)
	}
	return nil
}

// Close ends the wait that Ready began. It has to come before the port's.
func (p *Poller) Close() { p.disarm() }

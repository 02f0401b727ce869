package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/nicring/uio"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/spinlock"
)

// A rig is one card or two, and the memory they reach.
type rig struct {
	cards  []e1000e.Card
	region pktbuf.Region
	close  func() error // lets the cards go, and then the memory

	// Of cards made of memory there is more. turn does some of their work, and
	// that of what is around them; it returns how much. For the forwarder, demo is
	// what is around them.
	turn func() int
	demo *demo
}

// demoRig makes a rig of two cards of memory, and returns them once more as what
// they are.
func demoRig(size int) (*rig, [2]*nictest.Card) {
	mem := nictest.NewMemory(size)
	cards := [2]*nictest.Card{demoCard(mem, 0), demoCard(mem, 1)}
	return &rig{
		cards:  []e1000e.Card{cards[0], cards[1]},
		region: mem.Region(),
		turn:   func() int { return cards[0].Step() + cards[1].Step() },
		close:  func() error { return nil },
	}, cards
}

// openRig opens cards in slots for a command, and so much memory.
func openRig(command string, addrs []string, size int) (_ *rig, err error) {
	r := new(rig)
	var closers []func() error
	r.close = func() (err error) {
		for _, c := range closers {
			err = errors.Join(err, c())
		}
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.close())
		}
	}()
	for _, addr := range addrs {
		card, err := uio.Open(addr)
		if err != nil {
			return nil, err
		}
		closers = append(closers, card.Close)
		if err := checkDriver(command, card.Info()); err != nil {
			return nil, err
		}
		r.cards = append(r.cards, card)
	}
	mem, err := uio.NewMemory(size)
	if err != nil {
		return nil, err
	}
	closers = append(closers, mem.Close)
	r.region = mem.Region()
	return r, nil
}

// memorySize is what so many buffers of size bytes and so many descriptors in four
// rings take, rounded up to huge pages.
func memorySize(buffers, size, descriptors int) int {
	const (
		page       = 2 << 20
		descriptor = 16
	)
	perPage := page / (pktbuf.Headroom + size + cpu.LineSize)
	return page * (buffers/perPage + descriptors*descriptor/page + 2)
}

// closePorts takes the cards off memory and sees that every buffer has come back.
// A card that cannot be taken off keeps its own.
func closePorts(ports []nicring.Port, caches []*pktbuf.Cache, pool *pktbuf.Pool) (err error) {
	for _, p := range ports {
		err = errors.Join(err, p.Close())
	}
	if err != nil {
		return err
	}
	for _, c := range caches {
		c.Flush()
	}
	return pool.Close()
}

// awaitLinks gives the links a few seconds to come up. A link that is down keeps
// nobody from going on.
func awaitLinks(ctx context.Context, ports []nicring.Port) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	for _, p := range ports {
		if err := nicring.WaitLink(ctx, p); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// awaitRemoval returns nil when ctx is done, or an error when the card of a port
// is taken away, which its registers need not show.
func awaitRemoval(ctx context.Context, command string, p nicring.Port) error {
	link, err := p.Link()
	for err == nil {
		link, err = p.LinkChange(ctx, link)
	}
	switch {
	case errors.Is(err, nicring.ErrRemoved):
		return fmt.Errorf("%s: %s: %w", command, p, nicring.ErrRemoved)
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// everySecond calls tick once a second, until ctx is done or the card of one of
// the ports is taken away or tick fails.
func everySecond(ctx context.Context, command string, ports []nicring.Port, tick func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	var waiting sync.WaitGroup
	defer waiting.Wait()
	defer cancel()
	gone := make(chan error, len(ports))
	for _, p := range ports {
		waiting.Go(func() { gone <- awaitRemoval(ctx, command, p) })
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-gone:
			return err
		case <-second.C:
			if err := tick(); err != nil {
				return err
			}
		}
	}
}

// limited is ctx that ends after a duration, unless that is 0.
func limited(ctx context.Context, duration time.Duration) (context.Context, context.CancelFunc) {
	if duration > 0 {
		return context.WithTimeout(ctx, duration)
	}
	return context.WithCancel(ctx)
}

// A motor has cards made of memory work.
type motor struct {
	ended   atomic.Bool
	running sync.WaitGroup
}

// start takes turns until stop.
func (m *motor) start(turn func() int) {
	m.running.Go(func() {
		var idle spinlock.Backoff
		for !m.ended.Load() {
			if turn() == 0 {
				idle.Wait()
			} else {
				idle.Reset()
			}
		}
	})
}

// stop returns when the last turn has been taken.
func (m *motor) stop() {
	m.ended.Store(true)
	m.running.Wait()
}

// hasDriver reports whether there is a driver here for a card.
func hasDriver(card uio.Info) bool {
	return card.Vendor == e1000e.Vendor && card.Device == e1000e.Device
}

func checkDriver(command string, card uio.Info) error {
	if hasDriver(card) {
		return nil
	}
	return fmt.Errorf("%s: %s is a %s: there is no driver for it here, only for %s",
		command, card.Address, describe(card.Vendor, card.Device), describe(e1000e.Vendor, e1000e.Device))
}

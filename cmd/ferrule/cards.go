package main

import (
	"errors"
	"fmt"

	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/nicring/uio"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// A rig is two cards, the memory they reach, and what goes on around them.
type rig struct {
	cards  [2]e1000e.Card
	region pktbuf.Region
	demo   *demo        // nil for cards in slots
	close  func() error // lets the cards go, and then the memory
}

// demoRig makes a rig of memory.
func demoRig(size int, newDemo func([2]*nictest.Card) *demo) *rig {
	mem := nictest.NewMemory(size)
	cards := [2]*nictest.Card{demoCard(mem, 0), demoCard(mem, 1)}
	return &rig{
		cards:  [2]e1000e.Card{cards[0], cards[1]},
		region: mem.Region(),
		demo:   newDemo(cards),
		close:  func() error { return nil },
	}
}

// openRig opens two cards in slots, and so much memory.
func openRig(addrs []string, size int) (_ *rig, err error) {
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
	for i, addr := range addrs {
		card, err := uio.Open(addr)
		if err != nil {
			return nil, err
		}
		closers = append(closers, card.Close)
		if err := checkDriver(card.Info()); err != nil {
			return nil, err
		}
		r.cards[i] = card
	}
	mem, err := uio.NewMemory(size)
	if err != nil {
		return nil, err
	}
	closers = append(closers, mem.Close)
	r.region = mem.Region()
	return r, nil
}

// hasDriver reports whether there is a driver here for a card.
func hasDriver(card uio.Info) bool {
	return card.Vendor == e1000e.Vendor && card.Device == e1000e.Device
}

func checkDriver(card uio.Info) error {
	if hasDriver(card) {
		return nil
	}
	return fmt.Errorf("forward: %s is a %s: there is no driver for it here, only for %s",
		card.Address, describe(card.Vendor, card.Device), describe(e1000e.Vendor, e1000e.Device))
}

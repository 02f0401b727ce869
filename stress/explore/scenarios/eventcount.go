package main

import (
	"context"

	"github.com/ferrule-go/ferrule/internal/eventcount"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// eventcountWake has one goroutine wait for what another publishes.
func eventcountWake() ([]func(), func()) {
	var (
		e     eventcount.Event
		ready sched.Uint64
	)
	waiter := func() {
		e.Await(context.Background(), func() bool { return ready.Load() == 1 })
	}
	notifier := func() {
		sched.Publish(&ready, 1)
		e.Notify(1)
	}
	return []func(){waiter, notifier}, func() { nobodyWaits(&e) }
}

func nobodyWaits(e *eventcount.Event) {
	if e.Waited() {
		sched.Fail("somebody is said to wait")
	}
}

// eventcountCancel has two goroutines wait for one thing each, one of them until a
// third gives it up. There is one thing: it must not be lost on who has left.
func eventcountCancel() ([]func(), func()) {
	var (
		e      eventcount.Event
		things sched.Int64
		ctx    = sched.NewContext()
	)
	take := func() bool {
		n := things.Load()
		return n > 0 && things.CompareAndSwap(n, n-1)
	}
	mayLeave := func() {
		if e.Await(ctx, take) == nil { // and so it passes on what it was told of
			things.Add(1)
			e.Notify(1)
		}
	}
	stays := func() { e.Await(context.Background(), take) }
	other := func() {
		things.Add(1)
		e.Notify(1)
		ctx.Cancel()
	}
	return []func(){mayLeave, stays, other}, func() { nobodyWaits(&e) }
}

// eventcountReady has one goroutine select between what becomes ready and the end of
// a context, while others make it ready and end it.
func eventcountReady() ([]func(), func()) {
	var (
		e     eventcount.Event
		ready sched.Uint64
		ctx   = sched.NewContext()
	)
	is := func() bool { return ready.Load() == 1 }
	watcher := func() {
		for !is() {
			if sched.Select(false, sched.On(e.Ready(is)), sched.On(ctx.Done())) == 1 {
				return
			}
		}
	}
	notifier := func() {
		sched.Publish(&ready, 1)
		e.Notify(1)
	}
	return []func(){watcher, notifier, ctx.Cancel}, func() {}
}

// eventcountWatch has one goroutine sleep and another watch, and wakes both at once.
func eventcountWatch() ([]func(), func()) {
	var (
		e     eventcount.Event
		ready sched.Uint64
	)
	is := func() bool { return ready.Load() == 1 }
	watcher := func() { sched.Select(false, sched.On(e.Ready(is))) }
	waiter := func() { e.Await(context.Background(), is) }
	notifier := func() {
		sched.Publish(&ready, 1)
		e.Notify(1)
	}
	return []func(){watcher, waiter, notifier}, func() {}
}

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
	return []func(){waiter, notifier}, func() {
		if e.Waited() {
			sched.Fail("somebody is said to wait")
		}
	}
}

package ringtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// A Way is how a crowd pushes and pops. The zero Way is to try.
type Way struct {
	name string

	// They move some of the items and return how many: none if the ring is full
	// or empty. Those who wait never find that, and those who work in place may be
	// told so because of one another; neither is to be asked.
	push, pop func(r Whole[Item], items []Item) int
	unasked   bool
}

// String returns the name of the way, which names the subtests.
func (w Way) String() string {
	if w.push == nil {
		return "try"
	}
	return w.name
}

// Ways are all but the zero Way.
var Ways = []Way{
	{name: "wait", push: pushWaiting, pop: popWaiting, unasked: true},
	{name: "cancel", push: pushCancelled, pop: popCancelled, unasked: true},
	{name: "select", push: pushReady, pop: popReady, unasked: true},
	{name: "in-place", push: pushInPlace, pop: popInPlace, unasked: true},
	{name: "push-all", push: pushAll, pop: popAvailable},
	{name: "pop-all", push: pushAvailable, pop: popAll},
	{name: "mixed", push: pushAnyhow, pop: popAnyhow, unasked: true},
}

func pushWaiting(r Whole[Item], items []Item) int { return pushUntil(context.Background(), r, items) }
func popWaiting(r Whole[Item], items []Item) int  { return popUntil(context.Background(), r, items) }

func pushUntil(ctx context.Context, r Whole[Item], items []Item) int {
	if len(items) > 1 {
		n, err := r.PushN(ctx, items)
		if (err == nil) != (n == len(items)) {
			panic(fmt.Sprintf("PushN of %d = %d, %v", len(items), n, err))
		}
		return n
	}
	if r.Push(ctx, items[0]) != nil {
		return 0
	}
	return 1
}

func popUntil(ctx context.Context, r Whole[Item], items []Item) (n int) {
	var err error
	if len(items) > 1 {
		n, err = r.PopN(ctx, items)
	} else if items[0], err = r.Pop(ctx); err == nil {
		n = 1
	}
	if (err == nil) != (n > 0) {
		panic(fmt.Sprintf("PopN of %d = %d, %v", len(items), n, err))
	}
	return n
}

// impatient returns a context that is done before long, or already.
func impatient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Duration(rand.IntN(200))*time.Microsecond)
}

func pushCancelled(r Whole[Item], items []Item) int {
	for {
		ctx, cancel := impatient()
		n := pushUntil(ctx, r, items)
		cancel()
		if n > 0 {
			return n
		}
	}
}

func popCancelled(r Whole[Item], items []Item) int {
	for {
		ctx, cancel := impatient()
		n := popUntil(ctx, r, items)
		cancel()
		if n > 0 {
			return n
		}
	}
}

func pushReady(r Whole[Item], items []Item) int {
	for {
		if n := r.TryPushN(items); n > 0 {
			return n
		}
		<-r.PushReady()
	}
}

func popReady(r Whole[Item], items []Item) int {
	for {
		if n := r.TryPopN(items); n > 0 {
			return n
		}
		<-r.PopReady()
	}
}

// pushInPlace now and then commits fewer than it reserved, or none.
func pushInPlace(r Whole[Item], items []Item) int {
	a, b := r.Reserve(len(items))
	n := len(a) + len(b)
	if n == 0 {
		return 0
	}
	copy(b, items[copy(a, items):])
	n -= rand.IntN(n + 1)
	clear(a[min(n, len(a)):])
	clear(b[max(0, n-len(a)):])
	r.Commit(n)
	return n
}

func popInPlace(r Whole[Item], items []Item) int {
	a, b := r.Peek(len(items))
	n := len(a) + len(b)
	if n == 0 {
		return 0
	}
	copy(items[copy(items, a):], b)
	n -= rand.IntN(n + 1)
	r.Release(n)
	return n
}

func pushAvailable(r Whole[Item], items []Item) int { return r.TryPushN(items) }
func popAvailable(r Whole[Item], items []Item) int  { return r.TryPopN(items) }

func pushAll(r Whole[Item], items []Item) int {
	items = items[:min(len(items), r.Cap())]
	if r.TryPushAll(items) {
		return len(items)
	}
	return 0
}

func popAll(r Whole[Item], items []Item) int {
	items = items[:min(len(items), r.Cap())]
	if r.TryPopAll(items) {
		return len(items)
	}
	return 0
}

// pushAnyhow leaves out TryPushAll and TryPopAll, which, being choosy, could
// wait for one another.
func pushAnyhow(r Whole[Item], items []Item) int {
	push := []func(Whole[Item], []Item) int{pushWaiting, pushCancelled, pushReady, pushInPlace, pushAvailable}
	return push[rand.IntN(len(push))](r, items)
}

func popAnyhow(r Whole[Item], items []Item) int {
	pop := []func(Whole[Item], []Item) int{popWaiting, popCancelled, popReady, popInPlace, popAvailable}
	return pop[rand.IntN(len(pop))](r, items)
}

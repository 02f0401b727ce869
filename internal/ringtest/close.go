package ringtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Waiting tries what those meet who wait: Close, done contexts and the sleep in
// between. newRing returns an empty ring, of which closed is the ErrClosed, and on
// each side of which so many may work at once.
func Waiting(t *testing.T, newRing func(capacity int) Whole[int], closed error, perSide int) {
	for _, c := range []struct {
		name string
		try  func(c waiting)
	}{
		{"ClosedIsFullForPushers", closedIsFull},
		{"ClosedIsDrainedByPoppers", closedIsDrained},
		{"CloseWakesPushers", closeWakesPushers},
		{"CloseWakesPoppers", closeWakesPoppers},
		{"CloseBetweenReserveAndCommit", closeBetweenReserveAndCommit},
		{"CancelWakesPushers", cancelWakesPushers},
		{"CancelWakesPoppers", cancelWakesPoppers},
		{"DoneContextHindersNobody", doneContextHindersNobody},
		{"PushNGoesOnAsThereIsRoom", pushNGoesOn},
		{"ReadinessComes", readinessComes},
		{"ReservedAndNotCommittedIsRoom", abandonedReserve},
		{"CloseAtAnyPoint", closeAtAnyPoint},
	} {
		t.Run(c.name, func(t *testing.T) { c.try(waiting{corners{T: t}, newRing, closed, perSide}) })
	}
}

type waiting struct {
	corners
	newRing func(capacity int) Whole[int]
	closed  error
	perSide int
}

var forever = context.Background()

// asleep returns when n goroutines that wait in method are parked in a select: they
// cost nothing. One that spins or dozes instead never is.
func (c waiting) asleep(n int, method string) {
	c.Helper()
	buf := make([]byte, 1<<20)
	for begin := time.Now(); ; runtime.Gosched() {
		parked := 0
		for g := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			head, _, _ := strings.Cut(g, "\n")
			if strings.Contains(head, "[select") && strings.Contains(g, "])."+method+"(") {
				parked++
			}
		}
		if parked == n {
			return
		}
		if time.Since(begin) > patience {
			c.Fatalf("%d goroutines sleep in %s, want %d:\n%s", parked, method, n, buf)
		}
	}
}

// crowd runs work in n goroutines and returns a function that waits for their
// errors.
func (c waiting) crowd(n int, work func() error) (errs func() []error) {
	results := make(chan error, n)
	for range n {
		go func() { results <- work() }()
	}
	return func() (all []error) {
		c.Helper()
		for range n {
			select {
			case err := <-results:
				all = append(all, err)
			case <-time.After(patience):
				c.Fatalf("%d of %d goroutines wait for ever", n-len(all), n)
			}
		}
		return all
	}
}

func (c waiting) all(errs []error, want error) {
	c.Helper()
	for _, err := range errs {
		c.want("errors.Is", errors.Is(err, want), true)
	}
}

func closedIsFull(c waiting) {
	r := c.newRing(4)
	r.TryPush(1)
	c.want("Closed", r.Closed(), false)
	r.Close()
	r.Close()
	c.want("Closed", r.Closed(), true)
	c.want("TryPush", r.TryPush(2), false)
	c.want("TryPushN", r.TryPushN([]int{2, 3}), 0)
	c.want("TryPushAll", r.TryPushAll([]int{2}), false)
	a, b := r.Reserve(2)
	c.want("Reserve", len(a)+len(b), 0)
	c.want("Push", r.Push(forever, 2) == c.closed, true)
	n, err := r.PushN(forever, []int{2, 3})
	c.want("PushN", n, 0)
	c.want("its error", err == c.closed, true)
	c.want("PushReady", isClosed(r.PushReady()), true)
	c.want("Len", r.Len(), 1)
}

func closedIsDrained(c waiting) {
	r := c.newRing(4)
	r.TryPushN([]int{1, 2, 3, 4})
	r.Close()
	v, err := r.Pop(forever)
	c.want("Pop", v, 1)
	c.want("its error", err, nil)
	vs := make([]int, 2)
	n, err := r.PopN(forever, vs)
	c.want("PopN", fmt.Sprint(n, vs, err), fmt.Sprint(2, []int{2, 3}, nil))
	c.want("the rest", slices.Collect(r.All()), []int{4})
	c.want("Len", r.Len(), 0)
	for range 2 {
		_, err = r.Pop(forever)
		c.want("Pop", err == c.closed, true)
		n, err = r.PopN(forever, vs)
		c.want("PopN", n, 0)
		c.want("its error", err == c.closed, true)
		c.want("PopReady", isClosed(r.PopReady()), true)
		_, ok := r.TryPop()
		c.want("TryPop", ok, false)
	}
}

func closeWakesPushers(c waiting) {
	r := c.newRing(2)
	r.TryPushN([]int{1, 2})
	n := c.perSide
	errs := c.crowd(n, func() error { return r.Push(forever, 3) })
	c.asleep(n, "Push")
	r.Close()
	c.all(errs(), c.closed)
	c.want("what is in it", slices.Collect(r.All()), []int{1, 2})
}

func closeWakesPoppers(c waiting) {
	r := c.newRing(2)
	n := c.perSide
	errs := c.crowd(n, func() error { _, err := r.Pop(forever); return err })
	c.asleep(n, "Pop")
	r.Close()
	c.all(errs(), c.closed)
}

func closeBetweenReserveAndCommit(c waiting) {
	r := c.newRing(2)
	a, _ := r.Reserve(1)
	a[0] = 7
	r.Close()
	errs := c.crowd(1, func() error {
		v, err := r.Pop(forever)
		if v != 7 {
			err = fmt.Errorf("popped %d, %v", v, err)
		}
		return err
	})
	c.asleep(1, "Pop")
	r.Commit(1)
	c.all(errs(), nil)
	_, err := r.Pop(forever)
	c.want("Pop when drained", err == c.closed, true)
}

func cancelWakesPushers(c waiting) {
	r := c.newRing(2)
	r.TryPushN([]int{1, 2})
	ctx, cancel := context.WithCancel(forever)
	n := c.perSide
	errs := c.crowd(n, func() error { return r.Push(ctx, 3) })
	c.asleep(n, "Push")
	cancel()
	c.all(errs(), context.Canceled)
	c.want("what is in it", slices.Collect(r.All()), []int{1, 2})
	c.want("Push after all", r.Push(forever, 3), nil)
}

func cancelWakesPoppers(c waiting) {
	r := c.newRing(2)
	ctx, cancel := context.WithCancel(forever)
	n := c.perSide
	errs := c.crowd(n, func() error { _, err := r.Pop(ctx); return err })
	c.asleep(n, "Pop")
	cancel()
	c.all(errs(), context.Canceled)
	r.TryPush(1)
	v, err := r.Pop(forever)
	c.want("Pop after all", fmt.Sprint(v, err), fmt.Sprint(1, nil))
}

func doneContextHindersNobody(c waiting) {
	r := c.newRing(1)
	c.want("Push with room", r.Push(done, 1), nil)
	c.want("Push without", r.Push(done, 2), context.Canceled)
	v, err := r.Pop(done)
	c.want("Pop of a value", fmt.Sprint(v, err), fmt.Sprint(1, nil))
	_, err = r.Pop(done)
	c.want("Pop of none", err, context.Canceled)
	n, err := r.PopN(done, nil)
	c.want("PopN of none", fmt.Sprint(n, err), fmt.Sprint(0, nil))
}

func pushNGoesOn(c waiting) {
	r := c.newRing(2)
	vs := []int{1, 2, 3, 4, 5, 6, 7}
	errs := c.crowd(1, func() error {
		n, err := r.PushN(forever, vs)
		if n != len(vs) {
			err = fmt.Errorf("PushN = %d, %v", n, err)
		}
		return err
	})
	for _, want := range vs {
		v, err := r.Pop(forever)
		c.want("Pop", fmt.Sprint(v, err), fmt.Sprint(want, nil))
	}
	c.all(errs(), nil)
}

func readinessComes(c waiting) {
	r := c.newRing(1)
	ready := r.PopReady()
	c.want("PopReady when empty", isClosed(ready), false)
	r.TryPush(1)
	<-ready
	room := r.PushReady()
	c.want("PushReady when full", isClosed(room), false)
	r.TryPop()
	<-room
	ready = r.PopReady()
	c.want("PopReady when empty", isClosed(ready), false)
	r.Close()
	<-ready
}

func abandonedReserve(c waiting) {
	r := c.newRing(2)
	for range 5 {
		a, b := r.Reserve(2)
		c.want("Reserve", len(a)+len(b), 2)
		r.Commit(0)
		c.want("Len", r.Len(), 0)
		c.want("TryPushN", r.TryPushN([]int{1, 2, 3}), 2)
		a, b = r.Peek(2)
		c.want("Peek", slices.Concat(a, b), []int{1, 2})
		r.Release(0)
		a, b = r.Peek(3)
		c.want("Peek again", slices.Concat(a, b), []int{1, 2})
		r.Release(1)
		c.want("the rest", slices.Collect(r.All()), []int{2})
		c.want("TryPush", r.TryPush(3), true) // so that the next begins at another slot
		c.want("and All", slices.Collect(r.All()), []int{3})
	}
}

// closeAtAnyPoint closes rings that are at work, and wants what was accepted, and
// nothing else, to come out.
func closeAtAnyPoint(c waiting) {
	rounds := 300
	if testing.Short() {
		rounds /= 10
	}
	for round := range rounds {
		r := c.newRing(1 << (round % 3))
		crowd := c.perSide
		var accepted, popped, moved atomic.Int64
		var next atomic.Int64
		var all sync.WaitGroup
		push := c.crowd(crowd, func() error {
			for {
				v := next.Add(1)
				var err error
				switch ctx, cancel := impatient(); v % 3 {
				case 0:
					err = r.Push(ctx, int(v))
					cancel()
				case 1:
					err = r.Push(forever, int(v))
					cancel()
				case 2:
					cancel()
					if a, _ := r.Reserve(1); len(a) == 1 {
						a[0] = int(v)
						r.Commit(1)
					} else {
						err = context.DeadlineExceeded
						if r.Closed() {
							err = c.closed
						}
					}
				}
				switch {
				case err == nil:
					accepted.Add(v)
					moved.Add(1)
				case errors.Is(err, c.closed):
					return err
				case !errors.Is(err, context.DeadlineExceeded):
					return fmt.Errorf("push: %w", err)
				}
			}
		})
		pop := c.crowd(crowd, func() error {
			for {
				ctx, cancel := impatient()
				v, err := r.Pop(ctx)
				cancel()
				popped.Add(int64(v))
				if err != nil && !errors.Is(err, context.DeadlineExceeded) {
					return err
				}
			}
		})
		for until := int64(rand.IntN(100)); moved.Load() < until; {
			runtime.Gosched()
		}
		all.Go(r.Close)
		c.all(push(), c.closed)
		c.all(pop(), c.closed)
		all.Wait()
		c.want("sum of what came out", popped.Load(), accepted.Load())
		c.want("Len", r.Len(), 0)
	}
}

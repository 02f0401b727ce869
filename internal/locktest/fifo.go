package locktest

import (
	"context"
	"slices"
	"sync"
	"testing"
)

// FIFO checks that a lock serves those who wait in the order in which they came.
// Each call of newLock makes a lock and returns, beside what makes its handles,
// a function whose result, of a comparable type, changes whenever someone joins
// the line. So each waiter can come when the one before it stands in line, and
// nothing is left to time.
//
// If handles are Cancellers, some give up their place meanwhile, and the rest
// must be served in the order in which they stand.
func FIFO(t *testing.T, newLock func() (newHandle func() Handle, tail func() any)) {
	t.Run("FIFO", func(t *testing.T) {
		for range 3 {
			newHandle, tail := newLock()
			inOrder(t, newHandle, tail, func() {})
		}
	})
	t.Run("FIFOAfterALongHold", func(t *testing.T) {
		newHandle, tail := newLock()
		inOrder(t, newHandle, tail, linger)
	})
	newHandle, _ := newLock()
	if _, ok := newHandle().(Canceller); ok {
		t.Run("FIFOWithoutThoseWhoLeft", func(t *testing.T) {
			for range 10 {
				newHandle, tail := newLock()
				inOrderWithout(t, newHandle, tail)
			}
		})
	}
}

// join starts a goroutine and returns when it stands in line.
func join(t *testing.T, all *sync.WaitGroup, tail func() any, f func()) {
	t.Helper()
	before := tail()
	all.Go(f)
	until(t, "a waiter stands in line", func() bool { return tail() != before })
}

func inOrder(t *testing.T, newHandle func() Handle, tail func() any, hold func()) {
	const waiters = 20
	var (
		served []int
		all    sync.WaitGroup
	)
	holder := newHandle()
	holder.Lock()
	for n := range waiters {
		join(t, &all, tail, func() {
			h := newHandle()
			h.Lock()
			served = append(served, n)
			h.Unlock()
		})
	}
	hold()
	holder.Unlock()
	finish(t, "in line", &all)
	if len(served) != waiters || !slices.IsSorted(served) {
		t.Errorf("%d waiters were served in the order %v", waiters, served)
	}
}

// inOrderWithout lets every third of those in line leave, the first and the last
// among them, beginning with one in the middle.
func inOrderWithout(t *testing.T, newHandle func() Handle, tail func() any) {
	const waiters = 13
	var (
		served []int
		all    sync.WaitGroup
		leave  [waiters]context.CancelFunc
		left   [waiters]chan error
	)
	holder := newHandle()
	holder.Lock()
	for n := range waiters {
		ctx, cancel := context.WithCancel(t.Context())
		leave[n], left[n] = cancel, make(chan error, 1)
		join(t, &all, tail, func() {
			h := newHandle().(Canceller)
			err := h.LockContext(ctx)
			if err == nil {
				served = append(served, n)
				h.Unlock()
			}
			left[n] <- err
		})
	}
	for _, n := range []int{6, 0, 12, 3, 9} {
		leave[n]()
		receive(t, left[n])
	}
	holder.Unlock()
	finish(t, "in line behind those who left", &all)
	if want := []int{1, 2, 4, 5, 7, 8, 10, 11}; !slices.Equal(served, want) {
		t.Errorf("served in the order %v, want %v", served, want)
	}
	for _, cancel := range leave {
		cancel()
	}
	all.Go(func() {
		h := newHandle()
		h.Lock()
		h.Unlock()
	})
	finish(t, "after the line", &all)
}

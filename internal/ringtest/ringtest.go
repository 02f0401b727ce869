// Package ringtest is the trial that every ring in Ferrule passes, and the
// measure that every ring is put to.
package ringtest

import (
	"context"
	"iter"
)

// A Ring is what the rings have in common: what returns at once.
type Ring[T any] interface {
	TryPush(v T) bool
	TryPop() (v T, ok bool)
	TryPushN(vs []T) int
	TryPopN(vs []T) int
	Len() int
	Cap() int
}

// A Whole is all of a ring.
type Whole[T any] interface {
	Ring[T]

	// All or nothing.
	TryPushAll(vs []T) bool
	TryPopAll(vs []T) bool

	// In place. Reserve and Peek give the slots in two parts, the second of which
	// begins the array anew; they may be fewer than n, and none is to be followed
	// by no Commit or Release. Commit and Release end the claim, and so many of
	// its slots, the first ones, change hands.
	Reserve(n int) (a, b []T)
	Commit(n int)
	Peek(n int) (a, b []T)
	Release(n int)

	// For those who wait. PushN pushes all and returns fewer only with an error;
	// PopN waits for one value and takes what more there is.
	Push(ctx context.Context, v T) error
	Pop(ctx context.Context) (T, error)
	PushN(ctx context.Context, vs []T) (int, error)
	PopN(ctx context.Context, vs []T) (int, error)

	// After Close, TryPush finds the ring full for good, Push and PushN return
	// ErrClosed, and Pop and PopN do when it is empty.
	Close()
	Closed() bool

	// All yields values until the ring is empty.
	All() iter.Seq[T]

	// The channels are closed once a push, or a pop, has a chance: there is room,
	// or a value, or the ring is closed. They are for one look.
	PushReady() <-chan struct{}
	PopReady() <-chan struct{}
}

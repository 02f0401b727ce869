package spsc_test

import (
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc"
)

func TestNewRefusesOtherThanPowersOfTwo(t *testing.T) {
	require.PanicsWithValue(t, "spsc: capacity 0 is not a power of two", func() { spsc.New[int](0) })
	require.PanicsWithValue(t, "spsc: capacity 3 is not a power of two", func() { spsc.New[int](3) })
	require.PanicsWithValue(t, "spsc: capacity -4 is not a power of two", func() { spsc.New[int](-4) })
	require.Panics(t, func() { spsc.New[int](math.MinInt) }, "one bit, and not a power of two")
}

func TestCorners(t *testing.T) {
	ringtest.Corners(t, func(capacity int, n uint64) ringtest.Ring[*int] { return spsc.NewAt[*int](capacity, n) })
}

func TestWaiting(t *testing.T) {
	ringtest.Waiting(t, func(capacity int) ringtest.Whole[int] { return spsc.New[int](capacity) }, spsc.ErrClosed, 1)
}

func TestValuesOfNoSize(t *testing.T) {
	r := spsc.New[struct{}](2)
	require.Equal(t, 2, r.TryPushN(make([]struct{}, 3)))
	require.False(t, r.TryPush(struct{}{}))
	_, ok := r.TryPop()
	require.True(t, ok)
	require.Equal(t, 1, r.Len())
}

func TestValuesOfManyLines(t *testing.T) {
	type frame [1 << 12]byte
	r := spsc.New[frame](2)
	for i := range byte(5) {
		require.True(t, r.TryPush(frame{0: i, 4095: ^i}))
		v, ok := r.TryPop()
		require.True(t, ok)
		require.Equal(t, frame{0: i, 4095: ^i}, v)
	}
}

// A mutex passes each role round among several goroutines. The race detector
// judges whether it is enough.
func TestRolesPassBetweenGoroutines(t *testing.T) {
	const goroutines, each = 4, 500
	r := spsc.New[int](4)
	var producer, consumer sync.Mutex
	var all sync.WaitGroup
	sum := 0
	for range goroutines {
		all.Go(func() {
			for i := range each {
				var w spinlock.Backoff
				for pushed := false; !pushed; w.Wait() {
					producer.Lock()
					pushed = r.TryPush(i)
					producer.Unlock()
				}
			}
		})
		all.Go(func() {
			for range each {
				var w spinlock.Backoff
				for popped := false; !popped; w.Wait() {
					consumer.Lock()
					v, ok := r.TryPop()
					sum += v
					popped = ok
					consumer.Unlock()
				}
			}
		})
	}
	all.Wait()
	require.Equal(t, goroutines*each*(each-1)/2, sum)
}

package mpmc_test

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/mpmc"
)

func TestNewRefusesOtherThanPowersOfTwo(t *testing.T) {
	require.PanicsWithValue(t, "mpmc: capacity 0 is not a power of two", func() { mpmc.New[int](0) })
	require.PanicsWithValue(t, "mpmc: capacity 3 is not a power of two", func() { mpmc.New[int](3) })
	require.PanicsWithValue(t, "mpmc: capacity -4 is not a power of two", func() { mpmc.New[int](-4) })
	require.Panics(t, func() { mpmc.New[int](math.MinInt) }, "one bit, and not a power of two")
}

func TestCorners(t *testing.T) {
	ringtest.Corners(t, func(capacity int, n uint64) ringtest.Ring[*int] { return mpmc.NewAt[*int](capacity, n) })
}

func TestWaiting(t *testing.T) {
	newRing := func(capacity int) ringtest.Whole[int] { return mpmc.NewAt[int](capacity, math.MaxUint64-1) }
	ringtest.Waiting(t, newRing, mpmc.ErrClosed, 3)
}

func TestValuesOfNoSize(t *testing.T) {
	r := mpmc.New[struct{}](2)
	require.Equal(t, 2, r.TryPushN(make([]struct{}, 3)))
	require.False(t, r.TryPush(struct{}{}))
	_, ok := r.TryPop()
	require.True(t, ok)
	require.Equal(t, 1, r.Len())
}

func TestValuesOfManyLines(t *testing.T) {
	type frame [1 << 12]byte
	r := mpmc.New[frame](2)
	for i := range byte(5) {
		require.True(t, r.TryPush(frame{0: i, 4095: ^i}))
		v, ok := r.TryPop()
		require.True(t, ok)
		require.Equal(t, frame{0: i, 4095: ^i}, v)
	}
}

// In a ring with room for all, and then with values for all, nobody may be told
// full or empty, however many are at it. Only when races are lost does this show
// that they are run again.
func TestLostRaceIsNeitherFullNorEmpty(t *testing.T) {
	const goroutines, each, burst = 8, 4096, 15 // a run, and parts of two
	r := mpmc.NewAt[int](goroutines*each*(1+burst), math.MaxUint64-goroutines*each)
	rounds := 60
	if testing.Short() {
		rounds = 8
	}
	var full, empty atomic.Int64
	crowd := func(work func(vs []int)) {
		start := make(chan struct{})
		var all sync.WaitGroup
		for range goroutines {
			all.Go(func() {
				vs := make([]int, burst)
				<-start
				for range each {
					work(vs)
				}
			})
		}
		close(start)
		all.Wait()
	}
	for range rounds {
		crowd(func(vs []int) {
			if !r.TryPush(1) || r.TryPushN(vs) != burst {
				full.Add(1)
			}
		})
		require.Zero(t, full.Load(), "told full")
		require.Equal(t, r.Cap(), r.Len())
		crowd(func(vs []int) {
			if _, ok := r.TryPop(); !ok || r.TryPopN(vs) != burst {
				empty.Add(1)
			}
		})
		require.Zero(t, empty.Load(), "told empty")
		require.Zero(t, r.Len())
	}
}

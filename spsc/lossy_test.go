package spsc_test

import (
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/spsc"
)

func TestNewLossyRefusesOtherThanPowersOfTwo(t *testing.T) {
	require.PanicsWithValue(t, "spsc: capacity 3 is not a power of two", func() { spsc.NewLossy[int](3) })
	require.PanicsWithValue(t, "spsc: capacity 0 is not a power of two", func() { spsc.NewLossy[int](0) })
}

// Random calls of a Lossy and of a slice give the same answers, across the wrap.
func TestLossyModel(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, capacity := range []int{1, 2, 8} {
		for _, start := range []uint64{0, math.MaxUint64 - 20, math.MaxInt64 - 20, math.MaxUint64>>4 - 20} {
			l := spsc.NewLossyAt[int](capacity, start)
			var held []int
			lost := uint64(0)
			for i := range 2000 {
				if random.IntN(5) < 3 {
					l.Push(i)
					if held = append(held, i); len(held) > capacity {
						held, lost = held[1:], lost+1
					}
				} else {
					v, ok := l.TryPop()
					require.Equal(t, len(held) > 0, ok, "cap %d call %d", capacity, i)
					if ok {
						require.Equal(t, held[0], v, "cap %d call %d", capacity, i)
						held = held[1:]
					}
				}
				require.Equal(t, len(held), l.Len(), "cap %d call %d", capacity, i)
				require.Equal(t, lost, l.Lost(), "cap %d call %d", capacity, i)
			}
			require.Equal(t, capacity, l.Cap())
			require.NotZero(t, lost)
		}
	}
}

// What a producer in a hurry pushes comes out whole and in order, or is counted.
func TestLossyStress(t *testing.T) {
	each := 50_000
	if testing.Short() {
		each /= 10
	}
	for _, capacity := range []int{1, 2, 4} {
		l := spsc.NewLossyAt[[3]int](capacity, math.MaxUint64-uint64(each)/2)
		var done atomic.Bool
		go func() {
			for i := 1; i <= each; i++ {
				l.Push([3]int{i, i, i})
				if i%64 == 0 {
					runtime.Gosched()
				}
			}
			done.Store(true)
		}()
		popped, last := 0, 0
		for {
			over := done.Load()
			v, ok := l.TryPop()
			if !ok {
				if over {
					break
				}
				runtime.Gosched()
				continue
			}
			popped++
			require.Equal(t, [3]int{v[0], v[0], v[0]}, v, "torn")
			require.Greater(t, v[0], last)
			last = v[0]
		}
		require.Equal(t, each, last, "the latest is never lost")
		require.EqualValues(t, each, uint64(popped)+l.Lost())
		require.NotZero(t, l.Lost())
		require.NotZero(t, popped)
	}
}

// A popper sleeps, and every push may be the one it waits for.
func TestLossyPopWaits(t *testing.T) {
	l := spsc.NewLossy[int](4)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for i := range 200 {
			for l.Len() > 0 { // so that none is lost
				runtime.Gosched()
			}
			l.Push(i)
		}
	}()
	for i := range 200 {
		if i%2 == 0 {
			<-l.PopReady()
		}
		v, err := l.Pop(ctx)
		require.NoError(t, err)
		require.Equal(t, i, v)
	}
	cancel()
	_, err := l.Pop(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestLossyKeepsNothingAlive(t *testing.T) {
	l := spsc.NewLossy[*[4]int](2)
	var gone []weak.Pointer[[4]int]
	for range 6 {
		v := new([4]int)
		gone = append(gone, weak.Make(v))
		l.Push(v)
	}
	l.TryPop()
	l.TryPop()
	runtime.GC()
	for i, p := range gone {
		require.Nil(t, p.Value(), "value %d", i)
	}
	runtime.KeepAlive(l)
}

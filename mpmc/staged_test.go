package mpmc

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"weak"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/spinlock"
)

func TestNewStagedRefuses(t *testing.T) {
	require.PanicsWithValue(t, "mpmc: capacity 3 is not a power of two", func() { NewStaged[int](3, 1) })
	require.PanicsWithValue(t, "mpmc: -1 stages", func() { NewStaged[int](4, -1) })
	require.PanicsWithValue(t, "mpmc: stage 1 of 1", func() { NewStaged[int](4, 1).Acquire(1, 1) })
}

func TestStagedReleasesInOrder(t *testing.T) {
	for start := range uint64(4) {
		r := newStagedAt[int](4, 1, math.MaxUint64-start)
		vs := make([]int, 8)
		require.Equal(t, 4, r.TryPushN([]int{1, 2, 3, 4, 5}), "there is room for no more")
		require.Zero(t, r.TryPopN(vs), "no value has passed the stage")

		first, second, third := r.Acquire(0, 1), r.Acquire(0, 2), r.Acquire(0, 9)
		require.Equal(t, []int{1, 2, 1}, []int{first.Len(), second.Len(), third.Len()})
		require.Zero(t, r.Acquire(0, 1).Len())
		r.Release(third)
		r.Release(second)
		require.Zero(t, r.TryPopN(vs), "the first is still in hand")
		require.Zero(t, r.TryPushN(vs))
		r.Release(first)
		require.Equal(t, 3, r.TryPopN(vs[:3]), "all move on at once")
		require.Equal(t, []int{1, 2, 3}, vs[:3])
		require.Equal(t, 1, r.Len())
		require.Equal(t, 3, r.TryPushN([]int{6, 7, 8, 9}))
		require.Equal(t, 4, r.Len())
		require.Equal(t, 1, r.TryPopN(vs), "what was pushed since has not passed")
		require.Equal(t, 4, vs[0])
		require.Equal(t, 4, r.Cap())
	}
}

func TestStagedKeepsNothingAlive(t *testing.T) {
	r := newStagedAt[*[4]int](2, 0, 1)
	in := []*[4]int{{}, {}}
	held := []weak.Pointer[[4]int]{weak.Make(in[0]), weak.Make(in[1])}
	require.Equal(t, 2, r.TryPushN(in))
	clear(in)
	require.Equal(t, 2, r.TryPopN(in))
	clear(in)
	runtime.GC()
	require.Nil(t, held[0].Value())
	require.Nil(t, held[1].Value())
	runtime.KeepAlive(r)
}

// Workers of two stages see each value once, the second after the first, and the
// values come out as they went in, across the wrap of the counters.
func TestStagedStress(t *testing.T) {
	values := 20_000
	if testing.Short() {
		values /= 10
	}
	for _, workers := range []int{1, 2, 6} {
		for _, capacity := range []int{1, 2, 4, 16} {
			t.Run(fmt.Sprintf("workers=%d/cap=%d", workers, capacity), func(t *testing.T) {
				type item struct {
					seq, stage int
					by         [2]*int
				}
				const stages = 2
				r := newStagedAt[item](capacity, stages, math.MaxUint64-uint64(values)/2)
				stop := make(chan struct{})
				var all sync.WaitGroup
				for stage := range stages {
					for worker := range workers {
						all.Go(func() {
							var idle spinlock.Backoff
							for {
								b := r.Acquire(stage, 1+worker%3)
								if b.Len() == 0 {
									select {
									case <-stop:
										return
									default:
										idle.Wait()
										continue
									}
								}
								idle.Reset()
								for _, part := range [][]item{b.A, b.B} {
									for i := range part {
										if part[i].stage != stage {
											t.Errorf("value %d came to stage %d from stage %d", part[i].seq, stage, part[i].stage)
										}
										part[i].stage++
										part[i].by[stage] = new(int)
										*part[i].by[stage] = part[i].seq
									}
								}
								if worker%2 == 1 {
									runtime.Gosched() // and let others overtake
								}
								r.Release(b)
							}
						})
					}
				}
				all.Go(func() {
					var full spinlock.Backoff
					for seq := 0; seq < values; {
						burst := make([]item, min(3, values-seq))
						for i := range burst {
							burst[i].seq = seq + i
						}
						if n := r.TryPushN(burst); n > 0 {
							seq += n
							full.Reset()
						} else {
							full.Wait()
						}
					}
				})
				out := make([]item, 5)
				var empty spinlock.Backoff
				for want := 0; want < values; {
					n := r.TryPopN(out)
					if n == 0 {
						empty.Wait()
						continue
					}
					empty.Reset()
					for _, i := range out[:n] {
						whole := i.seq == want && i.stage == stages && !slices.Contains(i.by[:], nil) && *i.by[0] == want && *i.by[1] == want
						if !whole {
							t.Fatalf("got %+v, want number %d", i, want)
						}
						want++
					}
				}
				close(stop)
				all.Wait()
				require.Zero(t, r.Len())
			})
		}
	}
}

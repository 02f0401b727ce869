package spsc_test

import (
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/spsc"
)

// Eight rings at once keep more goroutines at work than there are processors,
// and each crosses the wrap of its counters half way.
func TestStress(t *testing.T) {
	stress(t, 8, ringtest.Crowd{Producers: 1, Consumers: 1, Each: 20_000})
}

// Every way to push and to pop, and all of them at once.
func TestStressInEveryWay(t *testing.T) {
	for _, way := range ringtest.Ways {
		t.Run(fmt.Sprintf("way=%v", way), func(t *testing.T) {
			stress(t, 2, ringtest.Crowd{Producers: 1, Consumers: 1, Each: 2_400, Way: way})
		})
	}
}

func stress(t *testing.T, atOnce int, crowd ringtest.Crowd) {
	if testing.Short() {
		crowd.Each /= 10
	}
	for _, capacity := range []int{1, 2, 4} {
		for _, crowd.Burst = range []int{1, 5} {
			t.Run(fmt.Sprintf("cap=%d/burst=%d", capacity, crowd.Burst), func(t *testing.T) {
				var rings sync.WaitGroup
				for range atOnce {
					rings.Go(func() {
						start := math.MaxUint64 - uint64(crowd.Each)/2
						ringtest.Stress(t, spsc.NewAt[ringtest.Item](capacity, start), crowd)
					})
				}
				rings.Wait()
			})
		}
	}
}

func TestLenFromOutside(t *testing.T) {
	ringtest.LenFromOutside(t, spsc.NewAt[int](1, math.MaxUint64-1000))
}

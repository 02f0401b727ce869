package mpmc_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/mpmc"
)

// The largest crowds outnumber the processors, and every ring crosses the wrap
// of its counters half way.
func TestStress(t *testing.T) {
	const values = 24_000
	for _, crowd := range []ringtest.Crowd{
		{Producers: 1, Consumers: 1},
		{Producers: 2, Consumers: 2},
		{Producers: 8, Consumers: 1},
		{Producers: 1, Consumers: 8},
		{Producers: 16, Consumers: 12},
	} {
		for _, capacity := range []int{1, 2, 4} {
			for _, crowd.Burst = range []int{1, 5} {
				crowd.Each = values / crowd.Producers
				if testing.Short() {
					crowd.Each /= 10
				}
				t.Run(fmt.Sprintf("producers=%d/consumers=%d/cap=%d/burst=%d", crowd.Producers, crowd.Consumers, capacity, crowd.Burst), func(t *testing.T) {
					start := math.MaxUint64 - uint64(crowd.Producers*crowd.Each)/2
					ringtest.Stress(t, mpmc.NewAt[ringtest.Item](capacity, start), crowd)
				})
			}
		}
	}
}

// Bursts have whole runs of slots, parts of them, or both, and take turns with single
// values at the same slots.
func TestStressOfRuns(t *testing.T) {
	const values = 24_000
	mixed := ringtest.Ways[len(ringtest.Ways)-1]
	for _, crowd := range []ringtest.Crowd{{Producers: 1, Consumers: 1}, {Producers: 2, Consumers: 2}, {Producers: 16, Consumers: 12}} {
		for _, capacity := range []int{8, 32} {
			crowd.Way, crowd.Burst, crowd.Each = mixed, 21, values/crowd.Producers
			if testing.Short() {
				crowd.Each /= 10
			}
			t.Run(fmt.Sprintf("producers=%d/consumers=%d/cap=%d", crowd.Producers, crowd.Consumers, capacity), func(t *testing.T) {
				start := math.MaxUint64 - uint64(crowd.Producers*crowd.Each)/2
				ringtest.Stress(t, mpmc.NewAt[ringtest.Item](capacity, start), crowd)
			})
		}
	}
}

func TestLenFromOutside(t *testing.T) {
	ringtest.LenFromOutside(t, mpmc.NewAt[int](1, math.MaxUint64-1000))
}

// Every way to push and to pop, and all of them at once.
func TestStressInEveryWay(t *testing.T) {
	const values = 3000
	for _, way := range ringtest.Ways {
		for _, crowd := range []ringtest.Crowd{
			{Producers: 1, Consumers: 1},
			{Producers: 2, Consumers: 2},
			{Producers: 16, Consumers: 12},
		} {
			for _, capacity := range []int{1, 2, 4} {
				for _, crowd.Burst = range []int{1, 5} {
					crowd.Way, crowd.Each = way, values/crowd.Producers/12*12
					if testing.Short() {
						crowd.Each = max(12, crowd.Each/10/12*12)
					}
					t.Run(fmt.Sprintf("way=%v/producers=%d/consumers=%d/cap=%d/burst=%d", way, crowd.Producers, crowd.Consumers, capacity, crowd.Burst), func(t *testing.T) {
						start := math.MaxUint64 - uint64(crowd.Producers*crowd.Each)/2
						ringtest.Stress(t, mpmc.NewAt[ringtest.Item](capacity, start), crowd)
					})
				}
			}
		}
	}
}

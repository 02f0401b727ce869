package mpmc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/mpmc"
)

func newAt(capacity int, n uint64) ringtest.Whole[uint64] { return mpmc.NewAt[uint64](capacity, n) }

func TestModel(t *testing.T) { ringtest.Model(t, newAt) }

func FuzzModel(f *testing.F) { ringtest.FuzzModel(f, newAt) }

// In the larger rings bursts have whole runs of slots, beside others that have some of one.
func TestLinearizable(t *testing.T) {
	for _, crowd := range []ringtest.Recording{
		{Producers: 1, Consumers: 1, Burst: 3, Capacity: 1},
		{Producers: 2, Consumers: 2, Burst: 3, Capacity: 1},
		{Producers: 2, Consumers: 2, Burst: 12, Capacity: 4},
	} {
		crowd.Hides, crowd.Closed = true, mpmc.ErrClosed
		ringtest.Linearizable(t, newAt, crowd)
	}
}

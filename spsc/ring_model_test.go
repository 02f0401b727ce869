package spsc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/spsc"
)

func newAt(capacity int, n uint64) ringtest.Whole[uint64] { return spsc.NewAt[uint64](capacity, n) }

func TestModel(t *testing.T) { ringtest.Model(t, newAt) }

func FuzzModel(f *testing.F) { ringtest.FuzzModel(f, newAt) }

func TestLinearizable(t *testing.T) {
	ringtest.Linearizable(t, newAt, ringtest.Recording{Producers: 1, Consumers: 1, Burst: 3, Capacity: 1, Late: true, Short: true, Closed: spsc.ErrClosed})
}

package mpmc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/mpmc"
)

func newRing(capacity int) ringtest.Ring[uint64] { return mpmc.New[uint64](capacity) }

func BenchmarkTransfer(b *testing.B) {
	ringtest.Transfer(b, "mpmc", newRing,
		ringtest.Crowd{Producers: 1, Consumers: 1, Burst: 1},
		ringtest.Crowd{Producers: 1, Consumers: 1, Burst: 32},
		ringtest.Crowd{Producers: 2, Consumers: 2, Burst: 1},
		ringtest.Crowd{Producers: 2, Consumers: 2, Burst: 32})
}

func BenchmarkRoundTrip(b *testing.B) { ringtest.RoundTrip(b, "mpmc", newRing) }

func BenchmarkPair(b *testing.B) { ringtest.Pair(b, "mpmc", newRing) }

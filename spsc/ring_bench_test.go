package spsc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/spsc"
)

func newRing(capacity int) ringtest.Ring[uint64] { return spsc.New[uint64](capacity) }

func BenchmarkTransfer(b *testing.B) {
	ringtest.Transfer(b, "spsc", newRing,
		ringtest.Crowd{Producers: 1, Consumers: 1, Burst: 1},
		ringtest.Crowd{Producers: 1, Consumers: 1, Burst: 32})
}

func BenchmarkRoundTrip(b *testing.B) { ringtest.RoundTrip(b, "spsc", newRing) }

func BenchmarkPair(b *testing.B) { ringtest.Pair(b, "spsc", newRing) }

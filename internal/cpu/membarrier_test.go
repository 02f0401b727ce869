package cpu_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

// padded is a word on a line of its own.
type padded struct {
	atomic.Uint64
	_ cpu.Pad
}

// overlooked plays rounds of store buffering: one side publishes x and loads y,
// the other stores y, calls fence, and loads x. It returns in how many rounds
// neither found what the other had stored. The publishing side comes with so much
// to store that x comes late, and the other side at every moment of that.
func overlooked(rounds uint64, fence func()) (n int) {
	var (
		x, y  padded
		begun [2]padded               // the round in which each is
		found [2]uint64               // what each loaded
		cold  = make([]uint64, 4<<20) // more than the caches hold
	)
	meet := func(own int, round uint64) {
		begun[own].Store(round)
		for b := (spinlock.Backoff{}); begun[1-own].Load() < round; {
			b.Wait()
		}
	}
	var other sync.WaitGroup
	other.Go(func() {
		for round := uint64(1); round <= rounds; round++ {
			meet(1, 2*round)
			cpu.Pause(rand.Uint32N(32))
			y.Store(round)
			fence()
			found[1] = x.Load()
			meet(1, 2*round+1)
		}
	})
	for round := uint64(1); round <= rounds; round++ {
		meet(0, 2*round)
		for range 8 {
			cold[rand.N(len(cold))] = round
		}
		cpu.Publish(&x.Uint64, round)
		found[0] = y.Load()
		meet(0, 2*round+1)
		if found[0] != round && found[1] != round {
			n++
		}
	}
	other.Wait()
	return n
}

// With the barrier on one side only, at least one side finds what the other has
// stored. How often neither does without it depends on the processor (never, if
// Publish is sequentially consistent), and is only logged.
func TestMembarrierFencesForBothSides(t *testing.T) {
	rounds := uint64(100_000)
	if testing.Short() {
		rounds = 10_000
	}
	t.Logf("without a barrier both sides overlook the other in %d of %d rounds", overlooked(rounds, func() {}), rounds)
	if !cpu.Membarrier() {
		require.False(t, cpu.Membarrier(), "refused once, refused for good")
		return
	}
	refused := 0
	require.Zero(t, overlooked(rounds, func() {
		if !cpu.Membarrier() {
			refused++
		}
	}))
	require.Zero(t, refused, "granted once, granted for good")
}

func BenchmarkMembarrier(b *testing.B) {
	for b.Loop() {
		cpu.Membarrier()
	}
}

package cpu_test

import (
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/spinlock"
)

func TestPublishStoresTheWholeWord(t *testing.T) {
	words := [3]atomic.Uint64{}
	for _, v := range []uint64{1, 1 << 32, ^uint64(0), 0} {
		cpu.Publish(&words[1], v)
		require.Equal(t, v, words[1].Load())
	}
	require.Zero(t, words[0].Load())
	require.Zero(t, words[2].Load())
}

// Messages pass through slots that are plain memory, each one way by one Publish
// and back by another: whoever sees the number sees the message, and whoever
// sees it taken may overwrite it. The numbers cross the wrap of a uint64.
func TestPublishPassesMessages(t *testing.T) {
	const (
		slots = 4
		first = ^uint64(0) - 1000
	)
	messages := uint64(1_000_000)
	if testing.Short() {
		messages = 10_000
	}
	var ring struct {
		slot [slots][3]uint64
		_    cpu.Pad
		sent atomic.Uint64
		_    cpu.Pad
		got  atomic.Uint64
		_    cpu.Pad
	}
	ring.sent.Store(first)
	ring.got.Store(first)

	go func() {
		for n := first; n != first+messages; n++ {
			for b := (spinlock.Backoff{}); n-ring.got.Load() == slots; {
				b.Wait()
			}
			ring.slot[n%slots] = [3]uint64{n, ^n, n * n}
			cpu.Publish(&ring.sent, n+1)
		}
	}()

	for n := first; n != first+messages; n++ {
		for b := (spinlock.Backoff{}); ring.sent.Load() == n; {
			b.Wait()
		}
		if m := ring.slot[n%slots]; m != [3]uint64{n, ^n, n * n} {
			t.Fatalf("message %d is %d, want %d", n-first, m, [3]uint64{n, ^n, n * n})
		}
		cpu.Publish(&ring.got, n+1)
	}
}

// The words of a benchmark stand apart, so that what is measured is the store.
func BenchmarkPublish(b *testing.B) {
	var w struct {
		_    cpu.Pad
		word atomic.Uint64
		_    cpu.Pad
	}
	b.Run("impl=publish", func(b *testing.B) {
		for n := uint64(0); b.Loop(); n++ {
			cpu.Publish(&w.word, n)
		}
	})
	b.Run("impl=store", func(b *testing.B) {
		for n := uint64(0); b.Loop(); n++ {
			w.word.Store(n)
		}
	})
}

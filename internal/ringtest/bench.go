package ringtest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/spinlock"
)

// benchCapacity is the capacity of all rings that are measured.
const benchCapacity = 1024

// An Impl is what is measured: it makes rings.
type Impl func(capacity int) Ring[uint64]

// against runs a benchmark of a ring and of what else could take its place.
func against(b *testing.B, name string, ring Impl, run func(b *testing.B, newRing Impl)) {
	for _, i := range []struct {
		name string
		Impl
	}{{name, ring}, {"chan", newChan}, {"mutex", newLocked}} {
		b.Run(fmt.Sprintf("impl=%s/cap=%d", i.name, benchCapacity), func(b *testing.B) { run(b, i.Impl) })
	}
}

// Transfer measures the time per value that crowds take to move values through
// a ring, each goroutine on a processor of its own while there are enough.
// Every value is summed, and the sums are checked before the clock stops; who
// finds the ring full or empty waits by spinlock.Backoff. A crowd's Each is not
// used: b.N values go through.
func Transfer(b *testing.B, name string, ring Impl, crowds ...Crowd) {
	against(b, name, ring, func(b *testing.B, newRing Impl) {
		for _, c := range crowds {
			b.Run(fmt.Sprintf("batch=%d/producers=%d/consumers=%d", c.Burst, c.Producers, c.Consumers), func(b *testing.B) {
				transfer(b, newRing(benchCapacity), c)
			})
		}
	})
}

func transfer(b *testing.B, r Ring[uint64], c Crowd) {
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	sums := make([]uint64, c.Consumers)
	run := func(processor int, work func()) {
		ready.Add(1)
		all.Go(func() {
			pin(processor)
			ready.Done()
			<-start
			work()
		})
	}
	for i := range c.Producers {
		run(i, func() { produce(r, share(b.N, c.Producers, i), c.Burst) })
	}
	for i := range c.Consumers {
		run(c.Producers+i, func() { sums[i] = consume(r, share(b.N, c.Consumers, i), c.Burst) })
	}
	ready.Wait()

	b.ResetTimer()
	close(start)
	all.Wait()
	want, got := uint64(0), uint64(0)
	for i := range c.Producers {
		n := uint64(share(b.N, c.Producers, i))
		want += n * (n + 1) / 2
	}
	for _, sum := range sums {
		got += sum
	}
	if got != want {
		b.Fatalf("%d values of sum %d came out with sum %d", b.N, want, got)
	}
	b.StopTimer()
}

// RoundTrip measures the time that one value takes through two rings to another
// goroutine and back.
func RoundTrip(b *testing.B, name string, ring Impl) {
	against(b, name, ring, func(b *testing.B, newRing Impl) {
		roundTrip(b, newRing(benchCapacity), newRing(benchCapacity))
	})
}

func roundTrip(b *testing.B, there, back Ring[uint64]) {
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	ready.Add(2)
	all.Go(func() {
		pin(0)
		ready.Done()
		<-start
		for i := range uint64(b.N) {
			there.TryPush(i)
			if v := pop(back); v != i+1 {
				b.Errorf("%d came back as %d", i, v)
			}
		}
	})
	all.Go(func() {
		pin(1)
		ready.Done()
		<-start
		for range b.N {
			back.TryPush(pop(there) + 1)
		}
	})
	ready.Wait()
	b.ResetTimer()
	close(start)
	all.Wait()
	b.StopTimer()
}

// Pair measures a push and a pop of a burst by one goroutine: the cost of the
// calls when no line travels.
func Pair(b *testing.B, name string, ring Impl) {
	against(b, name, ring, func(b *testing.B, newRing Impl) {
		b.Run("batch=1", func(b *testing.B) {
			r := newRing(benchCapacity)
			for b.Loop() {
				r.TryPush(1)
				r.TryPop()
			}
		})
		b.Run("batch=32", func(b *testing.B) {
			r, vs := newRing(benchCapacity), make([]uint64, 32)
			for b.Loop() {
				r.TryPushN(vs)
				r.TryPopN(vs)
			}
		})
	})
}

// share divides n among so many, as evenly as goes.
func share(n, among, i int) int { return n*(i+1)/among - n*i/among }

// produce pushes 1 to n.
func produce(r Ring[uint64], n, burst int) {
	if burst == 1 {
		for v := uint64(1); v <= uint64(n); v++ {
			var w spinlock.Backoff
			for !r.TryPush(v) {
				w.Wait()
			}
		}
		return
	}
	vs := make([]uint64, burst)
	for v := uint64(1); v <= uint64(n); {
		fill := vs[:min(burst, n-int(v-1))]
		for i := range fill {
			fill[i] = v
			v++
		}
		var w spinlock.Backoff
		for len(fill) > 0 {
			pushed := r.TryPushN(fill)
			if fill = fill[pushed:]; pushed == 0 {
				w.Wait()
			}
		}
	}
}

// consume pops n values and returns their sum.
func consume(r Ring[uint64], n, burst int) (sum uint64) {
	if burst == 1 {
		for range n {
			sum += pop(r)
		}
		return sum
	}
	vs := make([]uint64, burst)
	var w spinlock.Backoff
	for n > 0 {
		popped := r.TryPopN(vs[:min(burst, n)])
		if popped == 0 {
			w.Wait()
			continue
		}
		w.Reset()
		for _, v := range vs[:popped] {
			sum += v
		}
		n -= popped
	}
	return sum
}

func pop(r Ring[uint64]) uint64 {
	var w spinlock.Backoff
	for {
		if v, ok := r.TryPop(); ok {
			return v
		}
		w.Wait()
	}
}

package ringtest

import (
	"fmt"
	"runtime"
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

// A side is one goroutine of a benchmark. It lives on that goroutine's stack,
// away from what others write.
type side struct {
	// alone is to have a processor of one's own, and then it waits by pauses. If
	// it yielded, the scheduler would take tens of microseconds to give a pinned
	// goroutine its thread back, and that would be all one measured.
	alone   bool
	backoff spinlock.Backoff
}

// newSide returns one of a crowd of so many.
func newSide(crowd int) side {
	return side{alone: crowd <= min(runtime.GOMAXPROCS(0), runtime.NumCPU())}
}

func (s *side) wait() {
	if s.alone {
		s.backoff.Lost()
	} else {
		s.backoff.Wait()
	}
}

// Transfer measures the time per value that crowds take to move values through
// a ring, each goroutine on a processor of its own while there are enough.
// Every value is summed, and the sums are checked before the clock stops. A
// crowd's Each is not used: b.N values go through.
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
	crowd := c.Producers + c.Consumers
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
		run(i, func() { produce(r, crowd, share(b.N, c.Producers, i), c.Burst) })
	}
	for i := range c.Consumers {
		run(c.Producers+i, func() { sums[i] = consume(r, crowd, share(b.N, c.Consumers, i), c.Burst) })
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
		s := newSide(2)
		ready.Done()
		<-start
		for i := range uint64(b.N) {
			there.TryPush(i)
			if v := s.pop(back); v != i+1 {
				b.Errorf("%d came back as %d", i, v)
			}
		}
	})
	all.Go(func() {
		pin(1)
		s := newSide(2)
		ready.Done()
		<-start
		for range b.N {
			back.TryPush(s.pop(there) + 1)
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

// produce pushes 1 to n, as one of a crowd.
func produce(r Ring[uint64], crowd, n, burst int) {
	s := newSide(crowd)
	if burst == 1 {
		for v := uint64(1); v <= uint64(n); v++ {
			s.push(r, v)
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
		for len(fill) > 0 {
			pushed := r.TryPushN(fill)
			if fill = fill[pushed:]; pushed > 0 {
				s.backoff.Reset()
			} else {
				s.wait()
			}
		}
	}
}

// consume pops n values, as one of a crowd, and returns their sum.
func consume(r Ring[uint64], crowd, n, burst int) (sum uint64) {
	s := newSide(crowd)
	if burst == 1 {
		for range n {
			sum += s.pop(r)
		}
		return sum
	}
	vs := make([]uint64, burst)
	for n > 0 {
		popped := r.TryPopN(vs[:min(burst, n)])
		if popped > 0 {
			s.backoff.Reset()
		} else {
			s.wait()
		}
		for _, v := range vs[:popped] {
			sum += v
		}
		n -= popped
	}
	return sum
}

func (s *side) push(r Ring[uint64], v uint64) {
	for !r.TryPush(v) {
		s.wait()
	}
	s.backoff.Reset()
}

func (s *side) pop(r Ring[uint64]) uint64 {
	for {
		if v, ok := r.TryPop(); ok {
			s.backoff.Reset()
			return v
		}
		s.wait()
	}
}

package ringtest

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ferrule-go/ferrule/spinlock"
)

// An Item is one value of a stress test. It says twice what it is, here and
// where same points, so that half of one and half of another can be told from a
// whole, and a value is lost if the collector overlooks it in the ring.
type Item struct {
	Producer, Seq int
	same          *[2]int
}

func newItem(producer, seq int) Item { return Item{producer, seq, &[2]int{producer, seq}} }

func (i Item) whole() bool { return i.same != nil && *i.same == [2]int{i.Producer, i.Seq} }

// A Crowd is who works on a ring at once. Burst is the longest burst; with 1,
// values are pushed and popped singly. The consumers share evenly what
// Producers times Each makes.
type Crowd struct {
	Producers, Consumers int
	Burst                int
	Each                 int // values that one producer pushes
	Way                  Way
}

// Stress lets a crowd loose on an empty ring. Every value has to come out once,
// whole, and to each consumer in the order of its producer; and the ring, which
// should be small, must have been found full and empty: a crowd that did not meet
// both is let loose again. It may be called from any goroutine of the test.
//
// Nothing but the ring orders one goroutine before another until the first of
// them is done, so the race detector judges the ring alone.
func Stress(t *testing.T, r Ring[Item], c Crowd) {
	t.Helper()
	var full, empty int64
	for range 100 {
		s := stressOnce(t, r, c)
		full += s.full.Load()
		empty += s.empty.Load()
		if t.Failed() || c.Way.unasked || full > 0 && empty > 0 {
			return
		}
	}
	t.Errorf("cap %d: found full %d times and empty %d times, want both", r.Cap(), full, empty)
}

func stressOnce(t *testing.T, r Ring[Item], c Crowd) *stress {
	t.Helper()
	s := &stress{Crowd: c, t: t, ring: r, got: make([][]Item, c.Consumers)}
	s.moved = make([]atomic.Int64, c.Producers+c.Consumers)
	var all sync.WaitGroup
	s.producing.Store(int32(c.Producers))
	s.consuming.Store(int32(c.Consumers))
	for i := range c.Producers {
		all.Go(func() { s.produce(i) })
	}
	for i := range c.Consumers {
		all.Go(func() { s.consume(i) })
	}
	s.watch(&all)
	s.check()
	return s
}

// watch waits for all, and gives up on a crowd in which nobody has moved a value
// for long: somebody was not woken. It looks for progress and not for an end, so
// that a slow machine fails nothing.
func (s *stress) watch(all *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	for before := int64(-1); ; {
		select {
		case <-done:
			return
		case <-time.After(patience):
		}
		now := int64(0)
		for i := range s.moved {
			now += s.moved[i].Load()
		}
		if now == before {
			panic(fmt.Sprintf("cap %d, %v: the crowd waits for ever, with %d values in the ring", s.ring.Cap(), s.Way, s.ring.Len()))
		}
		before = now
	}
}

// patience is how long everybody may stand still before they count as stuck.
const patience = 10 * time.Second

type stress struct {
	Crowd
	t    *testing.T
	ring Ring[Item]
	got  [][]Item // by consumer

	full, empty          atomic.Int64 // times the ring was found so
	producing, consuming atomic.Int32 // goroutines that are not done

	moved []atomic.Int64 // by goroutine, so that counting orders no two of them
}

func (s *stress) produce(producer int) {
	defer s.producing.Add(-1)
	var full int64
	defer func() { s.full.Add(full) }()

	var items []Item // made, and not yet pushed
	for seq := 0; seq < s.Each || len(items) > 0; {
		for want := 1 + seq%s.Burst; len(items) < want && seq < s.Each; seq++ {
			items = append(items, newItem(producer, seq))
		}
		var w spinlock.Backoff
		for {
			over := s.consuming.Load() == 0
			n := s.push(items)
			items = items[n:]
			s.moved[producer].Add(int64(n))
			if n > 0 {
				break
			}
			if full++; over && !s.Way.unasked {
				s.t.Errorf("cap %d: full, and every consumer has had its share", s.ring.Cap())
				return
			}
			w.Wait()
		}
	}
}

func (s *stress) consume(consumer int) {
	defer s.consuming.Add(-1)
	var empty int64
	defer func() { s.empty.Add(empty) }()

	left := s.Producers * s.Each / s.Consumers
	got := make([]Item, 0, left)
	defer func() { s.got[consumer] = got }()
	items := make([]Item, s.Burst)
	for left > 0 {
		var w spinlock.Backoff
		for {
			over := s.producing.Load() == 0
			n := s.pop(items[:min(1+left%s.Burst, left)])
			got = append(got, items[:n]...)
			left -= n
			s.moved[s.Producers+consumer].Add(int64(n))
			if n > 0 {
				break
			}
			if empty++; over && !s.Way.unasked {
				s.t.Errorf("cap %d: empty, every producer is done, and a consumer misses %d values", s.ring.Cap(), left)
				return
			}
			w.Wait()
		}
	}
}

func (s *stress) push(items []Item) int {
	if s.Way.push != nil {
		return s.Way.push(s.ring.(Whole[Item]), items)
	}
	if s.Burst > 1 {
		return s.ring.TryPushN(items)
	}
	if s.ring.TryPush(items[0]) {
		return 1
	}
	return 0
}

func (s *stress) pop(items []Item) (n int) {
	if s.Way.pop != nil {
		return s.Way.pop(s.ring.(Whole[Item]), items)
	}
	if s.Burst > 1 {
		return s.ring.TryPopN(items)
	}
	var ok bool
	if items[0], ok = s.ring.TryPop(); ok {
		return 1
	}
	return 0
}

func (s *stress) check() {
	times := make(map[[2]int]int)
	for consumer, items := range s.got {
		last := make(map[int]int)
		for n, i := range items {
			before, seen := last[i.Producer]
			if !i.whole() || seen && i.Seq <= before {
				s.t.Errorf("cap %d: consumer %d got %+v as its %dth, after number %d of that producer", s.ring.Cap(), consumer, i, n, before)
				return
			}
			last[i.Producer] = i.Seq
			times[*i.same]++
		}
	}
	for producer := range s.Producers {
		for seq := range s.Each {
			if n := times[[2]int{producer, seq}]; n != 1 {
				s.t.Errorf("cap %d: number %d of producer %d came out %d times", s.ring.Cap(), seq, producer, n)
				return
			}
		}
	}
	if n := s.ring.Len(); n != 0 {
		s.t.Errorf("cap %d: Len = %d at the end", s.ring.Cap(), n)
	}
}

// LenFromOutside lets one goroutine push and pop while another watches Len,
// which must stay between nothing and the capacity.
func LenFromOutside(t *testing.T, r Ring[int]) {
	var enough atomic.Bool
	var inside sync.WaitGroup
	inside.Go(func() {
		for i := 0; !enough.Load(); i++ {
			r.TryPush(i)
			if i%100 == 0 {
				runtime.Gosched() // holding one value
			}
			r.TryPop()
			if i%100 == 50 {
				runtime.Gosched() // holding none
			}
		}
	})
	seen := make(map[int]bool)
	for looks := 0; looks < 100_000 || len(seen) < 2; looks++ {
		n := r.Len()
		if n < 0 || n > r.Cap() {
			t.Errorf("Len = %d of a ring of %d", n, r.Cap())
			break
		}
		seen[n] = true
		if looks%10 == 0 {
			runtime.Gosched()
		}
	}
	enough.Store(true)
	inside.Wait()
}

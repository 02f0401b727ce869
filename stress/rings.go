package stress

import (
	"context"
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/mpmc"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc"
)

var ringTrials = []Trial{
	{"spsc.Ring", "every value comes out once, whole and in order, whichever way it goes, and Close loses none", func(r *round) {
		for range (r.some() + 1) / 2 {
			traffic(r, spsc.New[item](r.capacity()), spsc.ErrClosed, 1, 1)
		}
		r.join()
	}},
	{"spsc.Lossy", "the newest values come out, whole and in order, and the others are counted", lossy},
	{"spsc.Bytes", "every record comes out once, whole and in order", byteRing},
	{"mpmc.Ring", "every value comes out once, whole and in the order of its producer, and Close loses none", func(r *round) {
		producers, consumers := r.some(), r.some()
		if r.rand.IntN(2) == 0 {
			consumers = 1 // nobody else comes for what it leaves
		}
		traffic(r, mpmc.New[item](r.capacity()), mpmc.ErrClosed, producers, consumers)
		r.join()
	}},
	{"mpmc.Staged", "every value passes each stage once, and no stage overtakes the one before", staged},
}

// An item says twice what it is, so that half of one and half of another can be told
// from a whole, and is lost if the collector overlooks it in a ring.
type item struct {
	producer, seq uint64
	same          *[2]uint64
}

func newItem(producer, seq uint64) item { return item{producer, seq, &[2]uint64{producer, seq}} }

func (i item) whole() bool { return i.same != nil && *i.same == [2]uint64{i.producer, i.seq} }

// A tally is of items that went one way. Two are equal if the items were the same, but
// for a chance in 2⁶⁴.
type tally struct{ n, sum uint64 }

func (t *tally) add(i item) {
	t.n++
	hi, lo := bits.Mul64(i.producer<<48^i.seq^0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93)
	t.sum += hi ^ lo
}

// A ring is what the rings of spsc and mpmc have in common.
type ring interface {
	TryPush(item) bool
	TryPop() (item, bool)
	TryPushN([]item) int
	TryPopN([]item) int
	TryPushAll([]item) bool
	TryPopAll([]item) bool
	Push(context.Context, item) error
	Pop(context.Context) (item, error)
	PushN(context.Context, []item) (int, error)
	PopN(context.Context, []item) (int, error)
	Reserve(n int) (a, b []item)
	Commit(n int)
	Peek(n int) (a, b []item)
	Release(n int)
	PushReady() <-chan struct{}
	PopReady() <-chan struct{}
	All() iter.Seq[item]
	Len() int
	Cap() int
	Close()
	Closed() bool
}

// A crossing is a ring with a crowd at both ends.
type crossing struct {
	ring
	closed    error // what the ring says when it is
	producing atomic.Int64
	burst     int
	alone     bool // there is one consumer, who gets everything

	mu             sync.Mutex // taken when a goroutine ends
	pushed, popped tally
	left           int // goroutines that have not ended
}

// traffic starts producers, consumers, and one who closes the ring, which may be while
// values are pushed. Who comes last compares what went in with what came out.
func traffic(r *round, on ring, closed error, producers, consumers int) {
	x := &crossing{ring: on, closed: closed, burst: 1 + r.rand.IntN(2*on.Cap()), alone: consumers == 1, left: producers + consumers}
	x.producing.Store(int64(producers))
	early, looks := r.rand.IntN(2) == 0, r.rand.IntN(100)
	for i := range producers {
		r.run("produce", func(p *part) {
			pushed := x.produce(p, uint64(i))
			x.end(p, func() { x.pushed.n += pushed.n; x.pushed.sum += pushed.sum })
		})
	}
	for range consumers {
		r.run("consume", func(p *part) {
			popped := x.consume(p)
			x.end(p, func() { x.popped.n += popped.n; x.popped.sum += popped.sum })
		})
	}
	r.run("close", func(p *part) {
		soon := func() bool { looks--; return early && looks < 0 }
		for b := (spinlock.Backoff{}); p.on() && !soon() || !early && x.producing.Load() > 0 && !r.lost(); b.Wait() {
			n := x.Len()
			p.want(n >= 0 && n <= x.Cap(), "Len = %d of a ring of %d", n, x.Cap())
			p.pause()
		}
		x.Close()
		p.want(x.Closed(), "a closed ring says that it is not")
	})
}

func (x *crossing) end(p *part, add func()) {
	x.mu.Lock()
	defer x.mu.Unlock()
	add()
	if x.left--; x.left == 0 {
		p.want(x.pushed == x.popped, "%d values went in and %d came out, or not the same (capacity %d)", x.pushed.n, x.popped.n, x.Cap())
		p.want(x.Len() == 0, "%d values are left in the end", x.Len())
	}
}

// produce pushes until the round is over or the ring closed, and returns what it pushed.
func (x *crossing) produce(p *part, producer uint64) (pushed tally) {
	defer x.producing.Add(-1)
	var items []item // made, and not yet pushed
	for seq := uint64(0); p.on(); {
		for want := 1 + p.rand.IntN(x.burst); len(items) < want; seq++ {
			items = append(items, newItem(producer, seq))
		}
		n, err := x.push(p, items)
		for _, i := range items[:n] {
			pushed.add(i)
		}
		items = items[n:]
		p.did(n)
		if err == x.closed {
			p.want(x.Closed(), "a push says %v, and the ring is not", err)
			return pushed
		}
		p.pause()
	}
	return pushed
}

// push pushes some of the items in one of the ways there are.
func (x *crossing) push(p *part, items []item) (n int, err error) {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if p.one(4) {
		ctx, cancel = p.impatient()
	}
	defer cancel()
	one := func(ok bool) int {
		if ok {
			return 1
		}
		return 0
	}
	switch p.rand.IntN(7) {
	case 0:
		n = one(x.TryPush(items[0]))
	case 1:
		n = x.TryPushN(items)
	case 2:
		if x.TryPushAll(items) {
			n = len(items)
		}
	case 3:
		a, b := x.Reserve(len(items))
		if n = len(a) + len(b); n > 0 {
			p.pause()
			n -= p.rand.IntN(n + 1)
			copy(b[:max(0, n-len(a))], items[copy(a, items[:n]):n])
			x.Commit(n)
		}
	case 4:
		p.timed(func() { err = x.Push(ctx, items[0]) })
		n = one(err == nil)
	case 5:
		p.timed(func() { n, err = x.PushN(ctx, items) })
		p.want(n == len(items) || err != nil, "PushN pushed %d of %d values without an error", n, len(items))
	case 6:
		<-x.PushReady()
		n = one(x.TryPush(items[0]))
	}
	p.want(n <= len(items), "%d of %d values were pushed", n, len(items))
	p.want(err == nil || err == x.closed || err == ctx.Err(), "a push failed with %v", err)
	return n, err
}

// consume pops until the ring is closed and empty.
func (x *crossing) consume(p *part) (popped tally) {
	last := map[uint64]uint64{} // by producer: the next number there can be
	items := make([]item, x.burst)
	for {
		n, err := x.pop(p, items[:1+p.rand.IntN(x.burst)])
		for _, i := range items[:n] {
			p.want(i.whole(), "popped half a value: %+v", i)
			p.want(i.seq >= last[i.producer], "popped number %d of producer %d after number %d", i.seq, i.producer, last[i.producer]-1)
			p.want(!x.alone || i.seq == last[i.producer], "popped number %d of producer %d, want %d", i.seq, i.producer, last[i.producer])
			last[i.producer] = i.seq + 1
			popped.add(i)
		}
		clear(items[:n])
		p.did(n)
		if err == x.closed || p.round.lost() {
			return popped
		}
		p.pause()
	}
}

// pop pops some items in one of the ways there are.
func (x *crossing) pop(p *part, items []item) (n int, err error) {
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	if p.one(4) {
		ctx, cancel = p.impatient()
	}
	defer cancel()
	ok := false
	switch p.rand.IntN(8) {
	case 0:
		items[0], ok = x.TryPop()
	case 1:
		n = x.TryPopN(items)
	case 2:
		if x.TryPopAll(items) {
			n = len(items)
		}
	case 3:
		a, b := x.Peek(len(items))
		if n = len(a) + len(b); n > 0 {
			p.pause()
			n -= p.rand.IntN(n + 1)
			copy(items[copy(items[:n], a):n], b)
			x.Release(n)
		}
	case 4:
		p.timed(func() { items[0], err = x.Pop(ctx) })
		ok = err == nil
	case 5:
		p.timed(func() { n, err = x.PopN(ctx, items) })
		p.want((n > 0) == (err == nil), "PopN popped %d values with the error %v", n, err)
	case 6:
		<-x.PopReady()
		items[0], ok = x.TryPop()
	case 7:
		for i := range x.All() {
			items[n] = i
			if n++; n == len(items) {
				break
			}
		}
	}
	if ok {
		n = 1
	}
	p.want(err == nil || err == x.closed || err == ctx.Err(), "a pop failed with %v", err)
	return n, err
}

// lossy has a producer that does not wait for its consumer.
func lossy(r *round) {
	for range (r.some() + 1) / 2 {
		var (
			l    = spsc.NewLossy[item](r.capacity())
			made atomic.Uint64 // values, when all are
		)
		r.run("produce", func(p *part) {
			n := uint64(0)
			for ; p.on(); n++ {
				l.Push(newItem(0, n))
				p.did(1)
				p.pause()
			}
			made.Store(n + 1)
			l.Push(newItem(0, n)) // the consumer waits for this one
		})
		r.run("consume", func(p *part) {
			next, popped := uint64(0), uint64(0)
			for {
				i, ok := item{}, false
				switch p.rand.IntN(3) {
				case 0:
					i, ok = l.TryPop()
				case 1:
					ctx, cancel := p.impatient()
					var err error
					p.timed(func() { i, err = l.Pop(ctx) })
					cancel()
					ok = err == nil
				case 2:
					<-l.PopReady()
					i, ok = l.TryPop()
				}
				if ok {
					p.want(i.whole(), "popped half a value: %+v", i)
					p.want(i.seq >= next, "popped number %d after number %d", i.seq, next-1)
					p.did(1)
					next = i.seq + 1
					popped++
				}
				if n := l.Len(); n < 0 || n > l.Cap() {
					p.fail("Len = %d of a ring of %d", n, l.Cap())
				}
				if all := made.Load(); all != 0 && next == all {
					lost := l.Lost()
					p.want(popped+lost == all, "of %d values %d were popped and %d lost", all, popped, lost)
					return
				}
				if p.round.lost() {
					return
				}
				p.pause()
			}
		})
	}
	r.join()
}

// byteRing has records of every length go through.
func byteRing(r *round) {
	for range (r.some() + 1) / 2 {
		b := spsc.NewBytes(max(32, r.capacity()))
		fill := func(record []byte, n uint64) {
			for i := range record {
				record[i] = byte(n) + byte(i)
			}
		}
		r.run("produce", func(p *part) {
			n := uint64(1)
			for ; p.on(); p.pause() {
				size := p.rand.IntN(b.Max() + 1)
				record, ok := []byte(nil), false
				switch p.rand.IntN(3) {
				case 0:
					record = make([]byte, size)
					fill(record, n)
					if b.TryPush(record) {
						n++
						p.did(1)
					}
					continue
				case 1:
					record, ok = b.Claim(size)
				case 2:
					ctx, cancel := p.impatient()
					var err error
					p.timed(func() { record, err = b.ClaimContext(ctx, size) })
					cancel()
					ok = err == nil
				}
				if !ok {
					continue
				}
				if p.want(len(record) == size, "claimed %d bytes, want %d", len(record), size); p.one(8) {
					fill(record, 99)
					b.Abort()
					continue
				}
				fill(record, n)
				p.pause()
				b.Commit(size - p.rand.IntN(size+1))
				n++
				p.did(1)
			}
			last := []byte{byte(n - 1)} // any other begins with n, or is empty
			for wait := (spinlock.Backoff{}); !b.TryPush(last) && !r.lost(); wait.Wait() {
			}
		})
		r.run("consume", func(p *part) {
			for n := uint64(1); !p.round.lost(); p.pause() {
				record, ok := []byte(nil), false
				if p.one(2) {
					record, ok = b.Peek()
				} else {
					ctx, cancel := p.impatient()
					var err error
					p.timed(func() { record, err = b.PeekContext(ctx) })
					cancel()
					ok = err == nil
				}
				if !ok {
					continue
				}
				p.pause()
				if len(record) == 1 && record[0] == byte(n-1) {
					b.Release()
					return
				}
				for i, c := range record {
					if c != byte(n)+byte(i) {
						p.fail("byte %d of record %d of %d bytes is %d, want %d", i, n, len(record), c, byte(n)+byte(i))
						break
					}
				}
				b.Release()
				n++
				p.did(1)
			}
		})
	}
	r.join()
}

// A stamped value counts the stages it has passed.
type stamped struct {
	item
	passed int
}

// staged has workers at each stage of a ring.
func staged(r *round) {
	var (
		stages   = r.rand.IntN(4)
		ring     = mpmc.NewStaged[stamped](r.capacity(), stages)
		burst    = 1 + r.rand.IntN(2*ring.Cap())
		crew     = max(1, r.some()/(stages+2))
		mu       sync.Mutex // taken when a goroutine ends
		pushed   tally
		popped   tally
		finished atomic.Uint64 // values pushed, and one, when all are
		left     = crew
		out      = make([]atomic.Uint64, crew) // values popped, by goroutine; read when all are pushed
	)
	r.run("push", func(p *part) { // the one who makes them all, for their order to be known
		seq := uint64(0)
		var mine tally
		var vs []stamped
		for p.on() {
			for want := 1 + p.rand.IntN(burst); len(vs) < want; seq++ {
				vs = append(vs, stamped{newItem(0, seq), 0})
			}
			n := ring.TryPushN(vs)
			for _, v := range vs[:n] {
				mine.add(v.item)
			}
			vs = vs[n:]
			p.did(n)
			p.pause()
		}
		mu.Lock()
		pushed = mine
		mu.Unlock()
		finished.Store(mine.n + 1)
	})
	over := func(p *part) bool {
		all := finished.Load()
		if all == 0 {
			return p.round.lost()
		}
		for i := range out {
			all -= out[i].Load()
		}
		return all == 1 || p.round.lost()
	}
	for stage := range stages {
		for range crew {
			r.run("work", func(p *part) {
				var b spinlock.Backoff
				for !over(p) {
					batch := ring.Acquire(stage, 1+p.rand.IntN(burst))
					for _, part := range [][]stamped{batch.A, batch.B} {
						for i := range part {
							p.want(part[i].whole() && part[i].passed == stage, "at stage %d is %+v", stage, part[i])
							part[i].passed++
						}
					}
					if p.pause(); batch.Len() == 0 {
						b.Wait()
						continue
					}
					b.Reset()
					ring.Release(batch)
					p.did(batch.Len())
				}
			})
		}
	}
	for i := range crew {
		r.run("pop", func(p *part) {
			var b spinlock.Backoff
			var mine tally
			last := uint64(0)
			vs := make([]stamped, burst)
			for !over(p) {
				n := ring.TryPopN(vs[:1+p.rand.IntN(burst)])
				for _, v := range vs[:n] {
					p.want(v.whole() && v.passed == stages, "popped %+v, which has not passed %d stages", v, stages)
					p.want(v.seq >= last, "popped number %d after number %d", v.seq, last)
					last = v.seq + 1
					mine.add(v.item)
				}
				if p.pause(); n == 0 {
					b.Wait()
					continue
				}
				b.Reset()
				p.did(n)
				out[i].Store(mine.n)
			}
			mu.Lock()
			defer mu.Unlock()
			popped.n += mine.n
			popped.sum += mine.sum
			if left--; left == 0 {
				p.want(pushed == popped, "%d values went in and %d came out, or not the same", pushed.n, popped.n)
			}
		})
	}
	r.join()
}

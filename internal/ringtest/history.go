package ringtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// A Recording is how Linearizable works a ring.
type Recording struct {
	Producers, Consumers int

	// Hides says that a participant in the middle of a push or a pop hides the
	// values or the room behind it, and one with a Reserve or a Peek in hand, all:
	// finding less than there is, is then wrong only if no such call was under way.
	Hides bool

	// Late says that a push that overlaps Close may take effect after it, or not.
	Late bool

	// Short says that a burst that overlaps a call of the other side may be shorter
	// than what there is, but not empty: it looks first and moves its counter later.
	Short bool

	// Burst is the longest burst. Capacity is the least; there are four times as much
	// at most.
	Burst, Capacity int

	Closed error // the ring's ErrClosed
}

// Linearizable records many short histories of calls that overlap, of every
// kind, with a Close and cancelled contexts among them, and wants an order of
// the calls that explains each: one in which every call takes effect between its
// begin and its end, on a queue. newAt returns an empty ring whose counters all
// stand at n.
func Linearizable(t *testing.T, newAt func(capacity int, n uint64) Whole[uint64], rec Recording) {
	histories := 1500
	if testing.Short() {
		histories /= 10
	}
	kinds := make(map[string]int)
	for i := range histories {
		random := rand.New(rand.NewPCG(uint64(i), 1))
		capacity := rec.Capacity << random.IntN(3)
		h := &history{Recording: rec, ring: newAt(capacity, starts[i%len(starts)])}
		ops := h.record(random)
		for _, op := range ops {
			kinds[op.Input.(request).kind]++
		}
		if porcupine.CheckOperationsTimeout(queueModel(capacity), ops, time.Minute) == porcupine.Illegal {
			t.Fatalf("history %d, cap %d: no order explains it:\n%s", i, capacity, describe(ops))
		}
	}
	if want := len(pushKinds) + len(popKinds) + len([]string{"Close"}); len(kinds) != want {
		t.Errorf("%d kinds of calls were recorded, want %d: %v", len(kinds), want, kinds)
	}
}

var (
	pushKinds = []string{"TryPush", "TryPushN", "TryPushAll", "Reserve", "Push", "PushN"}
	popKinds  = []string{"TryPop", "TryPopN", "TryPopAll", "Peek", "Pop", "PopN", "All"}
)

// A request is what went into the ring, and a result what came out.
type request struct {
	kind    string
	vs      string // values pushed, a byte each
	limit   int    // how many were asked for
	excused bool   // for having found less than there is
	late    bool   // may take effect after Close
	short   bool   // may have found less than there is, but not nothing
}

type result struct {
	vs     string // values popped
	n      int    // how many were pushed or popped
	closed bool   // it returned ErrClosed
}

type history struct {
	Recording
	ring  Whole[uint64]
	clock atomic.Int64
	next  atomic.Uint32 // the last value handed out
	mu    sync.Mutex
	ops   []porcupine.Operation
}

const callsEach = 6

// record lets the goroutines loose on the ring and closes it when they are some
// way through, or stuck.
func (h *history) record(random *rand.Rand) []porcupine.Operation {
	var all sync.WaitGroup
	var done atomic.Int32
	workers := h.Producers + h.Consumers
	for i := range workers {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		all.Go(func() {
			defer done.Add(1)
			for range callsEach {
				if i < h.Producers {
					h.push(i, pushKinds[own.IntN(len(pushKinds))], own)
				} else {
					h.pop(i, popKinds[own.IntN(len(popKinds))], own)
				}
			}
		})
	}
	closeAt := int64(random.IntN(4 * workers * callsEach))
	for stuck, before := 0, int64(0); stuck < 200 && before < closeAt && int(done.Load()) < workers; stuck++ {
		runtime.Gosched()
		if now := h.clock.Load(); now != before {
			stuck, before = 0, now
		}
	}
	begin := h.clock.Add(1)
	h.ring.Close()
	h.add(workers, request{kind: "Close"}, result{}, begin)
	all.Wait()
	if h.Hides || h.Short {
		h.excuse()
	}
	if h.Late {
		h.admit()
	}
	return h.ops
}

func (h *history) add(client int, c request, r result, begin int64) {
	op := porcupine.Operation{ClientId: client, Input: c, Output: r, Call: begin, Return: h.clock.Add(1)}
	h.mu.Lock()
	h.ops = append(h.ops, op)
	h.mu.Unlock()
}

// excuse marks the calls that overlap one of the other side, or one of their own
// that has the ring in hand: as excused if that hides something, as short if not.
func (h *history) excuse() {
	for i, op := range h.ops {
		c := op.Input.(request)
		for j, other := range h.ops {
			kind := other.Input.(request).kind
			hides := isPush(other) != isPush(op) || kind == "Reserve" || kind == "Peek"
			hides = hides && i != j && other.Call < op.Return && op.Call < other.Return
			c.excused = c.excused || h.Hides && hides
			c.short = c.short || h.Short && hides
		}
		h.ops[i].Input = c
	}
}

// admit marks the pushes that overlap Close.
func (h *history) admit() {
	end := slices.IndexFunc(h.ops, func(op porcupine.Operation) bool { return op.Input.(request).kind == "Close" })
	for i, op := range h.ops {
		c := op.Input.(request)
		c.late = isPush(op) && op.Call < h.ops[end].Return && h.ops[end].Call < op.Return
		h.ops[i].Input = c
	}
}

func isPush(op porcupine.Operation) bool { return slices.Contains(pushKinds, op.Input.(request).kind) }

// patienceOf returns a context that is done already, after some microseconds, or
// never: the ring is going to be closed.
func patienceOf(random *rand.Rand) (context.Context, context.CancelFunc) {
	if random.IntN(2) == 0 {
		return context.Background(), func() {}
	}
	return context.WithTimeout(context.Background(), time.Duration(random.IntN(50))*time.Microsecond)
}

func (h *history) push(client int, kind string, random *rand.Rand) {
	r := h.ring
	vs := make([]uint64, 1+random.IntN(h.Burst))
	if kind == "TryPush" || kind == "Push" {
		vs = vs[:1]
	} else if kind == "PushN" {
		vs = vs[:min(len(vs), 3)] // as many calls to the checker
	}
	for i := range vs {
		vs[i] = uint64(h.next.Add(1))
	}
	ctx, cancel := patienceOf(random)
	defer cancel()
	c, n := request{kind: kind, vs: letters(vs), limit: len(vs)}, 0
	var err error
	begin := h.clock.Add(1)
	switch kind {
	case "TryPush":
		n = count(r.TryPush(vs[0]), 1)
	case "TryPushN":
		n = r.TryPushN(vs)
	case "TryPushAll":
		n = count(r.TryPushAll(vs), len(vs))
	case "Reserve":
		a, b := r.Reserve(len(vs))
		copy(b, vs[copy(a, vs):])
		if n = len(a) + len(b); n > 0 {
			r.Commit(n)
		}
	case "Push":
		err = r.Push(ctx, vs[0])
		n = count(err == nil, 1)
	case "PushN":
		n, err = r.PushN(ctx, vs)
	}
	closed := errors.Is(err, h.Closed)
	if kind == "PushN" {
		// It pushes in parts. To a queue those are as many calls, of which this
		// does not record the order: Stress does.
		for _, v := range c.vs[:n] {
			h.add(client, request{kind: kind, vs: string(v), limit: 1}, result{n: 1}, begin)
		}
		if n == len(vs) {
			return
		}
		c.vs = c.vs[n:]
		n = 0
	}
	h.add(client, c, result{n: n, closed: closed}, begin)
}

func (h *history) pop(client int, kind string, random *rand.Rand) {
	r := h.ring
	vs := make([]uint64, 1+random.IntN(h.Burst))
	if kind == "TryPop" || kind == "Pop" || kind == "All" {
		vs = vs[:1]
	}
	ctx, cancel := patienceOf(random)
	defer cancel()
	n, ok := 0, false
	var err error
	begin := h.clock.Add(1)
	switch kind {
	case "TryPop":
		vs[0], ok = r.TryPop()
		n = count(ok, 1)
	case "TryPopN":
		n = r.TryPopN(vs)
	case "TryPopAll":
		n = count(r.TryPopAll(vs), len(vs))
	case "Peek":
		a, b := r.Peek(len(vs))
		copy(vs[copy(vs, a):], b)
		if n = len(a) + len(b); n > 0 {
			r.Release(n)
		}
	case "Pop":
		vs[0], err = r.Pop(ctx)
		n = count(err == nil, 1)
	case "PopN":
		n, err = r.PopN(ctx, vs)
	case "All":
		for v := range r.All() {
			vs[0], n = v, 1
			break
		}
	}
	h.add(client, request{kind: kind, limit: len(vs)},
		result{n: n, vs: letters(vs[:n]), closed: errors.Is(err, h.Closed)}, begin)
}

func count(ok bool, n int) int {
	if ok {
		return n
	}
	return 0
}

// letters writes values as a string, which porcupine can compare.
func letters(vs []uint64) string {
	s := make([]rune, len(vs))
	for i, v := range vs {
		s[i] = rune(v)
	}
	return string(s)
}

// queueModel is a queue of so many values, which can be closed.
func queueModel(capacity int) porcupine.Model {
	type queue struct {
		held   string
		closed bool
	}
	step := func(q queue, c request, r result) (bool, queue) {
		switch {
		case c.kind == "Close":
			q.closed = true
			return true, q
		case slices.Contains(pushKinds, c.kind):
			room := capacity - len([]rune(q.held))
			if q.closed && (!c.late || r.n == 0) {
				room = 0
			}
			vs := []rune(c.vs)
			q.held += string(vs[:r.n])
			return (!r.closed || q.closed) && c.explains(r, room), q
		default:
			held := []rune(q.held)
			if r.n > len(held) || string(held[:r.n]) != r.vs {
				return false, q
			}
			q.held = string(held[r.n:])
			return (!r.closed || q.closed && len(held) == 0) && c.explains(r, len(held)), q
		}
	}
	return porcupine.Model{
		Init: func() any { return queue{} },
		Step: func(state, input, output any) (bool, any) {
			return step(state.(queue), input.(request), output.(result))
		},
	}
}

// explains reports whether the call may have moved what it has when so many were
// to be had.
func (c request) explains(r result, available int) bool {
	switch {
	case r.n > available:
		return false
	case r.n == c.limit || c.excused || c.short && r.n > 0:
		return true
	}
	switch c.kind {
	case "Push", "PushN", "Pop":
		return true // an error says why
	case "PopN":
		return r.n == 0 || r.n == available
	case "TryPushAll", "TryPopAll":
		return r.n == 0 && available < c.limit
	}
	return r.n == available
}

func describe(ops []porcupine.Operation) string {
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, op := range ops {
		c, r := op.Input.(request), op.Output.(result)
		fmt.Fprintf(&b, "[%3d %3d] %d: %s %v of %d = %d %v closed=%v excused=%v\n",
			op.Call, op.Return, op.ClientId, c.kind, []rune(c.vs), c.limit, r.n, []rune(r.vs), r.closed, c.excused)
	}
	return b.String()
}

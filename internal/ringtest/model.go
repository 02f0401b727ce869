package ringtest

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// starts are places for the counters of a ring to start from: where they wrap,
// where twice a counter does, where an int of 32 bits does.
var starts = []uint64{0, math.MaxUint64 - 2, math.MaxInt64 - 2, math.MaxUint32 - 2, math.MaxInt32 - 2}

// Model makes random calls of rings and of a slice and wants the same answers.
// newAt returns an empty ring whose counters all stand at n.
func Model(t *testing.T, newAt func(capacity int, n uint64) Whole[uint64]) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, capacity := range []int{1, 2, 4, 8, 64} {
		for _, start := range starts {
			ops := make([]byte, 4000)
			for i := range ops {
				ops[i] = byte(random.Uint32())
			}
			full, empty := follow(t, newAt(capacity, start), ops)
			if full == 0 || empty == 0 {
				t.Errorf("cap %d: full %d times and empty %d times, want both", capacity, full, empty)
			}
		}
	}
}

// FuzzModel lets the fuzzer choose the calls.
func FuzzModel(f *testing.F, newAt func(capacity int, n uint64) Whole[uint64]) {
	for _, start := range starts {
		f.Add(uint8(1), start, []byte("\x00\x00\x00\x01\x01\x01\x32\x33\x32\x23\x33\x36\x37\x18\x19\x3a\x3b\x1c\x0d\x0e"))
	}
	f.Fuzz(func(t *testing.T, log uint8, start uint64, ops []byte) {
		follow(t, newAt(1<<(log%8), start), ops)
	})
}

// follow makes one call for each byte of ops: the four lowest bits say which, the
// others how long the burst is. It returns how often the ring was found full and
// empty.
func follow(t testing.TB, r Whole[uint64], ops []byte) (full, empty int) {
	t.Helper()
	m := &model{Whole: r}
	for i, op := range ops {
		before := len(m.held)
		kind, burst := moves[int(op&15)%len(moves)], int(op>>4)%(r.Cap()+2)
		got, want := kind.move(m, burst)
		call := fmt.Sprintf("%s of %d", kind.name, burst)
		if g, w := fmt.Sprint(got...), fmt.Sprint(want...); g != w {
			t.Fatalf("cap %d op %d: %s = %s with %d held, want %s", r.Cap(), i, call, g, before, w)
		}
		if r.Len() != len(m.held) {
			t.Fatalf("cap %d op %d: Len = %d after %s, want %d", r.Cap(), i, r.Len(), call, len(m.held))
		}
		full += count(len(m.held) == r.Cap(), 1)
		empty += count(len(m.held) == 0, 1)
	}
	return full, empty
}

// A model is a ring and what it should hold.
type model struct {
	Whole[uint64]
	held []uint64
	next uint64 // the last value pushed
}

// done is a context that gives no time to wait.
var done = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// moves are the calls. Each says what it got and what it should have.
var moves = []struct {
	name string
	move func(m *model, n int) (got, want []any)
}{
	{"TryPush", func(m *model, _ int) (got, want []any) {
		v := m.fresh(1)
		return []any{m.TryPush(v[0])}, []any{m.put(v) == 1}
	}},
	{"TryPop", func(m *model, _ int) (got, want []any) {
		v, ok := m.TryPop()
		vs := m.take(1)
		return []any{v, ok}, []any{padded(vs, 1)[0], len(vs) == 1}
	}},
	{"TryPushN", func(m *model, n int) (got, want []any) {
		vs := m.fresh(n)
		return []any{m.TryPushN(vs)}, []any{m.put(vs)}
	}},
	{"TryPopN", func(m *model, n int) (got, want []any) {
		vs := make([]uint64, n)
		k := m.TryPopN(vs)
		out := m.take(n)
		return []any{k, vs}, []any{len(out), padded(out, n)}
	}},
	{"TryPushAll", func(m *model, n int) (got, want []any) {
		vs := m.fresh(n)
		fits := n <= m.Cap()-len(m.held)
		if fits {
			m.put(vs)
		}
		return []any{m.TryPushAll(vs)}, []any{fits}
	}},
	{"TryPopAll", func(m *model, n int) (got, want []any) {
		vs := make([]uint64, n)
		ok := m.TryPopAll(vs)
		var out []uint64
		enough := n <= len(m.held)
		if enough {
			out = m.take(n)
		}
		return []any{ok, vs}, []any{enough, padded(out, n)}
	}},
	{"Reserve and Commit", func(m *model, n int) (got, want []any) {
		vs := m.fresh(n)
		a, b := m.Reserve(n)
		copy(b, vs[copy(a, vs):])
		k := len(a) + len(b)
		fits := min(n, m.Cap()-len(m.held))
		if k > 0 {
			m.Commit(k - int(vs[0])%2) // all, or all but one
			m.put(vs[:k-int(vs[0])%2])
		}
		return []any{k}, []any{fits}
	}},
	{"Peek and Release", func(m *model, n int) (got, want []any) {
		a, b := m.Peek(n)
		vs := slices.Concat(a, b)
		out := slices.Clone(m.held[:min(n, len(m.held))])
		if k := len(vs); k > 0 {
			m.Release(k - int(vs[0])%2)
			m.take(k - int(vs[0])%2)
		}
		return []any{vs}, []any{out}
	}},
	{"Push", func(m *model, _ int) (got, want []any) {
		v := m.fresh(1)
		return []any{m.Push(done, v[0])}, []any{unless(m.put(v) == 1)}
	}},
	{"Pop", func(m *model, _ int) (got, want []any) {
		v, err := m.Pop(done)
		vs := m.take(1)
		return []any{v, err}, []any{padded(vs, 1)[0], unless(len(vs) == 1)}
	}},
	{"PushN", func(m *model, n int) (got, want []any) {
		vs := m.fresh(n)
		k, err := m.PushN(done, vs)
		fit := m.put(vs)
		return []any{k, err}, []any{fit, unless(fit == n)}
	}},
	{"PopN", func(m *model, n int) (got, want []any) {
		vs := make([]uint64, n)
		k, err := m.PopN(done, vs)
		out := m.take(n)
		return []any{k, err, vs}, []any{len(out), unless(len(out) > 0 || n == 0), padded(out, n)}
	}},
	{"All", func(m *model, n int) (got, want []any) {
		vs := make([]uint64, 0, n)
		if n > 0 {
			for v := range m.All() {
				if vs = append(vs, v); len(vs) == n {
					break
				}
			}
		}
		return []any{vs}, []any{m.take(n)}
	}},
	{"PushReady", func(m *model, _ int) (got, want []any) {
		return []any{isClosed(m.PushReady())}, []any{len(m.held) < m.Cap()}
	}},
	{"PopReady", func(m *model, _ int) (got, want []any) {
		return []any{isClosed(m.PopReady())}, []any{len(m.held) > 0}
	}},
}

// fresh returns n values not used before.
func (m *model) fresh(n int) []uint64 {
	vs := make([]uint64, n)
	for i := range vs {
		m.next++
		vs[i] = m.next
	}
	return vs
}

// put holds as many of vs as there is room for and returns how many.
func (m *model) put(vs []uint64) int {
	n := min(len(vs), m.Cap()-len(m.held))
	m.held = append(m.held, vs[:n]...)
	return n
}

// take holds no longer the first n of what it held, and returns them.
func (m *model) take(n int) []uint64 {
	n = min(n, len(m.held))
	vs := m.held[:n:n]
	m.held = m.held[n:]
	return vs
}

func padded(vs []uint64, n int) []uint64 { return append(vs, make([]uint64, n-len(vs))...) }

func unless(ok bool) error {
	if ok {
		return nil
	}
	return context.Canceled
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

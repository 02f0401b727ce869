package sim

import (
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// Two lines, and two words in each.
type lines struct {
	_    [64 << 10]byte // of this size and more, Go aligns to pages
	a, b Uint64
	_    [48]byte
	c, d Uint64
}

// count runs programs that stand in the order of their times: step n begins at
// 1000*n.
func count(programs ...func(*lines)) Counts {
	m, l := New(Model{LineBytes: 64}), new(lines)
	var run []func()
	for _, p := range programs {
		run = append(run, func() { p(l) })
	}
	m.Run(run...)
	return m.Counts()
}

func at(step int64) { Work(1000*step - present.now) }

func TestHandComputed(t *testing.T) {
	none := func(*lines) {}
	for _, test := range []struct {
		name string
		p, q func(*lines)
		want Counts
	}{
		{"one processor keeps its line", func(l *lines) {
			for range 100 {
				l.a.Add(1)
				l.b.Load()
			}
		}, none, Counts{Cold: 1}},
		{"what was read alone is written without asking", func(l *lines) {
			l.a.Load()
			l.a.Store(1)
		}, none, Counts{Cold: 1}},
		{"ping-pong: a transfer for each store", func(l *lines) {
			for i := range int64(10) {
				at(2 * i)
				l.a.Store(1)
			}
		}, func(l *lines) {
			for i := range int64(10) {
				at(2*i + 1)
				l.a.Store(1)
			}
		}, Counts{Cold: 1, WriteMisses: 19}},
		{"a line that both read stays with both", func(l *lines) {
			for i := range int64(10) {
				at(2 * i)
				l.a.Load()
			}
		}, func(l *lines) {
			for i := range int64(10) {
				at(2*i + 1)
				l.a.Load()
			}
		}, Counts{Cold: 1, ReadMisses: 1}},
		{"who writes what both have asks, and the other reads it again", func(l *lines) {
			for i := range int64(10) {
				at(2 * i)
				l.a.Store(1)
			}
		}, func(l *lines) {
			for i := range int64(10) {
				at(2*i + 1)
				l.a.Load()
			}
		}, Counts{Cold: 1, ReadMisses: 10, Upgrades: 9}},
		{"a compare-and-swap that fails takes the line", func(l *lines) {
			l.a.Store(1)
			at(2)
			l.a.Load()
		}, func(l *lines) {
			at(1)
			l.a.CompareAndSwap(0, 2)
		}, Counts{Cold: 1, WriteMisses: 1, ReadMisses: 1}},
		{"false sharing: two words of a line", func(l *lines) {
			for i := range int64(10) {
				at(2 * i)
				l.a.Store(1)
			}
		}, func(l *lines) {
			for i := range int64(10) {
				at(2*i + 1)
				l.b.Store(1)
			}
		}, Counts{Cold: 1, WriteMisses: 19}},
		{"two words of two lines", func(l *lines) {
			for i := range int64(10) {
				at(2 * i)
				l.a.Store(1)
			}
		}, func(l *lines) {
			for i := range int64(10) {
				at(2*i + 1)
				l.c.Store(1)
			}
		}, Counts{Cold: 2}},
		{"a plain store is one, too", func(l *lines) {
			Set(&l.a.v, 1)
			at(2)
			_ = *Read(&l.a.v)
		}, func(l *lines) {
			at(1)
			*Write(&l.b.v) += 1
			at(3)
			Set(&l.b.v, 1)
		}, Counts{Cold: 1, WriteMisses: 1, ReadMisses: 1, Upgrades: 1}},
		{"data is counted apart", func(l *lines) { Section(&l.a.v, 0) }, func(l *lines) {
			at(1)
			Section(&l.a.v, 0)
		}, Counts{Cold: 1, Data: 1}},
		{"a prefetch is what makes the transfers", func(l *lines) {
			l.a.Store(1)
			l.c.Store(1)
		}, func(l *lines) {
			at(1)
			PrefetchWrite(uintptr(unsafe.Pointer(&l.a)), 72)
		}, Counts{Cold: 2, WriteMisses: 2}},
		{"what was fetched is there", func(l *lines) {
			l.a.Store(1)
			l.c.Store(1)
		}, func(l *lines) {
			at(1)
			Prefetch(uintptr(unsafe.Pointer(&l.a)), 72)
			l.b.Load()
			l.d.Load()
		}, Counts{Cold: 2, ReadMisses: 2}},
		{"a mutex is handed over", func(l *lines) {
			m := (*Mutex)(unsafe.Pointer(&l.a))
			m.Lock()
			at(2)
			m.Unlock()
		}, func(l *lines) {
			at(1)
			m := (*Mutex)(unsafe.Pointer(&l.a))
			m.Lock()
			m.Unlock()
		}, Counts{Cold: 1, WriteMisses: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := count(test.p, test.q)
			got.Ticks = 0
			require.Equal(t, test.want, got)
		})
	}
}

// A line makes one transfer at a time, two lines make two, and a prefetch makes all of
// its own at once.
func TestTime(t *testing.T) {
	read := func(words ...func(*lines) *Uint64) func(*lines) {
		return func(l *lines) {
			at(1)
			for _, w := range words {
				w(l).Load()
			}
		}
	}
	a := func(l *lines) *Uint64 { return &l.a }
	c := func(l *lines) *Uint64 { return &l.c }
	fetch := func(l *lines) {
		at(1)
		Prefetch(uintptr(unsafe.Pointer(&l.a)), 128)
	}
	require.EqualValues(t, 1000+transfer, count(read(a)).Ticks)
	require.EqualValues(t, 1000+transfer+hit, count(read(a, a)).Ticks)
	require.EqualValues(t, 1000+3*transfer, count(read(a), read(a), read(a)).Ticks)
	require.EqualValues(t, 1000+transfer, count(read(a), read(c)).Ticks)
	require.EqualValues(t, 1000+2*transfer, count(read(a, c)).Ticks)
	require.EqualValues(t, 1000+transfer, count(fetch).Ticks)
}

// Three wait for a word without being counted, and each reads it once when it has
// changed.
func TestSpin(t *testing.T) {
	await := func(l *lines) {
		for l.a.Load() == 0 {
			Spin(&l.a)
		}
	}
	got := count(func(l *lines) {
		at(10)
		l.a.Store(1)
	}, await, await, await)
	require.Equal(t, Counts{Cold: 1, ReadMisses: 2 + 3, WriteMisses: 1, Ticks: 10000 + 4*transfer}, got)
}

// Who waits for one that never comes is told so.
func TestStandstill(t *testing.T) {
	require.PanicsWithValue(t, "sim: 1 processors wait for each other", func() {
		count(func(l *lines) {
			l.a.Load()
			Spin(&l.a)
		})
	})
}

// What stands for a type has its size, so that a copy has the layout of its source.
func TestSizes(t *testing.T) {
	require.Equal(t, unsafe.Sizeof(atomic.Uint64{}), unsafe.Sizeof(Uint64{}))
	require.Equal(t, unsafe.Sizeof(atomic.Uint32{}), unsafe.Sizeof(Uint32{}))
	require.Equal(t, unsafe.Sizeof(atomic.Int64{}), unsafe.Sizeof(Int64{}))
	require.Equal(t, unsafe.Sizeof(atomic.Int32{}), unsafe.Sizeof(Int32{}))
	require.Equal(t, unsafe.Sizeof(atomic.Uintptr{}), unsafe.Sizeof(Uintptr{}))
	require.Equal(t, unsafe.Sizeof(atomic.Bool{}), unsafe.Sizeof(Bool{}))
	require.Equal(t, unsafe.Sizeof(atomic.Pointer[int]{}), unsafe.Sizeof(Pointer[int]{}))
	require.Equal(t, unsafe.Sizeof(sync.Mutex{}), unsafe.Sizeof(Mutex{}))
	require.Equal(t, unsafe.Sizeof(sync.Pool{}), unsafe.Sizeof(Pool{}))
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.EqualValues(t, cpu.LineSize, LineSize)
	}
}

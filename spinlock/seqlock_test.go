package spinlock_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

func TestSeqLock(t *testing.T) {
	locktest.Mutex(t, own[spinlock.SeqLock])
}

func TestUnlockOfUnlockedSeqLockPanics(t *testing.T) {
	var l spinlock.SeqLock
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked SeqLock", l.Unlock)
	l.Lock()
	l.Unlock()
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked SeqLock", l.Unlock)
}

func TestRetrySaysWhetherSomebodyWrote(t *testing.T) {
	var l spinlock.SeqLock
	seq := l.Begin()
	require.False(t, l.Retry(seq))
	l.Lock()
	require.True(t, l.Retry(seq), "a writer is inside")
	l.Unlock()
	require.True(t, l.Retry(seq), "a writer was inside")
	require.False(t, l.Retry(l.Begin()))
}

// writersAndReaders has writers store ever new values and readers load them, until
// both have done so a while, each at least once in the other's presence.
func writersAndReaders(t *testing.T, write func(n uint64), read func() (whole bool)) {
	const writers, readers, rounds = 2, 3, 20_000
	var all sync.WaitGroup
	for w := range uint64(writers) {
		all.Go(func() {
			for n := range uint64(rounds) {
				write(n*writers + w)
				if n%64 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	for range readers {
		all.Go(func() {
			for n := range rounds {
				if !read() {
					t.Error("a reading mixes two writings")
					return
				}
				if n%64 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	all.Wait()
}

func TestSeqLockReadersSeeAllOrNothing(t *testing.T) {
	var (
		l     spinlock.SeqLock
		words [5]atomic.Uint64
	)
	writersAndReaders(t, func(n uint64) {
		l.Lock()
		for i := range words {
			words[i].Store(n)
			if i == int(n%64) {
				runtime.Gosched()
			}
		}
		l.Unlock()
	}, func() bool {
		for {
			var got [len(words)]uint64
			seq := l.Begin()
			for i := range words {
				got[i] = words[i].Load()
			}
			if !l.Retry(seq) {
				return got == [len(words)]uint64{got[0], got[0], got[0], got[0], got[0]}
			}
		}
	})
}

func TestSeqLoadsAllOrNothing(t *testing.T) {
	type odd struct { // 43 bytes and a hole
		a, b uint64
		c    [3]uint64
		d    uint16
		e    uint8
	}
	var q spinlock.Seq[odd]
	value := func(n uint64) odd { return odd{n, n, [3]uint64{n, n, n}, uint16(n), uint8(n)} }
	writersAndReaders(t, func(n uint64) { q.Store(value(n)) }, func() bool {
		v := q.Load()
		return v == value(v.a)
	})
}

func TestSeqUpdatesOneAfterAnother(t *testing.T) {
	var q spinlock.Seq[[3]int]
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5000 {
				q.Update(func(v [3]int) [3]int { return [3]int{v[0] + 1, v[1] + 2, v[2] + 3} })
			}
		})
	}
	all.Wait()
	require.Equal(t, [3]int{20_000, 40_000, 60_000}, q.Load())
}

func TestSeqHoldsEverySize(t *testing.T) {
	testSeqOf(t, struct{}{})
	testSeqOf(t, uint8(200))
	testSeqOf(t, [3]byte{1, 2, 3})
	testSeqOf(t, true)
	testSeqOf(t, [8]byte{1, 2, 3, 4, 5, 6, 7, 8})
	testSeqOf(t, [9]byte{1, 2, 3, 4, 5, 6, 7, 8, 9})
	testSeqOf(t, struct {
		a uint32
		b float64
		c uintptr
	}{1, 2, 3})
	testSeqOf(t, [100]complex128{99: 1 + 2i})
}

func testSeqOf[T comparable](t *testing.T, v T) {
	// Words beside the Seq, and odd places for it to start from.
	var guard struct {
		_      byte
		before uint64
		q      spinlock.Seq[T]
		after  byte
	}
	guard.before, guard.after = ^uint64(0), 255
	var zero T
	require.Equal(t, zero, guard.q.Load())
	guard.q.Store(v)
	require.Equal(t, v, guard.q.Load())
	require.Equal(t, v, guard.q.Update(func(v T) T { return v }))
	require.PanicsWithValue(t, 3, func() { guard.q.Update(func(T) T { panic(3) }) })
	require.Equal(t, v, guard.q.Load(), "a panic changes nothing")
	require.Equal(t, ^uint64(0), guard.before)
	require.EqualValues(t, 255, guard.after)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		guard.q.Store(v)
		guard.q.Load()
	}))
}

func TestSeqOfPointersPanics(t *testing.T) {
	pointers(t, "string", "")
	pointers(t, "*int", new(int))
	pointers(t, "[]int", []int(nil))
	pointers(t, "map[int]int", map[int]int(nil))
	pointers(t, "chan int", chan int(nil))
	pointers(t, "func()", (func())(nil))
	pointers(t, "unsafe.Pointer", unsafe.Pointer(nil))
	pointers(t, "error", error(nil))
	pointers(t, "struct { a int; b [2]struct { c string } }", struct {
		a int
		b [2]struct{ c string }
	}{})
}

func pointers[T any](t *testing.T, name string, v T) {
	var q spinlock.Seq[T]
	want := "spinlock: Seq of " + name + ", which contains pointers"
	for range 2 {
		require.PanicsWithValue(t, want, func() { q.Load() })
		require.PanicsWithValue(t, want, func() { q.Store(v) })
		require.PanicsWithValue(t, want, func() { q.Update(func(v T) T { return v }) })
	}
}

package spinlock_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

// bigReader is a BigReader as a goroutine sees it that reads and writes.
type bigReader struct {
	*spinlock.BigReader
	reader *spinlock.Reader
}

func (b bigReader) RLock()                                 { b.reader.Lock() }
func (b bigReader) RUnlock()                               { b.reader.Unlock() }
func (b bigReader) TryRLock() bool                         { return b.reader.TryLock() }
func (b bigReader) RLockContext(ctx context.Context) error { return b.reader.LockContext(ctx) }

// Handles are made before the lock is taken where that matters: registering waits
// for writers. So the trial gets its readers from a store.
func newBigReader() (func() locktest.RWHandle, func() any) {
	l := new(spinlock.BigReader)
	l.NearWrap()
	var mu sync.Mutex
	var store []*spinlock.Reader
	for range 600 {
		store = append(store, l.Register())
	}
	return func() locktest.RWHandle {
		mu.Lock()
		defer mu.Unlock()
		r := store[0]
		store = store[1:]
		return bigReader{l, r}
	}, l.Line
}

func TestBigReader(t *testing.T) {
	locktest.RW(t, newBigReader)
}

func TestBigReaderMisusePanics(t *testing.T) {
	var l spinlock.BigReader
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked BigReader", l.Unlock)
	r := l.Register()
	require.PanicsWithValue(t, "spinlock: Unlock of a Reader that is not inside", r.Unlock)
	r.Lock()
	require.PanicsWithValue(t, "spinlock: Lock of a Reader that is inside", r.Lock)
	require.PanicsWithValue(t, "spinlock: Lock of a Reader that is inside", func() { r.TryLock() })
	require.PanicsWithValue(t, "spinlock: Close of a Reader that is inside", r.Close)
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked BigReader", l.Unlock)
	r.Unlock()
	r.Close()
	require.PanicsWithValue(t, "spinlock: Close of a closed Reader", r.Close)
	require.True(t, l.TryLock(), "no panic left a trace")
	l.Unlock()
}

// Readers come and go while others read and write, and those that waited for a
// writer left a negative count behind.
func TestReadersRegisterAndClose(t *testing.T) {
	var (
		l     spinlock.BigReader
		all   sync.WaitGroup
		words [2]int
	)
	for range 4 {
		all.Go(func() {
			for range 200 {
				r := l.Register()
				for range 5 {
					r.Lock()
					if words[0] != words[1] {
						t.Errorf("%d and %d: a writer was inside with a reader", words[0], words[1])
					}
					r.Unlock()
				}
				r.Close()
				l.Lock()
				words[0]++
				words[1]++
				l.Unlock()
			}
		})
	}
	all.Wait()
	require.Equal(t, [2]int{800, 800}, words)
	require.True(t, l.TryLock(), "all counts together are zero")
}

package spinlock_test

import (
	"os/exec"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

func TestMutex(t *testing.T) {
	locktest.Mutex(t, own[spinlock.Mutex])
}

func TestUnlockOfUnlockedMutexPanics(t *testing.T) {
	var m spinlock.Mutex
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked Mutex", m.Unlock)
	require.True(t, m.TryLock(), "the panic leaves it unlocked")
	m.Unlock()
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked Mutex", m.Unlock)
}

// A copy of a lock is another lock: go vet has to say so.
func TestVetSeesCopies(t *testing.T) {
	out, err := exec.Command("go", "vet", "./testdata/copies").CombinedOutput()
	require.Error(t, err)
	for _, name := range []string{"Mutex", "Ticket", "RWMutex", "BigReader", "Reader", "SeqLock", "Seq[int]"} {
		require.Contains(t, string(out), "passes lock by value: github.com/ferrule-go/ferrule/spinlock."+name)
	}
}

func TestLocksDoNotAllocate(t *testing.T) {
	var (
		m   spinlock.Mutex
		k   spinlock.Ticket
		rw  spinlock.RWMutex
		big spinlock.BigReader
		seq spinlock.SeqLock
	)
	r := big.Register()
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for _, l := range []locktest.Canceller{&m, &k, &rw, &big, &seq, r} {
			l.Lock()
			l.Unlock()
			l.TryLock()
			l.Unlock()
			_ = l.LockContext(ctx)
			l.Unlock()
		}
		rw.RLock()
		rw.RUnlock()
	}))
}

// The doc comments say how large they are.
func TestSizes(t *testing.T) {
	if lockdebug.On {
		return // a lock that knows its holder is larger
	}
	require.EqualValues(t, 8, unsafe.Sizeof(spinlock.Mutex{}))
	require.EqualValues(t, 16, unsafe.Sizeof(spinlock.Ticket{}))
	require.EqualValues(t, 16, unsafe.Sizeof(spinlock.SeqLock{}))
	require.EqualValues(t, 16+8+8, unsafe.Sizeof(spinlock.Seq[int32]{}))
	if cpu.LineSize == 128 {
		require.InDelta(t, 1400, int(unsafe.Sizeof(spinlock.RWMutex{})), 50)
	}
}

package spinlock_test

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

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
	require.Contains(t, string(out), "passes lock by value: github.com/ferrule-go/ferrule/spinlock.Mutex")
}

func TestMutexDoesNotAllocate(t *testing.T) {
	var m spinlock.Mutex
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.Lock()
		m.Unlock()
	}))
}

package spinlock_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

func TestTicket(t *testing.T) {
	locktest.Mutex(t, own[spinlock.Ticket])
	locktest.FIFO(t, func() (func() locktest.Handle, func() any) {
		l := new(spinlock.Ticket)
		return func() locktest.Handle { return l }, func() any { return l.Drawn() }
	})
}

func TestUnlockOfUnlockedTicketPanics(t *testing.T) {
	var l spinlock.Ticket
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked Ticket", l.Unlock)
	require.True(t, l.TryLock(), "the panic leaves it unlocked")
	l.Unlock()
	require.PanicsWithValue(t, "spinlock: Unlock of unlocked Ticket", l.Unlock)
}

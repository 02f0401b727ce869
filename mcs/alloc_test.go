//go:build !race

package mcs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/lockdebug"
	"github.com/ferrule-go/ferrule/mcs"
)

// Under the race detector a sync.Pool loses things on purpose.
func TestMutexDoesNotAllocate(t *testing.T) {
	if lockdebug.On {
		return // it keeps stacks
	}
	var m mcs.Mutex
	wait, waited := make(chan struct{}), make(chan struct{})
	go func() {
		for range wait {
			m.Lock()
			m.Unlock()
			waited <- struct{}{}
		}
	}()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		m.Lock()
		wait <- struct{}{}
		until(m.Parked)
		m.Unlock()
		<-waited
	}))
	close(wait)
}

package mcs_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/mcs"
)

func newMutex() func() locktest.Handle {
	m := new(mcs.Mutex)
	return func() locktest.Handle { return m }
}

func TestMutex(t *testing.T) {
	locktest.Mutex(t, newMutex)
}

func TestMutexServesInOrder(t *testing.T) {
	locktest.FIFO(t, func() (func() locktest.Handle, func() any) {
		m := new(mcs.Mutex)
		return func() locktest.Handle { return m }, func() any { return m.Waiting() }
	})
}

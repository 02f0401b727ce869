package mcs_test

import (
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/internal/locktest"
)

func BenchmarkLocks(b *testing.B) {
	locktest.Compare(b,
		locktest.Impl{Name: "mcs.Lock", New: newLock},
		locktest.Impl{Name: "mcs.Mutex", New: newMutex},
		locktest.Impl{Name: "sync.Mutex", New: func() func() locktest.Handle {
			m := new(sync.Mutex)
			return func() locktest.Handle { return m }
		}},
	)
}

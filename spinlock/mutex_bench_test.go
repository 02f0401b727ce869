package spinlock_test

import (
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

func BenchmarkMutex(b *testing.B) {
	locktest.Compare(b,
		locktest.Impl{Name: "spinlock.Mutex", New: own[spinlock.Mutex]},
		locktest.Impl{Name: "sync.Mutex", New: own[sync.Mutex]},
	)
}

// own makes locks that are their own handles.
func own[L any, H interface {
	*L
	locktest.Handle
}]() func() locktest.Handle {
	l := H(new(L))
	return func() locktest.Handle { return l }
}

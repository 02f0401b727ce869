package spinlock_test

import (
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

func BenchmarkLock(b *testing.B) {
	locktest.Benchmark(b, "spinlock.Mutex", func() func() locktest.Handle {
		m := new(spinlock.Mutex)
		return func() locktest.Handle { return m }
	})
	locktest.Benchmark(b, "sync.Mutex", func() func() locktest.Handle {
		m := new(sync.Mutex)
		return func() locktest.Handle { return m }
	})
}

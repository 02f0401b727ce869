package mcs_test

import (
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/internal/locktest"
)

func BenchmarkLock(b *testing.B) {
	locktest.Benchmark(b, "mcs.Lock", newLock)
	locktest.Benchmark(b, "sync.Mutex", func() func() locktest.Handle {
		m := new(sync.Mutex)
		return func() locktest.Handle { return m }
	})
}

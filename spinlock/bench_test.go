package spinlock_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/locktest"
	"github.com/ferrule-go/ferrule/spinlock"
)

func BenchmarkLocks(b *testing.B) {
	locktest.Compare(b,
		locktest.Impl{Name: "Mutex", New: own[spinlock.Mutex]},
		locktest.Impl{Name: "Ticket", New: own[spinlock.Ticket]},
		locktest.Impl{Name: "SeqLock", New: own[spinlock.SeqLock]},
		locktest.Impl{Name: "RWMutex", New: own[spinlock.RWMutex]},
		locktest.Impl{Name: "sync.Mutex", New: own[sync.Mutex]},
	)
}

func BenchmarkReaders(b *testing.B) {
	locktest.CompareReaders(b,
		locktest.Impl{Name: "RWMutex", New: own[rwReader]},
		locktest.Impl{Name: "BigReader", New: func() func() locktest.Handle {
			l := new(spinlock.BigReader)
			return func() locktest.Handle { return l.Register() }
		}},
		locktest.Impl{Name: "sync.RWMutex", New: own[syncReader]},
	)
}

// own makes locks that are their own handles, a line away from all else.
func own[L any, H interface {
	*L
	locktest.Handle
}]() func() locktest.Handle {
	var padded struct {
		_    cpu.Pad
		lock L
		_    cpu.Pad
	}
	l := H(&padded.lock)
	return func() locktest.Handle { return l }
}

type rwReader struct{ l spinlock.RWMutex }

func (r *rwReader) Lock()         { r.l.RLock() }
func (r *rwReader) Unlock()       { r.l.RUnlock() }
func (r *rwReader) TryLock() bool { return r.l.TryRLock() }

type syncReader struct{ l sync.RWMutex }

func (r *syncReader) Lock()         { r.l.RLock() }
func (r *syncReader) Unlock()       { r.l.RUnlock() }
func (r *syncReader) TryLock() bool { return r.l.TryRLock() }

// What readers see of a value of four words, read by everybody and written by
// nobody meanwhile: a copy.
func BenchmarkSeq(b *testing.B) {
	type value [4]uint64
	var sum atomic.Uint64
	b.Run("impl=Seq/words=4", func(b *testing.B) {
		var q spinlock.Seq[value]
		q.Store(value{1, 2, 3, 4})
		b.RunParallel(func(pb *testing.PB) {
			n := uint64(0)
			for pb.Next() {
				n += q.Load()[3]
			}
			sum.Add(n)
		})
	})
	b.Run("impl=sync.RWMutex/words=4", func(b *testing.B) {
		var l sync.RWMutex
		q := value{1, 2, 3, 4}
		b.RunParallel(func(pb *testing.PB) {
			n := uint64(0)
			for pb.Next() {
				l.RLock()
				v := q
				l.RUnlock()
				n += v[3]
			}
			sum.Add(n)
		})
	})
	if sum.Load()%4 != 0 {
		b.Error("a value was read wrong")
	}
}

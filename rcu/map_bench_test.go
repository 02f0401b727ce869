package rcu_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ferrule-go/ferrule/rcu"
)

// An address is a key of 16 bytes.
type address struct{ high, low uint64 }

// BenchmarkMapLoad looks up keys that are there, in random order, and adds up what
// it finds; the sum is checked. Readers enter a section for each burst. A sync.Map
// takes each key in an interface: "boxed" has them ready, as no user has.
func BenchmarkMapLoad(b *testing.B) {
	for _, size := range []int{1000, 1_000_000} {
		b.Run(fmt.Sprintf("key=uint64/size=%d", size), func(b *testing.B) {
			benchmarkLoad(b, size, func() uint64 { return rand.Uint64() }, func(k uint64) uint64 { return k })
		})
		b.Run(fmt.Sprintf("key=address/size=%d", size), func(b *testing.B) {
			benchmarkLoad(b, size, func() address { return address{rand.Uint64(), rand.Uint64()} },
				func(k address) uint64 { return k.high*0x9e37_79b9_7f4a_7c15 + k.low })
		})
	}
}

func benchmarkLoad[K comparable](b *testing.B, size int, key func() K, hash func(K) uint64) {
	var (
		d             rcu.Domain
		own, callers  = rcu.NewMap[K, int](), rcu.NewMapFunc[K, int](hash)
		std           sync.Map
		keys, ordered []K
		boxed         []any
	)
	for range size {
		k := key()
		keys = append(keys, k)
		own.Store(k, 1)
		callers.Store(k, 1)
		std.Store(k, 1)
	}
	for _, i := range rand.Perm(size) {
		ordered, boxed = append(ordered, keys[i]), append(boxed, keys[i])
	}
	loop := func(m *rcu.Map[K, int], burst int) func(from, n int) int {
		return func(from, n int) (sum int) {
			r := d.Register()
			defer r.Close()
			for n > 0 {
				few := min(burst, n, size-from)
				r.Lock()
				for _, k := range ordered[from : from+few] {
					v, _ := m.Load(k)
					sum += v
				}
				r.Unlock()
				n, from = n-few, (from+few)%size
			}
			return sum
		}
	}
	for _, impl := range []struct {
		name string
		run  func(from, n int) (sum int)
	}{
		{"rcu.Map/burst=32", loop(own, 32)},
		{"rcu.Map/burst=1", loop(own, 1)},
		{"rcu.Map.LoadN/burst=32", func(from, n int) (sum int) {
			r := d.Register()
			defer r.Close()
			var values [32]int
			var found [32]bool
			for n > 0 {
				few := min(len(values), n, size-from)
				r.Lock()
				own.LoadN(ordered[from:from+few], values[:], found[:])
				r.Unlock()
				for _, v := range values[:few] {
					sum += v
				}
				n, from = n-few, (from+few)%size
			}
			return sum
		}},
		{"rcu.NewMapFunc/burst=32", loop(callers, 32)},
		{"rcu.NewMapFunc/burst=1", loop(callers, 1)},
		{"sync.Map/burst=32", func(from, n int) (sum int) {
			for n > 0 {
				few := min(32, n, size-from)
				for _, k := range ordered[from : from+few] {
					v, _ := std.Load(k)
					sum += v.(int)
				}
				n, from = n-few, (from+few)%size
			}
			return sum
		}},
		{"sync.Map.boxed/burst=32", func(from, n int) (sum int) {
			for n > 0 {
				few := min(32, n, size-from)
				for _, k := range boxed[from : from+few] {
					v, _ := std.Load(k)
					sum += v.(int)
				}
				n, from = n-few, (from+few)%size
			}
			return sum
		}},
	} {
		for _, goroutines := range []int{1, 2} {
			b.Run(fmt.Sprintf("impl=%s/goroutines=%d", impl.name, goroutines), func(b *testing.B) {
				sums := make(chan int)
				for g := range goroutines {
					share := b.N*(g+1)/goroutines - b.N*g/goroutines
					go func() {
						sums <- impl.run(size/goroutines*g, share)
					}()
				}
				total := 0
				for range goroutines {
					total += <-sums
				}
				if total != b.N {
					b.Fatalf("sum is %d, want %d", total, b.N)
				}
			})
		}
	}
}

// BenchmarkMapStoreDelete fills an empty map with keys and empties it, and reports
// the time of one insertion and of one deletion.
func BenchmarkMapStoreDelete(b *testing.B) {
	for _, size := range []int{1000, 1_000_000} {
		keys := make([]uint64, size)
		for i := range keys {
			keys[i] = rand.Uint64()
		}
		b.Run(fmt.Sprintf("impl=rcu.Map/size=%d", size), func(b *testing.B) {
			benchmarkStoreDelete(b, keys, func() (func(uint64), func(uint64)) {
				m := rcu.NewMap[uint64, int]()
				return func(k uint64) { m.Store(k, 1) }, func(k uint64) { m.Delete(k) }
			})
		})
		b.Run(fmt.Sprintf("impl=sync.Map/size=%d", size), func(b *testing.B) {
			benchmarkStoreDelete(b, keys, func() (func(uint64), func(uint64)) {
				var m sync.Map
				return func(k uint64) { m.Store(k, 1) }, func(k uint64) { m.Delete(k) }
			})
		})
	}
}

func benchmarkStoreDelete(b *testing.B, keys []uint64, newMap func() (store, remove func(uint64))) {
	var spent [2]time.Duration
	for range b.N {
		store, remove := newMap()
		for i, call := range []func(uint64){store, remove} {
			begin := time.Now()
			for _, k := range keys {
				call(k)
			}
			spent[i] += time.Since(begin)
		}
	}
	n := float64(b.N * len(keys))
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(spent[0].Nanoseconds())/n, "ns/insert")
	b.ReportMetric(float64(spent[1].Nanoseconds())/n, "ns/delete")
}

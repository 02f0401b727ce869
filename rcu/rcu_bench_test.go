package rcu_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/rcu"
)

// BenchmarkRead enters a section, follows a pointer, adds what is there and
// leaves. The sum is checked.
func BenchmarkRead(b *testing.B) {
	var newest rcu.Pointer[int]
	one := 1
	newest.Store(&one)
	read := func(l sync.Locker) int {
		l.Lock()
		defer l.Unlock()
		return *newest.Load()
	}

	var d rcu.Domain
	var rw sync.RWMutex
	for _, impl := range []struct {
		name   string
		locker func() sync.Locker
	}{
		{"rcu.Reader", func() sync.Locker { return d.Register() }},
		{"sync.RWMutex", func() sync.Locker { return rw.RLocker() }},
	} {
		for _, goroutines := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("impl=%s/goroutines=%d", impl.name, goroutines), func(b *testing.B) {
				sums := make(chan int)
				for g := range goroutines {
					share := b.N / goroutines
					if g < b.N%goroutines {
						share++
					}
					go func() {
						l, sum := impl.locker(), 0
						for range share {
							sum += read(l)
						}
						sums <- sum
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

// BenchmarkSynchronize measures a grace period when no reader is in a section.
func BenchmarkSynchronize(b *testing.B) {
	for _, readers := range []int{0, 8, 64} {
		b.Run(fmt.Sprintf("readers=%d", readers), func(b *testing.B) {
			var d rcu.Domain
			for range readers {
				d.Register()
			}
			for b.Loop() {
				d.Synchronize()
			}
		})
	}
}

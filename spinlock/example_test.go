package spinlock_test

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/spinlock"
)

// One goroutine waits for another, and may have to run on the same processor.
func ExampleBackoff() {
	var answer atomic.Int64
	go answer.Store(42)

	var b spinlock.Backoff
	for answer.Load() == 0 {
		b.Wait()
	}
	fmt.Println(answer.Load())
	// Output: 42
}

// A CompareAndSwap that fails was beaten by one that did not: no one is waited
// for.
func ExampleBackoff_Lost() {
	var highest atomic.Int64
	raise := func(to int64) {
		var b spinlock.Backoff
		for {
			old := highest.Load()
			if old >= to || highest.CompareAndSwap(old, to) {
				return
			}
			b.Lost()
		}
	}
	raise(3)
	raise(2)
	fmt.Println(highest.Load())
	// Output: 3
}

// A Mutex beside the words it guards.
func ExampleMutex() {
	var account struct {
		spinlock.Mutex
		balance int
	}
	var done sync.WaitGroup
	for range 100 {
		done.Go(func() {
			account.Lock()
			account.balance++
			account.Unlock()
		})
	}
	done.Wait()
	fmt.Println(account.balance)
	// Output: 100
}

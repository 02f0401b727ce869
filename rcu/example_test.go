package rcu_test

import (
	"fmt"
	"sync"

	"github.com/ferrule-go/ferrule/rcu"
)

// Two tables take turns: while readers use one, the writer fills the other, and a
// grace period stands between the last reader's leaving and the writer's coming.
func Example() {
	type table [4]int
	var (
		tables [2]table
		newest rcu.Pointer[table]
		domain rcu.Domain
	)
	newest.Store(&tables[0])

	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			reader := domain.Register()
			defer reader.Close()
			for {
				select {
				case <-stop:
					return
				default:
				}
				reader.Lock()
				t := newest.Load()
				if t[0] != t[3] {
					fmt.Println("torn table:", *t)
				}
				reader.Unlock()
			}
		})
	}

	spare := &tables[1]
	for n := range 100 {
		for i := range spare {
			spare[i] = n
		}
		spare = newest.Swap(spare) // readers that start now find the new one
		domain.Synchronize()       // those that had the old one have left
	}
	close(stop)
	readers.Wait()
	fmt.Println(*newest.Load())
	// Output: [99 99 99 99]
}

// A buffer goes back to its pool when no reader can have it.
func ExampleDomain_Synchronize() {
	var (
		domain rcu.Domain
		newest rcu.Pointer[[]byte]
		pool   [][]byte
	)
	first, second := []byte("first"), []byte("second")
	newest.Store(&first)

	old := newest.Swap(&second)
	domain.Synchronize()
	pool = append(pool, *old)
	fmt.Printf("%s\n", pool)
	// Output: [first]
}

// Sections nest: only the outermost Unlock ends them.
func ExampleReader() {
	var (
		domain rcu.Domain
		limit  rcu.Pointer[int]
	)
	thousand := 1000
	limit.Store(&thousand)

	reader := domain.Register()
	defer reader.Close()
	below := func(n int) bool {
		reader.Lock()
		defer reader.Unlock()
		return n < *limit.Load()
	}

	reader.Lock()
	fmt.Println(below(10), below(1000)) // against the same limit, or a newer
	reader.Unlock()
	// Output: true false
}

// Several writers: whoever loses to another starts from what that one made.
func ExamplePointer_CompareAndSwap() {
	type config struct{ version, users int }
	var (
		domain rcu.Domain
		newest rcu.Pointer[config]
	)
	newest.Store(&config{version: 1})

	reader := domain.Register()
	defer reader.Close()
	addUser := func() {
		for {
			reader.Lock()
			old := newest.Load()
			next := &config{version: old.version + 1, users: old.users + 1}
			done := newest.CompareAndSwap(old, next)
			reader.Unlock()
			if done {
				return
			}
		}
	}
	addUser()
	addUser()
	fmt.Printf("%+v\n", *newest.Load())
	// Output: {version:3 users:2}
}

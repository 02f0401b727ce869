package rcu_test

import (
	"fmt"
	"sync"
	"time"

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

// Sections nest: only the outermost Unlock ends them, and until then whoever
// replaced the limit has to wait.
func ExampleReader() {
	var (
		domain rcu.Domain
		limit  rcu.Pointer[int]
	)
	thousand, million := 1_000, 1_000_000
	limit.Store(&thousand)

	reader := domain.Register()
	defer reader.Close()
	below := func(n int) bool {
		reader.Lock()
		defer reader.Unlock()
		return n < *limit.Load()
	}

	reader.Lock()
	now := limit.Load()
	limit.Store(&million)
	replaced := domain.Snapshot()
	fmt.Println(*now, below(*now), domain.Passed(replaced))
	reader.Unlock()
	fmt.Println(domain.Passed(replaced))
	// Output:
	// 1000 true false
	// true
}

// Two versions take turns. The one that Swap gives back may be written when no
// reader has it.
func ExamplePointer() {
	type route struct{ hops [4]int }
	var (
		domain rcu.Domain
		newest rcu.Pointer[route]
	)
	spare := new(route)
	newest.Store(new(route))
	for n := range 3 {
		spare.hops = [4]int{n, n, n, n}
		spare = newest.Swap(spare)
		domain.Synchronize()
	}
	domain.Read(func() { fmt.Println(newest.Load().hops) })
	// Output: [2 2 2 2]
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

// A loop in the quiescent-state style: between two turns it holds nothing, and
// before it blocks it goes offline, so that nobody waits for it.
func ExampleReader_Quiesce() {
	var (
		domain rcu.Domain
		factor rcu.Pointer[int]
	)
	two, three := 2, 3
	factor.Store(&two)
	work := make(chan int)
	results := make(chan int)
	go func() {
		defer close(results)
		reader := domain.Register()
		defer reader.Close()
		for n := range work {
			reader.Online()
			for range 3 {
				n *= *factor.Load()
				reader.Quiesce()
			}
			reader.Offline()
			results <- n
		}
	}()

	work <- 1
	fmt.Println(<-results)
	factor.Store(&three)
	domain.Synchronize() // the loop waits for work, and nobody for the loop
	work <- 1
	fmt.Println(<-results)
	close(work)
	<-results
	// Output:
	// 8
	// 27
}

// A goroutine that reads once borrows what it needs.
func ExampleDomain_Read() {
	var (
		domain rcu.Domain
		motd   rcu.Pointer[string]
	)
	hello := "hello"
	motd.Store(&hello)
	domain.Read(func() { fmt.Println(*motd.Load()) })
	// Output: hello
}

// What has to be done when no reader is left is done in order, by a goroutine
// that comes when there is something to do and goes when there is not.
func ExampleDomain_Call() {
	var (
		domain rcu.Domain
		newest rcu.Pointer[int]
	)
	versions := []int{1, 2, 3}
	for i := range versions {
		if old := newest.Swap(&versions[i]); old != nil {
			domain.Call(func() { fmt.Println("nobody reads version", *old) })
		}
	}
	domain.Barrier()
	fmt.Println("newest is", *newest.Load())
	domain.Close()
	// Output:
	// nobody reads version 1
	// nobody reads version 2
	// newest is 3
}

// A loop that must not block asks now and then whether a buffer is free again.
// Asking is all it takes: there is no other goroutine.
func ExampleCookie() {
	var (
		domain rcu.Domain
		newest rcu.Pointer[string]
	)
	first, second := "first", "second"
	newest.Store(&first)
	reader := domain.Register()
	defer reader.Close()

	reader.Lock()
	fmt.Println("reading", *newest.Load())
	old := newest.Swap(&second)
	cookie := domain.Snapshot()
	fmt.Println(domain.Passed(cookie))
	reader.Unlock()

	for !domain.Passed(cookie) { // here the loop would do something else
	}
	fmt.Println(*old, "is free")
	// Output:
	// reading first
	// false
	// first is free
}

// Whoever waits too long learns for whom.
func ExampleStall() {
	var domain rcu.Domain
	reader := domain.Register()
	reader.Lock()
	domain.OnStall(time.Millisecond, func(s rcu.Stall) {
		fmt.Println(s.Reader.Function, "is late:", s.Waited >= time.Millisecond)
		reader.Unlock() // an example has no time
	})
	domain.Synchronize()
	// Output: github.com/ferrule-go/ferrule/rcu_test.ExampleStall is late: true
}

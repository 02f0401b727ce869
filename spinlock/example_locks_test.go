package spinlock_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/spinlock"
)

// A wait may have an end.
func ExampleMutex_LockContext() {
	var m spinlock.Mutex
	m.Lock() // and for long

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	err := m.LockContext(ctx)
	fmt.Println(err, errors.Is(err, context.DeadlineExceeded))

	m.Unlock() // those who gave up are in nobody's way
	fmt.Println(m.TryLock())
	// Output:
	// context deadline exceeded true
	// true
}

// With a Ticket nobody who waits is overtaken: here each of four goroutines goes
// in as often as the others before any of them is done.
func ExampleTicket() {
	var (
		l       spinlock.Ticket
		entered [4]int
		all     sync.WaitGroup
	)
	for g := range entered {
		all.Go(func() {
			for range 1000 {
				l.Lock()
				entered[g]++
				l.Unlock()
			}
		})
	}
	all.Wait()
	fmt.Println(entered)
	// Output: [1000 1000 1000 1000]
}

// Readers share. A writer waits for those inside, and keeps those away that come
// after it.
func ExampleRWMutex() {
	var (
		l      spinlock.RWMutex
		routes = map[string]string{"10.0.0.0/8": "eth0"}
		writer sync.WaitGroup
	)
	l.RLock()
	fmt.Println(routes["10.0.0.0/8"], l.TryRLock(), l.TryLock())
	writer.Go(func() {
		l.Lock() // waits for both readers
		routes["10.0.0.0/8"] = "eth1"
		l.Unlock()
	})
	l.RUnlock()
	l.RUnlock()
	writer.Wait()

	l.RLock()
	fmt.Println(routes["10.0.0.0/8"])
	l.RUnlock()
	// Output:
	// eth0 true false
	// eth1
}

// Each worker has a Reader and writes nothing that another worker reads. The one
// who writes waits until all of them are outside.
func ExampleBigReader() {
	var (
		l       spinlock.BigReader
		mtu     = 1500
		workers sync.WaitGroup
	)
	for range 3 {
		r := l.Register()
		workers.Go(func() {
			defer r.Close()
			var unchanged spinlock.Backoff
			for {
				r.Lock()
				jumbo := mtu == 9000
				r.Unlock()
				if jumbo {
					return
				}
				unchanged.Wait() // for the writer
			}
		})
	}
	l.Lock()
	mtu = 9000
	l.Unlock()
	workers.Wait()
	fmt.Println(mtu)
	// Output: 9000
}

// A writer waits for the Reader inside, and the Reader for the writer before it,
// unless its context ends.
func ExampleReader() {
	var (
		l      spinlock.BigReader
		route  = "eth0"
		writer sync.WaitGroup
	)
	r := l.Register()
	defer r.Close()

	r.Lock()
	writer.Go(func() {
		l.Lock()
		route = "eth1"
		l.Unlock()
	})
	fmt.Println(route)
	r.Unlock()
	writer.Wait()

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.LockContext(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(route)
	r.Unlock()
	// Output:
	// eth0
	// eth1
}

// The words are atomic, and a reading that a writer came into is made again.
func ExampleSeqLock() {
	var (
		l             spinlock.SeqLock
		packets, size atomic.Uint64
		port          sync.WaitGroup
	)
	port.Go(func() {
		for range 1000 {
			l.Lock()
			packets.Add(1)
			size.Add(64)
			l.Unlock()
		}
	})
	mean := func() uint64 {
		for {
			seq := l.Begin()
			n, bytes := packets.Load(), size.Load()
			if !l.Retry(seq) {
				return bytes / max(n, 1)
			}
		}
	}
	var unknown spinlock.Backoff
	for mean() == 0 {
		unknown.Wait() // for the first packet
	}
	fmt.Println(mean())
	port.Wait()
	// Output: 64
}

// A clock is its base and its rate, and never one of each.
func ExampleSeq() {
	type clock struct{ base, rate int64 }
	var (
		now      spinlock.Seq[clock]
		adjuster sync.WaitGroup
	)
	adjuster.Go(func() {
		for n := range int64(1000) {
			now.Store(clock{base: n, rate: 2 * n})
		}
	})
	for range 1000 {
		if c := now.Load(); c.rate != 2*c.base {
			fmt.Println("torn")
		}
	}
	adjuster.Wait()
	fmt.Println(now.Load())
	// Output: {999 1998}
}

// Package locktest is the trial that every lock in Ferrule passes, and the race
// that compares them.
//
// A lock with one way in runs Mutex, and FIFO too if it promises an order; one
// with readers runs RW. What else a lock can do, the trial finds out from its
// handles: those that have LockContext or RLockContext are also cancelled.
// Compare measures locks against each other.
//
// That the trial fails where it should is shown by its own tests, which give it
// locks that are broken.
package locktest

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/ferrule-go/ferrule/spinlock"
)

// A Handle is a lock as one goroutine sees it: the lock itself, or the lock
// together with what that goroutine brings, such as a queue node.
type Handle interface {
	sync.Locker
	TryLock() bool
}

// A Canceller is a Handle that can give up waiting. LockContext returns nil when
// it has the lock. If ctx ends first it returns an error that wraps ctx's, has not
// got the lock and never will.
type Canceller interface {
	Handle
	LockContext(ctx context.Context) error
}

// An RWHandle is a lock with readers as one goroutine sees it.
type RWHandle interface {
	Handle
	RLock()
	RUnlock()
	TryRLock() bool
}

// An RCanceller is an RWHandle that can give up waiting to read.
type RCanceller interface {
	RWHandle
	RLockContext(ctx context.Context) error
}

// patience ends a test whose lock lets nobody in. No lock that works comes near
// it.
var patience = time.Minute

// finish waits for the goroutines of a test, which hang if the lock does.
func finish(t *testing.T, what string, all *sync.WaitGroup) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: goroutines hang", what)
	}
}

// receive waits for the result of a wait that was cancelled.
func receive(t *testing.T, result <-chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(patience):
		t.Fatal("a wait that was cancelled hangs")
		return nil
	}
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	start := time.Now()
	for b := (spinlock.Backoff{}); !cond(); b.Wait() {
		if b.Spent() && time.Since(start) > patience {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// linger lets those who wait meanwhile come to the last stage of waiting, which
// they reach as this does. Nothing depends on whether they have.
func linger() {
	var b spinlock.Backoff
	for !b.Spent() {
		b.Wait()
	}
	for range 3 {
		b.Wait()
	}
}

// yield lets others run so many times.
func yield(times int) {
	for range times {
		runtime.Gosched()
	}
}

// crowds runs a test for every number of goroutines at every number of
// processors that Go may use.
func crowds(t *testing.T, name string, test func(t *testing.T, goroutines int)) {
	t.Run(name, func(t *testing.T) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
		for _, processors := range []int{1, 2, 8} {
			for _, goroutines := range []int{1, 2, 8, 64, 256} {
				t.Run(fmt.Sprintf("processors=%d/goroutines=%d", processors, goroutines), func(t *testing.T) {
					runtime.GOMAXPROCS(processors)
					test(t, goroutines)
				})
			}
		}
	})
}

// rounds yields how often each of so many goroutines goes in, of so many sections
// in all: fewer if they take long, for a lock that serves a crowd in order waits
// for the scheduler at every turn.
func rounds(sections, goroutines int) iter.Seq[int] {
	limit := 25 * time.Millisecond
	if testing.Short() {
		sections, limit = sections/4, limit/4
	}
	end := time.Now().Add(limit)
	return func(yield func(int) bool) {
		for n := range max(sections/goroutines, 4) {
			if n > 0 && time.Now().After(end) || !yield(n) {
				return
			}
		}
	}
}

// A ledger is what a lock guards: words that are equal whenever nobody is inside.
// Two writers inside at once would disagree about them, and the race detector
// would see that nothing orders the two.
type ledger [8]int

// write changes every word, and reports what it finds changed meanwhile.
func (l *ledger) write(t *testing.T, pause func()) {
	want := l[0]
	for i := range l {
		if l[i] != want {
			t.Errorf("word %d is %d, want %d: another was inside with a writer", i, l[i], want)
		}
		l[i] = want + 1
		pause()
	}
}

func (l *ledger) read(t *testing.T, pause func()) {
	want := l[0]
	for i := range l {
		if l[i] != want {
			t.Errorf("word %d is %d, want %d: a writer was inside with a reader", i, l[i], want)
		}
		pause()
	}
}

func (l *ledger) check(t *testing.T, writes int) {
	t.Helper()
	for i, got := range l {
		if got != writes {
			t.Errorf("word %d is %d after %d sections", i, got, writes)
		}
	}
}

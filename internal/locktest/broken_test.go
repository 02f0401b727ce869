package locktest

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// broken are locks with a fault, and what the trial has to say about each.
var broken = []struct {
	fault   fault
	run     func(t *testing.T, f fault)
	symptom string
}{
	{letsTwoIn, trial, `another was inside|DATA RACE|sum is|the lock is not free`},
	{tryLockOfHeld, trial, `TryLock of a lock held after TryLock = true`},
	{lastInFirst, trial, `waiters were served in the order`},
	{losesHandOver, trial, `cancelled as the lock came: goroutines hang|cancelled at random: goroutines hang`},
	{staysInLine, trial, `behind those who gave up: goroutines hang|in line behind those who left: goroutines hang`},
	{losesThoseBehind, trial, `behind those who gave up: goroutines hang|in line behind those who left: goroutines hang`},
	{deafToCancel, trial, `a wait that was cancelled hangs`},
	{errorWithLock, trial, `goroutines hang`},

	{readersBarge, rwTrial, `waited in vain until the writer keeps new readers out`},
	{writersFirst, rwTrial, `after the first writer got in`},
	{readerBesideWriter, rwTrial, `TryRLock beside a writer = true`},
	{writerBesideReader, rwTrial, `TryLock beside two readers = true`},
	{countsWhoLeft, rwTrial, `a reader beside one who gave up: goroutines hang|the lock is not free after a reader who gave up`},
}

type fault string

const (
	none             fault = "none"
	letsTwoIn        fault = "lets two in"
	tryLockOfHeld    fault = "takes a held lock by TryLock"
	lastInFirst      fault = "serves the last first"
	losesHandOver    fault = "loses a hand-over to one who left"
	staysInLine      fault = "keeps the place of one who left"
	losesThoseBehind fault = "drops those behind one who left"
	deafToCancel     fault = "does not hear of the cancellation"
	errorWithLock    fault = "returns an error together with the lock"

	readersBarge       fault = "lets readers pass a waiting writer"
	writersFirst       fault = "lets writers pass waiting readers"
	readerBesideWriter fault = "lets a reader in beside a writer"
	writerBesideReader fault = "lets a writer in beside a reader"
	countsWhoLeft      fault = "counts a reader who left as inside"
)

// The trial of a broken lock may hang, panic or be stopped by the race detector,
// so it runs in a process of its own.
func TestTrialCatchesBrokenLocks(t *testing.T) {
	for _, b := range broken {
		t.Run(string(b.fault), func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.run=^TestBrokenLock$", "-test.short", "-test.failfast", "-test.timeout=20s")
			cmd.Env = append(os.Environ(), "FERRULE_BROKEN="+string(b.fault))
			out, err := cmd.CombinedOutput()
			require.Error(t, err, "the trial passed")
			require.Regexp(t, b.symptom, string(out))
		})
	}
}

func TestBrokenLock(t *testing.T) {
	patience = time.Second
	for _, b := range broken {
		if string(b.fault) == os.Getenv("FERRULE_BROKEN") {
			b.run(t, b.fault)
		}
	}
}

// The locks below without a fault pass: it is the fault that fails.
func TestTrialPassesSoundLocks(t *testing.T) {
	trial(t, none)
	rwTrial(t, none)
}

func trial(t *testing.T, f fault) {
	FIFO(t, func() (func() Handle, func() any) {
		l := &line{fault: f}
		return func() Handle { return l }, l.tail
	})
	Mutex(t, func() func() Handle {
		l := &line{fault: f}
		return func() Handle { return l }
	})
}

// A line is a lock that hands itself over, first come, first served.
type line struct {
	fault   fault
	mu      sync.Mutex
	held    bool
	waiting []chan struct{}
	joined  int
	locks   int
}

func (l *line) tail() any {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.joined
}

// join returns a channel to wait at, or nil if the lock was free.
func (l *line) join() chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.locks++
	if !l.held || l.fault == letsTwoIn && l.locks%50 == 0 {
		l.held = true
		return nil
	}
	turn := make(chan struct{}, 1)
	l.waiting = append(l.waiting, turn)
	l.joined++
	return turn
}

func (l *line) Lock() {
	if turn := l.join(); turn != nil {
		<-turn
	}
}

func (l *line) TryLock() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	ok := !l.held || l.fault == tryLockOfHeld
	l.held = true
	return ok
}

func (l *line) Unlock() {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.waiting)
	if n == 0 {
		l.held = false
		return
	}
	next := 0
	if l.fault == lastInFirst {
		next = n - 1
	}
	l.waiting[next] <- struct{}{}
	l.waiting = slices.Delete(l.waiting, next, next+1)
}

func (l *line) LockContext(ctx context.Context) error {
	turn := l.join()
	if turn == nil {
		return nil
	}
	if l.fault == deafToCancel {
		<-turn
		return nil
	}
	select {
	case <-turn:
		if l.fault == errorWithLock && ctx.Err() != nil {
			return ctx.Err()
		}
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i := slices.Index(l.waiting, turn)
	switch {
	case i >= 0 && l.fault == losesThoseBehind:
		l.waiting = l.waiting[:i]
	case i >= 0 && l.fault != staysInLine:
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 && l.fault != losesHandOver {
		l.Unlock()
	}
	return ctx.Err()
}

func rwTrial(t *testing.T, f fault) {
	RW(t, func() (func() RWHandle, func() any) {
		l := &phased{fault: f}
		l.changed = sync.NewCond(&l.mu)
		return func() RWHandle { return l }, l.tail
	})
}

// phased is a lock with readers that is phase-fair, all of it under one mutex.
type phased struct {
	fault    fault
	mu       sync.Mutex
	changed  *sync.Cond
	joined   int // those who had to wait, and all writers
	inside   int // readers
	blocked  int // readers in line
	phase    int // writers that have left
	writing  bool
	drawn    int // by writers
	serving  int
	waitingW int
}

func (p *phased) tail() any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.joined
}

func (p *phased) Lock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	mine := p.drawn
	p.drawn++
	p.joined++
	p.waitingW++
	for p.serving != mine || p.writing || p.inside > 0 && p.fault != writerBesideReader {
		p.changed.Wait()
	}
	p.waitingW--
	p.writing = true
}

func (p *phased) TryLock() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.writing || p.drawn != p.serving || p.inside > 0 && p.fault != writerBesideReader {
		return false
	}
	p.drawn++
	p.writing = true
	return true
}

func (p *phased) Unlock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serving++
	p.writing = false
	if p.fault != writersFirst || p.waitingW == 0 {
		p.inside += p.blocked
		p.blocked = 0
		p.phase++
	}
	p.changed.Broadcast()
}

func (p *phased) mayRead() bool {
	switch p.fault {
	case readersBarge:
		return !p.writing
	case readerBesideWriter:
		return true
	}
	return !p.writing && p.waitingW == 0
}

func (p *phased) TryRLock() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ok := p.mayRead()
	if ok {
		p.inside++
	}
	return ok
}

func (p *phased) RLock() { _ = p.RLockContext(context.Background()) }

func (p *phased) RLockContext(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mayRead() {
		p.inside++
		return nil
	}
	p.blocked++
	p.joined++
	stop := context.AfterFunc(ctx, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.changed.Broadcast()
	})
	defer stop()
	for phase := p.phase; p.phase == phase; p.changed.Wait() {
		if ctx.Err() != nil {
			if p.fault != countsWhoLeft {
				p.blocked--
			}
			return ctx.Err()
		}
	}
	return nil
}

func (p *phased) RUnlock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inside--
	p.changed.Broadcast()
}

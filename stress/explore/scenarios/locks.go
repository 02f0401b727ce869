package main

import (
	"context"

	"github.com/ferrule-go/ferrule/mcs"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// A section counts plainly, so it is the lock that has to order the counting, and
// the race detector sees whether it does.
type section struct{ count int }

func (s *section) add(n int) { s.count += n }

func (s *section) want(n int) {
	if s.count != n {
		sched.Fail("counted %d, want %d", s.count, n)
	}
}

// exclusive has goroutines in one section, one of which tries.
func exclusive(l interface {
	sched.Locker
	TryLock() bool
}) ([]func(), func()) {
	var s section
	tried := 0
	work := func() {
		l.Lock()
		s.add(1)
		l.Unlock()
	}
	try := func() {
		if l.TryLock() {
			s.add(1)
			tried = 1
			l.Unlock()
		}
	}
	return []func(){work, work, try}, func() { s.want(2 + tried) }
}

func spinMutex() ([]func(), func())  { return exclusive(new(spinlock.Mutex)) }
func spinTicket() ([]func(), func()) { return exclusive(new(spinlock.Ticket)) }
func mcsMutex() ([]func(), func())   { return exclusive(new(mcs.Mutex)) }

// shared has a reader and a writer come twice each.
func shared(write, reader sched.Locker) ([]func(), func()) {
	var s section
	read := func() int {
		reader.Lock()
		defer reader.Unlock()
		return s.count
	}
	twice := func() {
		if a, b := read(), read(); b < a {
			sched.Fail("read %d after %d", b, a)
		}
	}
	writer := func() {
		for range 2 {
			write.Lock()
			s.add(1)
			write.Unlock()
		}
	}
	return []func(){twice, writer}, func() { s.want(2) }
}

func spinRWMutex() ([]func(), func()) {
	var l spinlock.RWMutex
	return shared(&l, l.RLocker())
}

func spinBigReader() ([]func(), func()) {
	var l spinlock.BigReader
	return shared(&l, l.Register())
}

// spinRWMutexTwo has a writer and two readers, one of which tries.
func spinRWMutexTwo() ([]func(), func()) {
	var l spinlock.RWMutex
	var s section
	read := func() {
		l.RLock()
		a, b := s.count, s.count
		l.RUnlock()
		if a != b {
			sched.Fail("read %d, then %d", a, b)
		}
	}
	writer := func() {
		l.Lock()
		s.add(1)
		l.Unlock()
	}
	try := func() {
		if l.TryLock() {
			s.add(1)
			l.Unlock()
		} else if l.TryRLock() {
			_ = s.count
			l.RUnlock()
		}
	}
	return []func(){writer, read, try}, func() {}
}

// spinBigReaderClose has a Reader close, whose counts others go on with.
func spinBigReaderClose() ([]func(), func()) {
	var l spinlock.BigReader
	var s section
	reader := func() {
		r := l.Register()
		r.Lock()
		_ = s.count
		r.Unlock()
		r.Close()
	}
	writer := func() {
		for range 2 {
			l.Lock()
			s.add(1)
			l.Unlock()
		}
	}
	return []func(){reader, writer}, func() { s.want(2) }
}

// seq has two words written together, twice, and read together.
func seq() ([]func(), func()) {
	var q spinlock.Seq[[2]uint64]
	q.Store([2]uint64{1, 1})
	writer := func() {
		for range 2 {
			q.Update(func(v [2]uint64) [2]uint64 { return [2]uint64{v[0] + 1, v[1] + 1} })
		}
	}
	reader := func() {
		if v := q.Load(); v[0] != v[1] {
			sched.Fail("read %d and %d", v[0], v[1])
		}
	}
	return []func(){writer, reader}, func() {
		if v := q.Load(); v != [2]uint64{3, 3} {
			sched.Fail("in the end %v", v)
		}
	}
}

// queue has goroutines in one section, in the order of a queue.
func queue() ([]func(), func()) {
	var l mcs.Lock
	var s section
	work := func() {
		var n mcs.Node
		l.Acquire(&n)
		s.add(1)
		l.Release(&n)
	}
	return []func(){work, work, work}, func() { s.want(3) }
}

// queueAgain has two goroutines that use a Node twice.
func queueAgain() ([]func(), func()) {
	var l mcs.Lock
	var s section
	work := func() {
		var n mcs.Node
		for range 2 {
			l.Acquire(&n)
			s.add(1)
			l.Release(&n)
		}
	}
	return []func(){work, work}, func() { s.want(4) }
}

// lockGivingUp has one goroutine give up waiting, perhaps in time, for a lock that the
// one who makes it has, and that a third waits for.
func lockGivingUp(l interface {
	sched.Locker
	LockContext(context.Context) error
}) ([]func(), func()) {
	var s section
	got := 0
	ctx := sched.NewContext()
	work := func() {
		l.Lock()
		s.add(1)
		l.Unlock()
	}
	cancel := func() {
		l.Lock()
		ctx.Cancel()
		s.add(1)
		l.Unlock()
	}
	giveUp := func() {
		if l.LockContext(ctx) == nil {
			s.add(1)
			got = 1
			l.Unlock()
		} else if ctx.Err() != context.Canceled {
			sched.Fail("gave up without reason")
		}
	}
	return []func(){cancel, giveUp, work}, func() { s.want(2 + got) }
}

func spinTicketGivingUp() ([]func(), func()) { return lockGivingUp(new(spinlock.Ticket)) }
func mcsMutexGivingUp() ([]func(), func())   { return lockGivingUp(new(mcs.Mutex)) }
func queueGivingUp() ([]func(), func())      { return lockGivingUp(new(node)) }

// A node is a Locker of an mcs.Lock: a Node for each Lock.
type node struct {
	lock mcs.Lock
	held *mcs.Node // by who has the lock
}

func (n *node) Lock() {
	own := new(mcs.Node)
	n.lock.Acquire(own)
	n.held = own
}

func (n *node) LockContext(ctx context.Context) error {
	own := new(mcs.Node)
	if err := n.lock.AcquireContext(ctx, own); err != nil {
		return err
	}
	n.held = own
	return nil
}

func (n *node) Unlock() { n.lock.Release(n.held) }

// queueTwoLeave has two goroutines that wait in a row give up, while the lock is
// released.
func queueTwoLeave() ([]func(), func()) {
	var l mcs.Lock
	var s section
	var holder mcs.Node
	ctx := sched.NewContext()
	l.Acquire(&holder)
	var got [2]int
	giveUp := func(who int) func() {
		return func() {
			var n mcs.Node
			if l.AcquireContext(ctx, &n) == nil {
				s.add(1)
				got[who] = 1
				l.Release(&n)
			}
		}
	}
	release := func() {
		ctx.Cancel()
		l.Release(&holder)
	}
	return []func(){giveUp(0), giveUp(1), release}, func() {
		s.want(got[0] + got[1])
		free(&l)
	}
}

// free wants a lock that nobody is at to be free.
func free(l *mcs.Lock) {
	if !l.TryAcquire(new(mcs.Node)) {
		sched.Fail("the lock is not free in the end")
	}
}

// queueReuse has a Node whose Release passed over somebody queue again, and give up,
// while the one passed over may be about to take its place out of the queue.
func queueReuse() ([]func(), func()) {
	var l mcs.Lock
	var s section
	var n mcs.Node
	first, again := sched.NewContext(), sched.NewContext()
	done := make(chan struct{})
	l.Acquire(&n)
	reuse := func() {
		l.Release(&n)
		if l.AcquireContext(again, &n) == nil {
			s.add(1)
			l.Release(&n)
		}
		sched.Close(done)
	}
	passedOver := func() {
		var n mcs.Node
		if l.AcquireContext(first, &n) == nil {
			s.add(1)
			l.Release(&n)
		}
	}
	behind := func() {
		var n mcs.Node
		first.Cancel()
		l.Acquire(&n)
		s.add(1)
		again.Cancel()
		sched.Recv(done)
		l.Release(&n)
	}
	return []func(){passedOver, behind, reuse}, func() { free(&l) }
}

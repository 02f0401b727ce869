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

// shared has a reader come twice, and a writer.
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
		write.Lock()
		s.add(1)
		write.Unlock()
	}
	return []func(){twice, writer}, func() { s.want(1) }
}

func spinRWMutex() ([]func(), func()) {
	var l spinlock.RWMutex
	return shared(&l, l.RLocker())
}

func spinBigReader() ([]func(), func()) {
	var l spinlock.BigReader
	return shared(&l, l.Register())
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

// queueGivingUp has one goroutine leave the queue, perhaps in time.
func queueGivingUp() ([]func(), func()) {
	var l mcs.Lock
	var s section
	acquired := 0
	ctx := sched.NewContext()
	work := func() {
		var n mcs.Node
		l.Acquire(&n)
		s.add(1)
		l.Release(&n)
	}
	cancel := func() {
		var n mcs.Node
		l.Acquire(&n)
		ctx.Cancel()
		s.add(1)
		l.Release(&n)
	}
	giveUp := func() {
		var n mcs.Node
		if l.AcquireContext(ctx, &n) == nil {
			s.add(1)
			acquired++
			l.Release(&n)
		} else if ctx.Err() != context.Canceled {
			sched.Fail("gave up without reason")
		}
	}
	return []func(){cancel, giveUp, work}, func() { s.want(2 + acquired) }
}

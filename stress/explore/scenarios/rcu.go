package main

import (
	"context"

	"github.com/ferrule-go/ferrule/rcu"
	"github.com/ferrule-go/ferrule/stress/explore/sched"
)

// A version is used plainly after it was unlinked and waited for: a reader that still
// has it makes a race, and finds it changed.
type version struct{ value int }

// reuse has readers look at the newest version while a writer replaces it, waits,
// and uses the old one again.
func reuse(readers ...func(*rcu.Reader, func())) ([]func(), func()) {
	var d rcu.Domain
	var p rcu.Pointer[version]
	p.Store(&version{1})
	var threads []func()
	for _, in := range readers {
		r := d.Register()
		threads = append(threads, func() {
			in(r, func() {
				if v := p.Load().value; v == 0 {
					sched.Fail("a version was used again while a reader had it")
				}
			})
		})
	}
	writer := func() {
		old := p.Swap(&version{2})
		d.Synchronize()
		old.value = 0
	}
	return append(threads, writer), func() {}
}

// locked reads in two sections, the first of which the writer may have to wait for.
func locked(r *rcu.Reader, read func()) {
	for range 2 {
		r.Lock()
		read()
		r.Unlock()
	}
}

func once(r *rcu.Reader, read func()) {
	r.Lock()
	read()
	r.Unlock()
}

// quiescent reads on both sides of a quiescent state.
func quiescent(r *rcu.Reader, read func()) {
	r.Online()
	read()
	r.Quiesce()
	read()
	r.Offline()
}

func rcuLock() ([]func(), func())    { return reuse(locked) }
func rcuTwo() ([]func(), func())     { return reuse(once, once) }
func rcuQuiesce() ([]func(), func()) { return reuse(quiescent) }

// rcuOnline has a reader say that it is quiescent until the writer, who waits for
// that, is done.
func rcuOnline() ([]func(), func()) {
	var d rcu.Domain
	var p rcu.Pointer[version]
	p.Store(&version{1})
	r := d.Register()
	var done sched.Bool
	reader := func() {
		r.Online()
		for !done.Load() {
			if p.Load().value == 0 {
				sched.Fail("a version was used again while a reader had it")
			}
			r.Quiesce()
			sched.Wait()
		}
		r.Offline()
	}
	writer := func() {
		old := p.Swap(&version{2})
		d.Synchronize()
		old.value = 0
		done.Store(true)
	}
	return []func(){reader, writer}, func() {}
}

// rcuPoll has the writer ask whether the period has passed, until it has.
func rcuPoll() ([]func(), func()) {
	var d rcu.Domain
	var p rcu.Pointer[version]
	p.Store(&version{1})
	r := d.Register()
	reader := func() {
		once(r, func() {
			if p.Load().value == 0 {
				sched.Fail("a version was used again while a reader had it")
			}
		})
	}
	writer := func() {
		old := p.Swap(&version{2})
		for c := d.Snapshot(); !d.Passed(c); {
			sched.Wait()
		}
		old.value = 0
	}
	return []func(){reader, writer}, func() {}
}

// rcuRegister has a reader come while somebody else runs a period, which may be the
// one that the writer waits for.
func rcuRegister() ([]func(), func()) {
	var d rcu.Domain
	var p rcu.Pointer[version]
	p.Store(&version{1})
	reader := func() {
		r := d.Register()
		once(r, func() {
			if p.Load().value == 0 {
				sched.Fail("a version was used again while a reader had it")
			}
		})
	}
	writer := func() {
		old := p.Swap(&version{2})
		d.Synchronize()
		old.value = 0
	}
	return []func(){d.Synchronize, reader, writer}, func() {}
}

// rcuRead has two sections without a Reader of one's own. There is one to borrow.
func rcuRead() ([]func(), func()) {
	var d rcu.Domain
	d.Read(func() {})
	var p rcu.Pointer[version]
	p.Store(&version{1})
	reader := func() {
		d.Read(func() {
			if p.Load().value == 0 {
				sched.Fail("a version was used again while a reader had it")
			}
		})
	}
	writer := func() {
		old := p.Swap(&version{2})
		d.Synchronize()
		old.value = 0
	}
	return []func(){reader, reader, writer}, func() {}
}

// rcuCall leaves the use of the old version to a callback, and waits for that.
func rcuCall() ([]func(), func()) {
	var d rcu.Domain
	var p rcu.Pointer[version]
	p.Store(&version{1})
	r := d.Register()
	called := 0
	reader := func() {
		once(r, func() {
			if p.Load().value == 0 {
				sched.Fail("a version was used again while a reader had it")
			}
		})
	}
	writer := func() {
		for range 2 {
			old := p.Swap(&version{2})
			d.Call(func() { old.value = 0; called++ })
		}
		d.Barrier()
		if called != 2 {
			sched.Fail("%d of 2 callbacks came before the Barrier", called)
		}
	}
	return []func(){reader, writer}, func() {}
}

// rcuContext has a writer give up waiting, and then wait for good: nobody else may
// drive the period.
func rcuContext() ([]func(), func()) {
	var d rcu.Domain
	var p rcu.Pointer[version]
	p.Store(&version{1})
	r := d.Register()
	ctx := sched.NewContext()
	reader := func() {
		once(r, func() {
			ctx.Cancel()
			if p.Load().value == 0 {
				sched.Fail("a version was used again while a reader had it")
			}
		})
	}
	writer := func() {
		old := p.Swap(&version{2})
		if c := d.Snapshot(); d.Wait(ctx, c) != nil && !d.Passed(c) {
			d.Wait(context.Background(), c)
		}
		old.value = 0
	}
	return []func(){reader, writer}, func() {}
}

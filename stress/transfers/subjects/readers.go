package main

import (
	"github.com/ferrule-go/ferrule/rcu"
	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/stress/transfers/sim"
)

// Read is by all processors, and Update has one of them write instead, for every ten
// readings of another.
func readers() (all []subject) {
	for _, s := range []struct {
		impl  string
		bound float64 // without a writer: a reader that counts itself, in and out, or none
		make  func() shared
	}{
		{"ferrule.spinlock.RWMutex", 2, rwMutex},
		{"ferrule.spinlock.BigReader", 0, bigReader},
		{"ferrule.spinlock.Seq", 0, seq},
		{"ferrule.rcu.Reader", 0, rcuReader},
		{"textbook.count", 2, count},
	} {
		all = append(all,
			subject{"Read", s.impl, 0, constant(s.bound), func(int) steps { return reading(s.make(), false) }})
		if s.impl != "textbook.count" {
			all = append(all, subject{"Update", s.impl, 0, nil, func(int) steps { return reading(s.make(), true) }})
		}
	}
	return all
}

// A shared value can be read and written.
type shared struct {
	reader func() (read func())
	write  func()
}

func reading(s shared, updated bool) steps {
	return func(id int) func() int {
		if updated && id == 0 {
			return func() int {
				s.write()
				sim.Work(3000 + sim.Draw(6000))
				return 0
			}
		}
		read := s.reader()
		return func() int {
			read()
			outside()
			return 1
		}
	}
}

func locked(write, reader sim.Locker) shared {
	data := alone[uint64]()
	look := func() {
		sim.Read(data)
		sim.Work(sim.Draw(200))
	}
	return shared{func() func() {
		return func() {
			reader.Lock()
			look()
			reader.Unlock()
		}
	}, func() {
		write.Lock()
		sim.Set(data, 1)
		write.Unlock()
	}}
}

func count() shared {
	l := alone[counted]()
	return locked(nil, l)
}

func rwMutex() shared {
	l := alone[spinlock.RWMutex]()
	return locked(l, l.RLocker())
}

func bigReader() shared {
	l, data := alone[spinlock.BigReader](), alone[uint64]()
	s := locked(l, nil)
	s.reader = func() func() {
		r := l.Register()
		return func() {
			r.Lock()
			sim.Read(data)
			sim.Work(sim.Draw(200))
			r.Unlock()
		}
	}
	return s
}

func seq() shared {
	q := alone[spinlock.Seq[[2]uint64]]()
	q.Store([2]uint64{})
	return shared{func() func() {
		return func() {
			q.Load()
			sim.Work(sim.Draw(200))
		}
	}, func() { q.Store([2]uint64{1, 1}) }}
}

func rcuReader() shared {
	var d rcu.Domain
	p := alone[rcu.Pointer[uint64]]()
	p.Store(alone[uint64]())
	return shared{func() func() {
		r := d.Register()
		return func() {
			r.Lock()
			sim.Read(p.Load())
			sim.Work(sim.Draw(200))
			r.Unlock()
		}
	}, func() {
		v := alone[uint64]()
		sim.Set(v, 1)
		p.Store(v)
	}}
}

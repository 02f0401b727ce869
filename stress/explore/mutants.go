package explore

import (
	"fmt"
	"slices"
)

// A Mutant is a defect, and the scenario that finds it in the memory named. Where that
// is TSO, the Go memory model does not know the defect, and SC has no violation.
type Mutant struct {
	Name             string
	Scenario, Memory string
	Says             string // part of the violation
	Edit             Edit
}

// Find returns the mutant of that name.
func Find(name string) (Mutant, error) {
	i := slices.IndexFunc(Mutants, func(m Mutant) bool { return m.Name == name })
	if i < 0 {
		return Mutant{}, fmt.Errorf("explore: find mutant %q: there is none (see docs/exploration.md)", name)
	}
	return Mutants[i], nil
}

// Mutants are the defects of order: of the kill table those that a trial finds by
// luck, or not at all, and others like them. They are in the order of the storeys.
var Mutants = []Mutant{
	{"TryLock looks, and then takes", "spinlock.Mutex", "SC", "data race", Edit{"spinlock/mutex.go",
		"	return m.state.Load() == unlocked && m.state.CompareAndSwap(unlocked, locked) // A: acquire\n",
		"	if m.state.Load() != unlocked {\n		return false\n	}\n	m.state.Store(locked)\n	return true\n"}},
	{"called one early", "spinlock.Ticket", "SC", "data race", Edit{"spinlock/ticket.go",
		"	if t.serving.Load() != mine { // A: acquire\n", "	if t.serving.Load()+1 < mine {\n"}},
	{"TryLock draws whatever was drawn since", "spinlock.Ticket", "SC", "data race", Edit{"spinlock/ticket.go",
		"return t.drawn.Load() == mine && t.drawn.CompareAndSwap(mine, mine+1) // B",
		"return t.drawn.Load() == mine && t.drawn.Add(1) > 0"}},
	{"a number given up is never called", "spinlock.Ticket/context", "SC", "deadlock", Edit{"spinlock/ticket.go",
		"return t.drawn.Load() == mine+1 && t.drawn.CompareAndSwap(mine+1, mine) // B", "return true"}},
	{"a reader does not look again", "spinlock.RWMutex", "SC", "data race", Edit{"spinlock/rwmutex.go",
		"	if rw.readable() { // A: acquire; D\n", "	if true {\n"}},
	{"a writer waits for no reader", "spinlock.RWMutex", "SC", "data race", Edit{"spinlock/phases.go",
		"inside() != 0; b.poll()", "inside() < 0; b.poll()"}},
	{"readers of phases past are forgotten", "spinlock.RWMutex", "SC", "", Edit{"spinlock/phases.go",
		"	p.moved += int64(registered)\n", "	_ = registered\n"}},
	{"a Reader that closes takes its count along", "spinlock.BigReader/close", "SC", "deadlock", Edit{"spinlock/bigreader.go",
		"	l.moved += int64(r.own.count.Load())\n", ""}},
	{"a plain Reader goes in without a look", "spinlock.BigReader", "SC", "data race", Edit{"spinlock/bigreader.go",
		"r.own.inside = r.lock.readable()", "r.own.inside = true"}},
	{"BigReader's writer without a fence", "spinlock.BigReader", "TSO", "data race", Edit{"spinlock/bigreader.go",
		"	cpu.Membarrier() // D; true, or no Reader is plain\n", ""}},
	{"no reading is repeated", "spinlock.Seq", "SC", "read ", Edit{"spinlock/seqlock.go",
		"{ return l.seq.Load() != seq } // E: acquire", "{ return false }"}},

	{"linked before it waits", "mcs.Lock", "SC", "deadlock", Edit{"mcs/lock.go",
		"	cpu.Publish(&p.state, waiting)\n	ahead.next.Store(p) // B: release\n",
		"	ahead.next.Store(p)\n	cpu.Publish(&p.state, waiting)\n"}},
	{"state read before it is taken", "mcs.Lock", "SC", "deadlock", Edit{"mcs/spot.go",
		"	was = s.state.Swap(state) // C: release\n", "	was = s.state.Load()\n	s.state.Store(state)\n"}},
	{"the lock stays with one who left", "mcs.Lock/leave", "SC", "not free in the end", Edit{"mcs/lock.go",
		"		case left:\n			p, over = next, true\n", "		case left:\n			return over\n"}},
	{"a place passed over somebody and comes back", "mcs.Lock/reuse", "SC", "", Edit{"mcs/lock.go",
		"		n.place = nil // see leave\n", ""}},
	{"TryLock of a locked Mutex", "mcs.Mutex", "SC", "", Edit{"mcs/mutex.go",
		"		if !free(s) {\n", "		if false {\n"}},
	{"awake, and gone", "mcs.Mutex", "SC", "deadlock", Edit{"mcs/mutex.go",
		"		clear = awake | overtaken\n", "		clear = overtaken\n"}},

	{"no reader is waited for", "rcu/lock", "SC", "data race", Edit{"rcu/period.go",
		"if d.waited[0].olderThan(d.number) {", "if d.waited == nil {"}},
	{"content with the period under way", "rcu/register", "SC", "data race", Edit{"rcu/period.go",
		"Cookie{d.grace.Load() + step}", "Cookie{d.grace.Load()}"}},
	{"the list taken before the period", "rcu/register", "SC", "data race", Edit{"rcu/period.go",
		"		d.number = d.grace.Add(step) // B: release\n		d.registry.Lock()            // D\n		d.waited = d.readers\n		d.registry.Unlock()\n",
		"		d.registry.Lock()\n		d.waited = d.readers\n		d.registry.Unlock()\n		d.number = d.grace.Add(step)\n"}},
	{"no fence between the start of a period and the look at the readers", "rcu/lock", "TSO", "data race", Edit{"rcu/period.go",
		"			fence() // A\n", ""}},
	{"the driver sleeps without a fence", "rcu/lock", "TSO", "deadlock", Edit{"rcu/period.go",
		"	defer r.forget()\n	fence()\n", "	defer r.forget()\n"}},
	{"no wake-up for the driver", "rcu/lock", "SC", "deadlock", Edit{"rcu/reader.go",
		"	if r.awaited.Load() {   // E: with the driver's fence\n", "	if false {\n"}},
	{"Quiesce tells nobody", "rcu/online", "SC", "no end", Edit{"rcu/reader.go",
		"	cpu.Publish(&r.word, number) // C: release\n", ""}},
	{"two borrow one reader", "rcu/read", "SC", "", Edit{"rcu/read.go",
		"r != nil && place.CompareAndSwap(r, nil) {", "r != nil {\n			place.Store(nil)"}},
	{"callbacks without a grace period", "rcu/call", "SC", "data race", Edit{"rcu/call.go",
		"		d.Synchronize()\n", ""}},
	{"Barrier is content with all but one", "rcu/call", "SC", "", Edit{"rcu/call.go",
		"int64(c.done-accepted) >= 0", "int64(c.done-accepted) >= -1"}},

	{"eventcount without a fence", "eventcount/wake", "TSO", "deadlock", Edit{"internal/eventcount/eventcount.go",
		"	e.mu.Unlock()\n	fence()\n	return w\n", "	e.mu.Unlock()\n	return w\n"}},
	{"Watch without a fence", "eventcount/watch", "TSO", "deadlock", Edit{"internal/eventcount/eventcount.go",
		"	e.mu.Unlock()\n	fence()\n	return watch\n", "	e.mu.Unlock()\n	return watch\n"}},
	{"no last look", "eventcount/wake", "SC", "deadlock", Edit{"internal/eventcount/eventcount.go",
		"		if look() {\n			w.Cancel()\n			return nil\n		}\n", ""}},
	{"no announcement", "eventcount/wake", "SC", "deadlock", Edit{"internal/eventcount/eventcount.go",
		"	e.last = w\n	e.waiting.Add(1) // B\n", "	e.last = w\n"}},
	{"who leaves keeps what it was told", "eventcount/cancel", "SC", "deadlock", Edit{"internal/eventcount/eventcount.go",
		"		} else {\n			<-w.woken\n		}\n	}\n	return err\n", "		} else {\n			<-w.woken\n			err = ctx.Err()\n		}\n	}\n	return err\n"}},

	{"published before it is written", "spsc/try", "SC", "data race", Edit{"spsc/ring.go",
		"	r.slots[tail&uint64(len(r.slots)-1)] = v\n	r.tail.publish(tail + 1) // A: release\n",
		"	r.tail.publish(tail + 1)\n	r.slots[tail&uint64(len(r.slots)-1)] = v\n"}},
	{"given back before it is read", "spsc/try", "SC", "data race", Edit{"spsc/ring.go",
		"	slot := &r.slots[head&uint64(len(r.slots)-1)]\n	v = *slot\n",
		"	slot := &r.slots[head&uint64(len(r.slots)-1)]\n	r.head.publish(head + 1)\n	v = *slot\n"}},
	{"full one too late", "spsc/try", "SC", "", Edit{"spsc/ring.go",
		"if tail-r.prod.head.seen >= r.limit.Load()", "if tail-r.prod.head.seen > r.limit.Load()"}},
	{"second segment from the wrong place", "spsc/burst", "SC", "", Edit{"spsc/ring.go",
		"return a, r.slots[:n-len(a)]", "return a, r.slots[len(a):n]"}},
	{"Reserve gives more than there is", "spsc/inplace", "SC", "", Edit{"spsc/inplace.go",
		"return r.segments(tail, min(n, free))", "return r.segments(tail, n)"}},
	{"lost wake-up of a pusher", "spsc/wait", "SC", "deadlock", Edit{"spsc/ring.go",
		"	r.head.publish(r.head.Load() + uint64(n)) // B: release\n	r.pushers.wake()\n", "	r.head.publish(r.head.Load() + uint64(n))\n"}},
	{"close drops the last values", "spsc/close", "SC", "pushed 1 and popped 0", Edit{"spsc/wait.go",
		"return claim == tail && r.head.Load() == tail", "return claim+1 > 0 && r.head.Load() <= tail"}},
	{"Close without a fence", "spsc/close", "TSO", "pushed 1 and popped 0", Edit{"spsc/wait.go",
		"if !cpu.Membarrier() {", "if cpu.FetchLimit == 0 {"}},
	{"Close wakes no popper", "spsc/close-pop", "SC", "deadlock", Edit{"spsc/wait.go",
		"	r.poppers.NotifyAll()\n", ""}},
	{"a buffer used twice", "spsc/lossy", "SC", "", Edit{"spsc/lossy.go",
		"			l.cons.spare = buffer\n", ""}},
	{"full too late", "spsc/bytes", "SC", "", Edit{"spsc/bytes.go",
		"		if end-b.prod.head > uint64(len(b.data)) {\n			return", "		if end-b.prod.head > uint64(len(b.data))+8 {\n			return"}},

	{"claim without compare", "mpmc/try", "SC", "", Edit{"mpmc/ring.go",
		"	return c.CompareAndSwap(first, first+uint64(n)*step)\n", "	c.Add(uint64(n) * step)\n	return true\n"}},
	{"a turn given before the value is there", "mpmc/try", "SC", "data race", Edit{"mpmc/ring.go",
		"			r.values[i] = v\n			r.turns[i].publish(tail + full) // A: release\n",
		"			r.turns[i].publish(tail + full)\n			r.values[i] = v\n"}},
	{"a burst given from its first turn on", "mpmc/burst", "SC", "", Edit{"mpmc/ring.go",
		"	copy(b, vs[copy(a, vs):n])\n		r.give(tail, n, full) // A: release\n", "	r.give(tail, n, full)\n		copy(b, vs[copy(a, vs):n])\n"}},
	{"given back for the same round", "mpmc/wait", "SC", "deadlock", Edit{"mpmc/ring.go",
		"r.give(head+uint64(len(r.turns))*step, n, free) // B", "r.give(head, n, free) // B"}},
	{"a pop wakes nobody", "mpmc/wait", "SC", "deadlock", Edit{"mpmc/ring.go",
		"		r.give(head+uint64(len(r.turns))*step, n, free) // B: release\n		if r.pushers.any() {", "		r.give(head+uint64(len(r.turns))*step, n, free) // B: release\n		if false {"}},
	{"Reserve shuts nobody out", "mpmc/inplace", "SC", "", Edit{"mpmc/inplace.go",
		"c.CompareAndSwap(first, first|inHand)", "c.CompareAndSwap(first, first)"}},
	{"Close forgets what is reserved", "mpmc/close-reserved", "SC", "", Edit{"mpmc/wait.go",
		"return tail&flags == closed && r.head.Load() == tail&^flags",
		"return tail&closed != 0 && r.head.Load() == tail&^flags"}},
	{"one woken for two values", "mpmc/wait-both", "SC", "deadlock", Edit{"mpmc/wait.go",
		"r.poppers.Notify(r.Len())", "r.poppers.Notify(1)"}},
	{"a stage overtakes the one before", "mpmc/staged", "SC", "data race", Edit{"mpmc/staged.go",
		"before.done.Load()+lead-first", "before.head.Load()+lead-first"}},

	{"the free list is not locked", "pktbuf/pool", "SC", "data race", Edit{"pktbuf/freelist.go",
		"	f.mu.Lock()\n	f.names = append(f.names, names...)\n	f.mu.Unlock()\n", "	f.names = append(f.names, names...)\n"}},
	{"made fresh after it was given back", "pktbuf/pool", "SC", "data race", Edit{"pktbuf/pool.go",
		"		n := p.reset(bufs)\n		p.give(bufs[:n], via[:])\n", "		n := len(bufs)\n		p.give(bufs, via[:])\n		p.reset(bufs)\n"}},
	{"flushed and kept", "pktbuf/passed", "SC", "", Edit{"pktbuf/cache.go",
		"c.n = copy(c.bufs[:], c.bufs[cacheHalf:c.n])", "c.n -= cacheHalf"}},
	{"counted down in two steps", "pktbuf/clone", "SC", "", Edit{"pktbuf/clone.go",
		"	if b.refs.Add(^uint32(0)) != 0 { // R: release, and acquire for the last\n",
		"	n := b.refs.Load() - 1\n	b.refs.Store(n)\n	if n != 0 {\n"}},
}

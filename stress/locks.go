package stress

import (
	"context"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/mcs"
	"github.com/ferrule-go/ferrule/spinlock"
)

var lockTrials = []Trial{
	{"spinlock.Mutex", "one inside; a wait that was cancelled never gets in", exclusion(func() func() lock {
		m := new(spinlock.Mutex)
		return func() lock { return m }
	})},
	{"spinlock.Ticket", "one inside; a number that was given up holds up nobody", exclusion(func() func() lock {
		m := new(spinlock.Ticket)
		return func() lock { return m }
	})},
	{"spinlock.RWMutex", "one writer inside, or readers", readersWriters(func() func() rwLock {
		m := new(spinlock.RWMutex)
		return func() rwLock { return anyReader{m} }
	})},
	{"spinlock.BigReader", "one writer inside, or readers, who come and go", readersWriters(func() func() rwLock {
		m := new(spinlock.BigReader)
		return func() rwLock { return &registered{BigReader: m} }
	})},
	{"spinlock.SeqLock", "what was read without a retry was written together", seqLock},
	{"spinlock.Seq", "a value is read whole, and no older than the last one", seq},
	{"mcs.Lock", "one inside; who leaves the queue breaks it for nobody", exclusion(func() func() lock {
		l := new(mcs.Lock)
		return func() lock { return &queued{lock: l} }
	})},
	{"mcs.Mutex", "one inside; a wait that was cancelled never gets in, and passes on a wake-up", exclusion(func() func() lock {
		m := new(mcs.Mutex)
		return func() lock { return m }
	})},
}

// A lock is one as a goroutine sees it.
type lock interface {
	Lock()
	LockContext(ctx context.Context) error
	TryLock() bool
	Unlock()
}

// queued is an mcs.Lock with the Node that a goroutine brings.
type queued struct {
	lock *mcs.Lock
	node mcs.Node
}

func (q *queued) Lock()                                 { q.lock.Acquire(&q.node) }
func (q *queued) LockContext(ctx context.Context) error { return q.lock.AcquireContext(ctx, &q.node) }
func (q *queued) TryLock() bool                         { return q.lock.TryAcquire(&q.node) }
func (q *queued) Unlock()                               { q.lock.Release(&q.node) }

// A ledger is what a lock guards: plain words that are equal when nobody is inside.
type ledger [6]uint64

func (l *ledger) write(p *part) {
	before := l[0]
	for i := range l {
		p.want(l[i] == before, "word %d is %d, want %d: another was inside with a writer", i, l[i], before)
		l[i] = before + 1
		p.pause()
	}
}

func (l *ledger) read(p *part) {
	before := l[0]
	for i := range l {
		p.want(l[i] == before, "word %d is %d, want %d: a writer was inside with a reader", i, l[i], before)
		p.pause()
	}
}

// A door is the three ways through which one gets into a lock.
type door struct {
	lock        func()
	lockContext func(context.Context) error
	tryLock     func() bool
}

// enter gets in or not, and reports which.
func (d door) enter(p *part) (inside bool) {
	switch p.rand.IntN(4) {
	case 0:
		return d.tryLock()
	case 1:
		ctx, cancel := p.impatient()
		defer cancel()
		var err error
		p.timed(func() { err = d.lockContext(ctx) })
		p.want(err == nil || err == ctx.Err(), "a wait failed with %v, its context says %v", err, ctx.Err())
		return err == nil
	default:
		p.timed(d.lock)
		return true
	}
}

// exclusion has a crowd write a ledger under a lock. Each call of newLock makes one
// and returns how a goroutine gets to see it.
func exclusion(newLock func() (see func() lock)) func(*round) {
	return func(r *round) {
		var (
			see     = newLock()
			guarded ledger
			writes  = make([]uint64, r.some())
		)
		for i := range writes {
			r.run("lock", func(p *part) {
				l := see()
				in := door{l.Lock, l.LockContext, l.TryLock}
				for p.on() {
					if in.enter(p) {
						guarded.write(p)
						l.Unlock()
						writes[i]++
						p.did(1)
					}
					p.pause()
				}
			})
		}
		r.join()
		r.run("last", func(p *part) {
			l := see()
			l.Lock() // hangs if somebody left the lock locked
			guarded.check(p, writes)
			l.Unlock()
		})
		r.join()
	}
}

func (l *ledger) check(p *part, writes []uint64) {
	sum := uint64(0)
	for _, n := range writes {
		sum += n
	}
	for i, got := range l {
		p.want(got == sum, "word %d is %d after %d writings", i, got, sum)
	}
}

// An rwLock is a lock with readers as a goroutine sees it.
type rwLock interface {
	lock
	RLock()
	RLockContext(ctx context.Context) error
	TryRLock() bool
	RUnlock()

	leave() // the goroutine has no use for it now
}

// anyReader is a lock that knows no reader by name.
type anyReader struct{ *spinlock.RWMutex }

func (anyReader) leave() {}

// registered is a BigReader with the Reader of a goroutine that reads.
type registered struct {
	*spinlock.BigReader
	reader *spinlock.Reader
}

func (l *registered) mine() *spinlock.Reader {
	if l.reader == nil {
		l.reader = l.Register()
	}
	return l.reader
}

func (l *registered) RLock()                                 { l.mine().Lock() }
func (l *registered) RLockContext(ctx context.Context) error { return l.mine().LockContext(ctx) }
func (l *registered) TryRLock() bool                         { return l.mine().TryLock() }
func (l *registered) RUnlock()                               { l.mine().Unlock() }
func (l *registered) leave() {
	if l.reader != nil {
		l.reader.Close()
		l.reader = nil
	}
}

// readersWriters has a crowd of readers and writers at a ledger.
func readersWriters(newLock func() (see func() rwLock)) func(*round) {
	return func(r *round) {
		var (
			see     = newLock()
			guarded ledger
			writes  = make([]uint64, r.some())
			rarely  = []int{2, 8, 64}[r.rand.IntN(3)] // one operation in so many writes
		)
		for i := range writes {
			r.run("read and write", func(p *part) {
				l := see()
				out, in := door{l.RLock, l.RLockContext, l.TryRLock}, door{l.Lock, l.LockContext, l.TryLock}
				for p.on() {
					switch write := p.one(rarely); {
					case write && in.enter(p):
						guarded.write(p)
						l.Unlock()
						writes[i]++
						p.did(1)
					case !write && out.enter(p):
						guarded.read(p)
						l.RUnlock()
						p.did(1)
					}
					if p.one(64) {
						l.leave()
					}
					p.pause()
				}
				l.leave()
			})
		}
		r.join()
		r.run("last", func(p *part) {
			l := see()
			l.Lock()
			guarded.check(p, writes)
			l.Unlock()
		})
		r.join()
	}
}

func seqLock(r *round) {
	var (
		l      spinlock.SeqLock
		words  [6]atomic.Uint64
		writes = make([]uint64, 1+r.rand.IntN(4))
	)
	for i := range writes {
		r.run("write", func(p *part) {
			in := door{l.Lock, l.LockContext, l.TryLock}
			for p.on() {
				if in.enter(p) {
					n := words[0].Load() + 1
					for i := range words {
						words[i].Store(n)
						p.pause()
					}
					l.Unlock()
					writes[i]++
					p.did(1)
				}
				p.pause()
			}
		})
	}
	for range r.some() {
		r.run("read", func(p *part) {
			last := uint64(0)
			for p.on() {
				var got [len(words)]uint64
				seq := l.Begin()
				for i := range words {
					got[i] = words[i].Load()
					p.pause()
				}
				if l.Retry(seq) {
					continue
				}
				n := got[0]
				p.want(got == [len(words)]uint64{n, n, n, n, n, n}, "read %d, which was never written together", got)
				p.want(n >= last, "read %d after %d", n, last)
				last = n
				p.did(1)
			}
		})
	}
	r.join()
	sum := uint64(0)
	for _, n := range writes {
		sum += n
	}
	r.want(words[0].Load() == sum, "counted to %d in %d writings", words[0].Load(), sum)
}

func seq(r *round) {
	type value struct { // 35 bytes and a hole
		a, b, c, d uint64
		e          uint16
		f          uint8
	}
	of := func(n uint64) value { return value{n, n, n, n, uint16(n), uint8(n)} }
	var (
		q      spinlock.Seq[value]
		writes = make([]uint64, 1+r.rand.IntN(4))
	)
	for i := range writes {
		r.run("write", func(p *part) {
			for p.on() {
				p.timed(func() {
					q.Update(func(v value) value {
						p.want(v == of(v.a), "updates %+v, which was never written", v)
						p.pause()
						return of(v.a + 1)
					})
				})
				writes[i]++
				p.did(1)
				p.pause()
			}
		})
	}
	for range r.some() {
		r.run("read", func(p *part) {
			last := uint64(0)
			for p.on() {
				v := q.Load()
				p.want(v == of(v.a), "read %+v, which was never written", v)
				p.want(v.a >= last, "read number %d after %d", v.a, last)
				last = v.a
				p.did(1)
				p.pause()
			}
		})
	}
	r.join()
	sum := uint64(0)
	for _, n := range writes {
		sum += n
	}
	r.want(q.Load() == of(sum), "is %+v after %d updates", q.Load(), sum)
	q.Store(of(7))
	r.want(q.Load() == of(7), "is %+v after a Store of 7s", q.Load())
}

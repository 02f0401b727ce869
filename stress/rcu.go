package stress

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/rcu"
)

var rcuTrials = []Trial{
	{"rcu.Domain", "nothing is used again under a reader; callbacks come once and in order", domain},
	{"rcu.Map", "a key that stays is always found, with its value; what was deleted waits for its readers", rcuMap},
}

// An element is what readers find behind an rcu.Pointer. Its words are plain, and
// equal while readers may have it; then the writer spoils them.
type element struct {
	_     cpu.Pad
	used  atomic.Bool // since a grace period has passed
	words [4]uint64
	_     cpu.Pad
}

func (e *element) fill(v uint64) {
	for i := range e.words {
		e.words[i] = v
	}
}

// spoil is what who may use an element again does to it.
func (e *element) spoil(v uint64) {
	e.used.Store(true)
	for i := range e.words {
		e.words[i] = v + uint64(i)
	}
}

// use looks at an element for a while, as a reader in its section may.
func (e *element) use(p *part) {
	if e == nil {
		return
	}
	first := e.words
	p.want(first == [4]uint64{first[0], first[0], first[0], first[0]}, "found words %d, which were spoilt already", first)
	p.pause()
	p.want(e.words == first, "words %d became %d in a section", first, e.words)
	p.want(!e.used.Load(), "an element was used again in a section")
	p.did(1)
}

// periods let a grace period pass, each in its own way.
var periods = []func(p *part, d *rcu.Domain){
	func(_ *part, d *rcu.Domain) { d.Synchronize() },
	func(p *part, d *rcu.Domain) {
		ctx, cancel := p.impatient()
		defer cancel()
		if d.SynchronizeContext(ctx) != nil {
			d.Synchronize()
		}
	},
	func(p *part, d *rcu.Domain) {
		for c := d.Snapshot(); !d.Passed(c); {
			runtime.Gosched()
			p.pause()
		}
	},
	func(p *part, d *rcu.Domain) {
		c := d.Snapshot()
		d.Passed(c) // begins it
		ctx, cancel := p.impatient()
		defer cancel()
		if d.Wait(ctx, c) != nil {
			p.want(d.Wait(context.Background(), c) == nil, "a wait without an end failed")
		}
	},
	func(_ *part, d *rcu.Domain) {
		done := make(chan struct{})
		d.Call(func() { close(done) })
		<-done
	},
	func(p *part, d *rcu.Domain) {
		called := 0
		for !d.TryCall(func() { called++ }) {
			runtime.Gosched()
		}
		d.Barrier()
		p.want(called == 1, "a callback came %d times before the Barrier after it", called)
	},
}

// domain has readers of all kinds at elements that writers replace and use again.
func domain(r *round) {
	var (
		d         rcu.Domain
		newest    [3]rcu.Pointer[element]
		crowd     = r.some()
		find      = func(p *part) *element { return newest[p.rand.IntN(len(newest))].Load() }
		given, in uint64 // callbacks of the flood; in is the callbacks' own
	)
	if r.rand.IntN(2) == 0 {
		d.OnStall(time.Millisecond, func(rcu.Stall) {})
	}
	for i := range crowd {
		kind := []func(*part, *rcu.Domain, func(*part) *element){locking, quiescing, borrowing}[i%3]
		r.run([]string{"lock", "quiesce", "borrow"}[i%3], func(p *part) {
			for p.on() {
				kind(p, &d, find)
			}
		})
	}
	for i := range newest {
		r.run("write", func(p *part) {
			for p.on() {
				e := new(element)
				e.fill(p.rand.Uint64())
				old := newest[i].Swap(e)
				p.pause()
				p.timedGrace(func() { periods[p.rand.IntN(len(periods))](p, &d) })
				if old != nil {
					old.spoil(p.rand.Uint64())
				}
				p.did(1)
			}
		})
	}
	r.run("flood", func(p *part) {
		for p.on() {
			for range p.rand.IntN(200) {
				given++
				mine := given
				d.Call(func() {
					in++
					p.want(in == mine, "callback %d came as number %d", mine, in)
				})
				p.did(1)
			}
			if p.one(8) {
				d.Barrier()
				p.want(in == given, "%d callbacks of %d had come after Barrier", in, given)
			}
			p.pause()
		}
	})
	r.join()
	r.run("last", func(p *part) {
		d.Close()
		p.want(in == given, "%d callbacks of %d had come after Close", in, given)
	})
	r.join()
}

// locking reads in sections of a Reader, some of them nested, and then gives it up.
func locking(p *part, d *rcu.Domain, find func(*part) *element) {
	reader := d.Register()
	defer reader.Close()
	for n := p.rand.IntN(200); n > 0 && p.on(); n-- {
		reader.Lock()
		e := find(p)
		if p.one(8) {
			reader.Lock()
			find(p).use(p)
			reader.Unlock()
		}
		e.use(p)
		reader.Unlock()
		p.pause()
	}
}

// quiescing reads in one section after another, without a gap.
func quiescing(p *part, d *rcu.Domain, find func(*part) *element) {
	reader := d.Register()
	defer reader.Close()
	for n := p.rand.IntN(20); n > 0 && p.on(); n-- {
		reader.Online()
		for range p.rand.IntN(50) {
			find(p).use(p)
			if p.one(4) {
				reader.Lock()
				find(p).use(p)
				reader.Unlock()
			}
			reader.Quiesce()
		}
		if p.one(4) { // it holds up no grace period while it stays
			for c := d.Snapshot(); !d.Passed(c); {
				reader.Quiesce()
				runtime.Gosched()
			}
			p.did(1)
		}
		reader.Offline()
		p.pause()
	}
}

// borrowing reads without a Reader of its own.
func borrowing(p *part, d *rcu.Domain, find func(*part) *element) {
	d.Read(func() { find(p).use(p) })
	p.pause()
}

// A flow is a value in the map: the element is its owner's again a grace period after
// it was taken out.
type flow struct {
	element
	key, version uint64
}

// rcuMap has writers, each the only one of its keys, and readers of all keys. The
// first keys are never deleted.
func rcuMap(r *round) {
	var (
		d       rcu.Domain
		m       = rcu.NewMap[uint64, *flow]()
		stays   = uint64(1 + r.rand.IntN(50))
		writers = uint64(1 + r.rand.IntN(4))
		keys    = uint64(1) << (1 + r.rand.IntN(12)) // of each writer; the map grows and shrinks
		models  = make([]map[uint64]*flow, writers)
		flowOf  = func(key, version uint64) *flow {
			f := &flow{key: key, version: version}
			f.fill(key)
			return f
		}
	)
	if r.rand.IntN(4) == 0 {
		m = rcu.NewMapFunc[uint64, *flow](func(key uint64) uint64 { return key % 8 })
		keys = min(keys, 64)
	}
	for key := range stays {
		m.Store(key, flowOf(key, 0))
	}
	for i := range writers {
		model := map[uint64]*flow{}
		models[i] = model
		key := func(n uint64) uint64 { return stays + n*writers + i }
		r.run("write", func(p *part) {
			var version uint64
			free := func(f *flow) {
				if f != nil {
					d.Call(func() { f.spoil(1) })
				}
			}
			for grow := true; p.on(); grow = !grow {
				for range p.rand.Uint64N(2 * keys) {
					k := key(p.rand.Uint64N(keys))
					was, had := model[k]
					version++
					f := flowOf(k, version)
					switch n := p.rand.IntN(8); {
					case n < 2 && !grow:
						old, ok := m.Delete(k)
						p.want(old == was && ok == had, "Delete of %d returns %v, want %v", k, ok, had)
						delete(model, k)
						free(was)
					case n < 3 && !grow:
						p.want(m.CompareAndDelete(k, was) == had, "CompareAndDelete of %d is not %v", k, had)
						delete(model, k)
						free(was)
					case n < 4:
						ok := m.CompareAndSwap(k, was, f)
						p.want(ok == had, "CompareAndSwap of %d is not %v", k, had)
						if ok {
							model[k] = f
							free(was)
						}
					case n < 5:
						got, loaded := m.LoadOrStore(k, f)
						p.want(loaded == had && (!had || got == was), "LoadOrStore of %d returns %v, want %v", k, loaded, had)
						model[k] = got
					case n < 7:
						old, loaded := m.Swap(k, f)
						p.want(old == was && loaded == had, "Swap of %d returns %v, want %v", k, loaded, had)
						model[k] = f
						free(was)
					default:
						got, ok := m.Load(k)
						p.want(ok == had && got == was, "Load of %d, which is mine, returns %v, want %v", k, ok, had)
					}
					p.did(1)
					p.pause()
				}
			}
		})
	}
	for range r.some() {
		r.run("read", func(p *part) {
			reader := d.Register()
			defer reader.Close()
			const burst = 40
			var (
				some   [burst]uint64
				values [burst]*flow
				found  [burst]bool
			)
			for p.on() {
				for i := range some {
					some[i] = p.rand.Uint64N(stays)
					if p.one(2) {
						some[i] = p.rand.Uint64N(stays + keys*writers)
					}
				}
				reader.Lock()
				if p.one(2) {
					m.LoadN(some[:], values[:], found[:])
				} else {
					for i, key := range some {
						values[i], found[i] = m.Load(key)
						p.pause()
					}
				}
				for i, key := range some {
					p.want(found[i] || key >= stays, "key %d, which stays, is not found", key)
					if found[i] {
						p.want(values[i].key == key, "found key %d, want %d", values[i].key, key)
						values[i].use(p)
					}
				}
				if p.one(256) {
					walk(p, m, stays)
				}
				reader.Unlock()
				p.pause()
			}
		})
	}
	r.join()
	r.run("last", func(p *part) {
		d.Close()
		want := int(stays)
		for _, model := range models {
			want += len(model)
			for key, f := range model {
				got, ok := m.Load(key)
				p.want(ok && got == f, "key %d has another value in the end", key)
			}
		}
		p.want(m.Len() == want, "%d keys in the end, want %d", m.Len(), want)
	})
	r.join()
}

// walk wants every key that stays, once, and none twice.
func walk(p *part, m *rcu.Map[uint64, *flow], stays uint64) {
	seen, stayed := map[uint64]bool{}, uint64(0)
	for key := range m.All() {
		p.want(!seen[key], "All yields key %d twice", key)
		seen[key] = true
		if key < stays {
			stayed++
		}
	}
	p.want(stayed == stays, "All yields %d of %d keys that stay", stayed, stays)
}

package main

import (
	"context"
	"sync"

	"github.com/Workiva/go-datastructures/queue"

	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
	"github.com/ferrule-go/ferrule/rcu"
)

func chanPush(c chan uint64, v uint64) bool {
	select {
	case c <- v:
		return true
	default:
		return false
	}
}

func chanPop(c chan uint64) (v uint64, ok bool) {
	select {
	case v = <-c:
		return v, true
	default:
		return 0, false
	}
}

func offer(r *queue.RingBuffer, v uint64) bool {
	ok, err := r.Offer(v)
	return ok && err == nil
}

func get(r *queue.RingBuffer) (v uint64, ok bool) {
	item, err := r.Get()
	if err != nil {
		return 0, false
	}
	return item.(uint64), true
}

// ctx is for calls that wait as long as it takes.
var ctx = context.Background()

func must(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func value(v uint64, err error) uint64 {
	must(err)
	return v
}

func online(d *rcu.Domain) *rcu.Reader {
	r := d.Register()
	r.Online()
	return r
}

func offline(r *rcu.Reader) {
	r.Offline()
	r.Close()
}

func syncMapLoad(m *sync.Map, key uint64) (value uint64, ok bool) {
	v, ok := m.Load(key)
	if !ok {
		return 0, false
	}
	return v.(uint64), true
}

type lockedMap struct {
	mu sync.RWMutex
	m  map[uint64]uint64
}

func newLockedMap(entries int) *lockedMap { return &lockedMap{m: make(map[uint64]uint64, entries)} }

func (l *lockedMap) load(key uint64) (value uint64, ok bool) {
	l.mu.RLock()
	value, ok = l.m[key]
	l.mu.RUnlock()
	return value, ok
}

func newPool(objects, size int) *pktbuf.Pool {
	p, err := pktbuf.NewPool(pktbuf.NewArena(nictest.NewMemory(32<<20).Region()), objects, size)
	if err != nil {
		fail(err.Error())
	}
	return p
}

func newSyncPool(int) *sync.Pool { return &sync.Pool{New: func() any { return new([2048]byte) }} }

func syncPoolGetN(p *sync.Pool, os []*[2048]byte) int {
	for i := range os {
		os[i] = p.Get().(*[2048]byte)
	}
	return len(os)
}

func syncPoolPutN(p *sync.Pool, os []*[2048]byte) {
	for _, o := range os {
		p.Put(o)
	}
}

func newChanPool(objects int) chan *[2048]byte {
	c := make(chan *[2048]byte, objects)
	for range objects {
		c <- new([2048]byte)
	}
	return c
}

func chanGetN(c chan *[2048]byte, os []*[2048]byte) int {
	for i := range os {
		os[i] = <-c
	}
	return len(os)
}

func chanPutN(c chan *[2048]byte, os []*[2048]byte) {
	for _, o := range os {
		c <- o
	}
}

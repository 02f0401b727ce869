package main

// A ring is what has the shapes SPSC or MPMC, and RoundTrip.
type ring struct {
	ID, Name string
	Type     string // of a pointer to it
	New      string // with capacity
	Push     string // of r and v: true if there was room
	Pop      string // of r: a value, and whether there was one
	PushN    string // of r and vs: how many there was room for; empty if it has none
	PopN     string // of r and vs: how many there were; empty if it has none
	MPMC     bool
}

var rings = []ring{
	{ID: "spsc", Name: "ferrule.spsc", Type: "*spsc.Ring[uint64]", New: "spsc.New[uint64](capacity)",
		Push: "r.TryPush(v)", Pop: "r.TryPop()", PushN: "r.TryPushN(vs)", PopN: "r.TryPopN(vs)"},
	{ID: "chan1", Name: "go.chan", Type: "chan uint64", New: "make(chan uint64, capacity)",
		Push: "chanPush(r, v)", Pop: "chanPop(r)"},
	{ID: "xsyncSPSC", Name: "xsync.SPSCQueue", Type: "*xsync.SPSCQueue[uint64]", New: "xsync.NewSPSCQueue[uint64](capacity)",
		Push: "r.TryEnqueue(v)", Pop: "r.TryDequeue()"},

	{ID: "mpmc", Name: "ferrule.mpmc", MPMC: true, Type: "*mpmc.Ring[uint64]", New: "mpmc.New[uint64](capacity)",
		Push: "r.TryPush(v)", Pop: "r.TryPop()", PushN: "r.TryPushN(vs)", PopN: "r.TryPopN(vs)"},
	{ID: "chanN", Name: "go.chan", MPMC: true, Type: "chan uint64", New: "make(chan uint64, capacity)",
		Push: "chanPush(r, v)", Pop: "chanPop(r)"},
	{ID: "xsyncMPMC", Name: "xsync.MPMCQueue", MPMC: true, Type: "*xsync.MPMCQueue[uint64]", New: "xsync.NewMPMCQueue[uint64](capacity)",
		Push: "r.TryEnqueue(v)", Pop: "r.TryDequeue()"},
	// Without a bound, so it is never full.
	{ID: "lscq", Name: "lscq.Uint64Queue", MPMC: true, Type: "*lscq.Uint64Queue", New: "lscq.NewUint64()",
		Push: "r.Enqueue(v)", Pop: "r.Dequeue()"},
	// It has no way to look without waiting, and boxes what it is given.
	{ID: "workiva", Name: "workiva.RingBuffer", MPMC: true, Type: "*queue.RingBuffer", New: "queue.NewRingBuffer(uint64(capacity))",
		Push: "offer(r, v)", Pop: "get(r)"},
}

// A blocking ring has the shape BlockSPSC, and BlockMPMC if more than one goroutine
// may be on a side.
type blocking struct {
	ID, Name string
	Type     string
	New      string // with capacity
	Push     string // of ctx, r and v
	Pop      string // of ctx and r
	MPMC     bool
}

var blockings = []blocking{
	{ID: "spscBlock", Name: "ferrule.spsc", Type: "*spsc.Ring[uint64]", New: "spsc.New[uint64](capacity)",
		Push: "must(r.Push(ctx, v))", Pop: "value(r.Pop(ctx))"},
	{ID: "mpmcBlock", Name: "ferrule.mpmc", MPMC: true, Type: "*mpmc.Ring[uint64]", New: "mpmc.New[uint64](capacity)",
		Push: "must(r.Push(ctx, v))", Pop: "value(r.Pop(ctx))"},
	{ID: "chanBlock", Name: "go.chan", MPMC: true, Type: "chan uint64", New: "make(chan uint64, capacity)",
		Push: "r <- v", Pop: "<-r"},
}

// A lock has the shape Lock.
type lock struct {
	ID, Name string
	Type     string
	Node     string // the type of what each goroutine brings; empty if nothing
	Acquire  string // of l and n, a pointer to the node
	Release  string
}

var locks = []lock{
	{ID: "spinlock", Name: "ferrule.spinlock.Mutex", Type: "spinlock.Mutex", Acquire: "l.Lock()", Release: "l.Unlock()"},
	{ID: "ticket", Name: "ferrule.spinlock.Ticket", Type: "spinlock.Ticket", Acquire: "l.Lock()", Release: "l.Unlock()"},
	{ID: "mcsMutex", Name: "ferrule.mcs.Mutex", Type: "mcs.Mutex", Acquire: "l.Lock()", Release: "l.Unlock()"},
	{ID: "mcs", Name: "ferrule.mcs.Lock", Type: "mcs.Lock", Node: "mcs.Node", Acquire: "l.Acquire(n)", Release: "l.Release(n)"},
	{ID: "sync", Name: "sync.Mutex", Type: "sync.Mutex", Acquire: "l.Lock()", Release: "l.Unlock()"},
}

// A reader has the shape Read; who can also wait for readers has Synchronize and
// Call.
type reader struct {
	ID, Name    string
	Domain      string // its type
	New         string // makes *d, if zero will not do
	Enter       string // what r is; empty if a reader brings nothing
	Leave       string
	Init        string // puts 1 into *d, of a lock that holds the value itself
	Section     string // of d: the value that such a lock holds
	Lock        string // of d and r; empty if there is nothing to do
	Unlock      string
	Synchronize string // of d
	Call        string // of d and callback
	Barrier     string // of d
}

var readers = []reader{
	{ID: "rcu", Name: "ferrule.rcu", Domain: "rcu.Domain", Enter: "d.Register()", Leave: "r.Close()",
		Lock: "r.Lock()", Unlock: "r.Unlock()", Synchronize: "d.Synchronize()",
		Call: "d.Call(callback)", Barrier: "d.Barrier()"},
	// One quiescent state after each section.
	{ID: "qsbr", Name: "ferrule.rcu-qsbr", Domain: "rcu.Domain", Enter: "online(d)", Leave: "offline(r)",
		Unlock: "r.Quiesce()", Synchronize: "d.Synchronize()"},
	{ID: "rwmutex", Name: "ferrule.spinlock.RWMutex", Domain: "spinlock.RWMutex", Lock: "d.RLock()", Unlock: "d.RUnlock()"},
	{ID: "bigreader", Name: "ferrule.spinlock.BigReader", Domain: "spinlock.BigReader", Enter: "d.Register()", Leave: "r.Close()",
		Lock: "r.Lock()", Unlock: "r.Unlock()"},
	{ID: "seq", Name: "ferrule.spinlock.Seq", Domain: "spinlock.Seq[uint64]", Init: "j.domain.Store(1)", Section: "d.Load()"},
	{ID: "syncRW", Name: "sync.RWMutex", Domain: "sync.RWMutex", Lock: "d.RLock()", Unlock: "d.RUnlock()"},
	{ID: "xsyncRB", Name: "xsync.RBMutex", Domain: "*xsync.RBMutex", New: "xsync.NewRBMutex()", Lock: "t := (*d).RLock()", Unlock: "(*d).RUnlock(t)"},
	// What the garbage collector does for those who need no more.
	{ID: "pointer", Name: "go.atomic.Pointer", Domain: "struct{}"},
}

// A table has the shape Lookup.
type table struct {
	ID, Name string
	Type     string
	New      string // of entries
	Store    string // of m, key and value
	Enter    string // what r is; empty if a reader brings nothing
	Leave    string
	Load     string // of m, r and key: the value, and whether there is one
}

var tables = []table{
	{ID: "rcuMap", Name: "ferrule.rcu.Map", Type: "*rcu.Map[uint64, uint64]", New: "rcu.NewMap[uint64, uint64]()", Store: "m.Store(key, value)", Load: "m.Load(key)"},
	{ID: "syncMap", Name: "sync.Map", Type: "*sync.Map", New: "new(sync.Map)", Store: "m.Store(key, value)", Load: "syncMapLoad(m, key)"},
	{ID: "xsyncMap", Name: "xsync.Map", Type: "*xsync.Map[uint64, uint64]", New: "xsync.NewMap[uint64, uint64](xsync.WithPresize(entries))", Store: "m.Store(key, value)", Load: "m.Load(key)"},
	{ID: "goMap", Name: "go.map+sync.RWMutex", Type: "*lockedMap", New: "newLockedMap(entries)", Store: "m.m[key] = value", Load: "m.load(key)"},
}

// A pool has the shape Pool.
type pool struct {
	ID, Name string
	Type     string // of p
	Object   string // the type of an object
	New      string // of objects and size
	Enter    string // what c is; empty if a goroutine brings nothing
	Leave    string
	GetN     string // of p, c and os: how many there were
	PutN     string // of p, c and os
}

var pools = []pool{
	{ID: "cache", Name: "ferrule.pktbuf.Cache", Type: "*pktbuf.Pool", Object: "*pktbuf.Buf", New: "newPool(objects, size)",
		Enter: "p.NewCache()", Leave: "c.Flush()", GetN: "c.GetN(os)", PutN: "c.PutN(os)"},
	{ID: "pktbuf", Name: "ferrule.pktbuf.Pool", Type: "*pktbuf.Pool", Object: "*pktbuf.Buf", New: "newPool(objects, size)",
		GetN: "p.GetN(os)", PutN: "p.PutN(os)"},
	{ID: "syncPool", Name: "sync.Pool", Type: "*sync.Pool", Object: "*[2048]byte", New: "newSyncPool(size)",
		GetN: "syncPoolGetN(p, os)", PutN: "syncPoolPutN(p, os)"},
	{ID: "chanPool", Name: "go.chan", Type: "chan *[2048]byte", Object: "*[2048]byte", New: "newChanPool(objects)",
		GetN: "chanGetN(p, os)", PutN: "chanPutN(p, os)"},
}

package sched

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"
)

// A machine runs one execution. One goroutine alone uses it, the one that called
// Search; a thread gives it a request and goes on when it gets a grant. So only one
// goroutine at a time runs.
type machine struct {
	scenario Scenario
	memory   Memory
	bound    int
	whole    bool // each store that leaves a buffer is a step of its own
	each     bool // so it is, at this choice
	traced   bool

	threads  []*actor
	requests chan request
	words    map[unsafe.Pointer]*word
	tokens   *tokens
	shared   shared // nil: every operation counts as shared

	last      int // the thread that went last, -1 before
	preempted int
	steps     int
	schedule  []choice
	trace     []step
	violation string
}

// stepLimit is where an execution counts as endless.
const stepLimit = 2000

// A kind of operation says what it needs and what others see of it.
type kind uint8

const (
	load    kind = iota
	publish      // to the buffer
	write        // stores, or may: needs the buffer empty
	barrier      // needs all buffers empty
	wait
	ended    // the thread has returned
	panicked // or not
)

// An operation is what a thread is about to do.
type operation struct {
	kind  kind
	name  string
	addr  unsafe.Pointer   // of the word, or of what stands for one
	more  []unsafe.Pointer // of other words that it writes
	ready func() int       // in how many ways it can be done now; nil: one
	pcs   []uintptr        // who does it, if the execution is traced
	site  site             // who does it, in a search
}

// An outcome is what became of it.
type outcome struct {
	wrote bool
	value uint64        // published
	text  func() string // if the execution is traced; for the machine to call, since fmt orders its callers
	child *thread       // begun
}

type request struct {
	next operation
	last outcome
}

// A grant lets a thread do its operation.
type grant struct {
	abandon   bool // end instead
	child     int  // number of the next thread
	way       int
	forwarded bool // value comes from the thread's own buffer
	value     uint64
	traced    bool

	// What a write releases its reader acquires: each write has a token.
	acquire, release unsafe.Pointer
	also             [2]unsafe.Pointer // to acquire, of a select
}

// An actor is what the machine knows of a thread.
type actor struct {
	*thread
	next   operation
	buffer []buffered

	did     uint64 // hash of all operations so far
	flushed uint64 // hash of all that left the buffer

	looked []*word // at since the last wait; of a select the first, for a loop asks of one
	news   bool    // another has written to one of those
	spent  bool    // a wait has returned without news
	waited site    // the last
}

type buffered struct {
	addr  *uint64
	value uint64
	event uint64
	token unsafe.Pointer
}

// A word is what the machine knows of an address.
type word struct {
	name  int
	write uint64 // hash of the last write
	reads uint64 // of the reads since, in any order
	token unsafe.Pointer
	uses  []use
}

// A thread is what a goroutine knows of itself.
type thread struct {
	id       int
	machine  *machine
	requests chan request
	grants   chan grant
	last     outcome
	token    uint64

	child     bool // begun by another
	abandoned bool
	pcs       [16]uintptr
}

func newMachine(s Scenario, memory Memory) *machine {
	return &machine{scenario: s, memory: memory, bound: s.Bound[memory], last: -1,
		requests: make(chan request), words: make(map[unsafe.Pointer]*word), tokens: new(tokens)}
}

// run makes the execution that choose chooses.
func (m *machine) run(choose func(*machine, []choice) int) {
	before := races()
	setup(m)
	threads, check := m.setup()
	for id, f := range threads {
		t := &thread{id: id, machine: m, requests: m.requests, grants: make(chan grant)}
		m.threads = append(m.threads, &actor{thread: t, did: uint64(id)})
		go t.run(f)
		m.receive(m.threads[id])
		m.step(choice{thread: id}) // to its first operation
	}
	m.last, m.preempted, m.steps, m.schedule = -1, 0, 0, nil
	for m.violation == "" {
		choices := m.choices()
		if len(choices) == 0 {
			break
		}
		way := choose(m, choices)
		if way < 0 {
			m.abandon()
			return
		}
		m.step(choices[way])
		if m.steps >= stepLimit {
			m.violation = fmt.Sprintf("no end after %d steps", m.steps)
		}
		if n := races() - before; n > 0 && m.violation == "" {
			m.violation = "data race (reported above)"
		}
	}
	if m.violation == "" {
		m.end(check)
	}
}

// setup is the scenario's; a panic in it is a violation.
func (m *machine) setup() (threads []func(), check func()) {
	defer m.recover()
	return m.scenario.Setup()
}

func (m *machine) recover() {
	if r := recover(); r != nil {
		m.violation = fmt.Sprint(r)
	}
}

// end looks at how all has ended.
func (m *machine) end(check func()) {
	for _, a := range m.threads {
		if a.next.kind != ended {
			m.violation = "deadlock: " + m.standstill()
			return
		}
	}
	for _, a := range m.threads {
		m.drain(a)
	}
	setup(m)
	defer m.recover()
	check()
}

// abandon ends the threads where they are.
func (m *machine) abandon() {
	for _, a := range m.threads {
		if a.next.kind != ended && a.next.kind != panicked {
			ignoreSync()
			a.grants <- grant{abandon: true}
			<-m.requests
			heedSync()
		}
	}
}

func (m *machine) standstill() string {
	var at []string
	for _, a := range m.threads {
		if a.next.kind != ended {
			at = append(at, fmt.Sprintf("T%d stands at %s, %s", a.id, a.next.name, where(a.next.pcs)))
		}
	}
	return strings.TrimSpace(strings.Join(at, ", "))
}

// choices returns the steps that can be taken within the bound. The first is that of
// the thread that went last, if it can go on.
func (m *machine) choices() (all []choice) {
	m.each = m.whole || m.overlap()
	goesOn := false
	if m.last >= 0 {
		all = m.ways(all, m.last)
		goesOn = len(all) > 0 && m.threads[m.last].next.kind != wait
		if goesOn && !m.each && m.alone(m.threads[m.last]) {
			return all[:1]
		}
	}
	if !goesOn || m.preempted < m.bound {
		for id := range m.threads {
			if id != m.last {
				all = m.ways(all, id)
			}
		}
	}
	if m.each {
		for id, a := range m.threads {
			if len(a.buffer) > 0 {
				all = append(all, choice{thread: id, flush: true})
			}
		}
	}
	return all
}

// overlap reports whether two buffers hold stores to one word.
func (m *machine) overlap() bool {
	for i, a := range m.threads {
		for _, s := range a.buffer {
			for _, b := range m.threads[i+1:] {
				if slices.ContainsFunc(b.buffer, func(t buffered) bool { return s.addr == t.addr }) {
					return true
				}
			}
		}
	}
	return false
}

// ways appends in which ways a thread can take its step. Unless each store leaves its
// buffer by a step of its own, the way says which do before.
func (m *machine) ways(all []choice, id int) []choice {
	n, a := 1, m.threads[id]
	switch a.next.kind {
	case write:
		if m.each && len(a.buffer) > 0 {
			return all
		}
	case barrier:
		if m.each && slices.ContainsFunc(m.threads, func(b *actor) bool { return len(b.buffer) > 0 }) {
			return all
		}
	case wait:
		if !a.news && a.spent && a.waited == a.next.site {
			return m.awaited(all, id)
		}
	case ended, panicked:
		return all
	}
	if a.next.ready != nil {
		n = a.next.ready()
	}
	for way := range n {
		all = append(all, choice{thread: id, way: way})
	}
	if m.each || a.next.kind != load && a.next.kind != write {
		return all
	}
	for other, b := range m.threads {
		for i, s := range b.buffer {
			if other != id && unsafe.Pointer(s.addr) == a.next.addr {
				for way := range n {
					all = append(all, choice{thread: id, way: way, from: other, first: i + 1})
				}
			}
		}
	}
	return all
}

// awaited is ways of a thread that waits for news: a store that leaves the buffer of
// another may be some.
func (m *machine) awaited(all []choice, id int) []choice {
	if m.each {
		return all
	}
	for other, b := range m.threads {
		for i, s := range b.buffer {
			if other != id && slices.Contains(m.threads[id].looked, m.word(unsafe.Pointer(s.addr))) {
				all = append(all, choice{thread: id, from: other, first: i + 1})
			}
		}
	}
	return all
}

func (m *machine) step(c choice) {
	a := m.threads[c.thread]
	if c.flush {
		m.flush(a)
		return
	}
	if m.last >= 0 && m.last != c.thread {
		if l := m.threads[m.last]; l.next.kind != wait && len(m.ways(nil, m.last)) > 0 {
			m.preempted++
		}
	}
	m.last = c.thread
	for range c.first {
		m.flush(m.threads[c.from])
	}
	for _, b := range m.threads {
		if a.next.kind == write && a == b || a.next.kind == barrier {
			m.drain(b)
		}
	}
	m.took(choice{thread: c.thread, way: c.way})
	o, g := a.next, m.grant(a, c.way)
	ignoreSync()
	a.grants <- g
	heedSync()
	m.note(a, o, g, m.receive(a))
}

// took takes down a step.
func (m *machine) took(c choice) {
	m.schedule = append(m.schedule, c)
	m.steps++
}

func (m *machine) drain(a *actor) {
	for len(a.buffer) > 0 {
		m.flush(a)
	}
}

func (m *machine) grant(a *actor, way int) grant {
	g := grant{child: len(m.threads), way: way, release: m.tokens.new(), traced: m.traced}
	for i := len(a.buffer) - 1; i >= 0 && a.next.kind == load && !g.forwarded; i-- {
		if b := a.buffer[i]; unsafe.Pointer(b.addr) == a.next.addr {
			g.forwarded, g.value = true, b.value
			a.next.name += " (own buffer)"
		}
	}
	if a.next.kind == load && !g.forwarded || a.next.kind == write {
		g.acquire = m.word(a.next.addr).token
		for i, p := range a.next.more {
			g.also[i] = m.word(p).token
		}
	}
	return g
}

// receive waits for the thread's next request.
func (m *machine) receive(a *actor) outcome {
	ignoreSync()
	r := <-m.requests
	heedSync()
	acquire(unsafe.Pointer(&a.token))
	a.next = r.next
	if r.next.kind == panicked {
		m.violation = r.next.name
	}
	return r.last
}

// note takes down what an operation did.
func (m *machine) note(a *actor, o operation, g grant, did outcome) {
	a.did = mix(a.did, uint64(o.kind), uint64(g.way))
	if did.child != nil {
		m.threads = append(m.threads, &actor{thread: did.child, did: mix(a.did), next: operation{name: "begin"}})
	}
	m.use(a, o)
	if o.addr != nil {
		a.looked = append(a.looked, m.word(o.addr))
	}
	switch {
	case o.kind == wait:
		a.spent, a.news, a.waited, a.looked = !a.news, false, o.site, a.looked[:0]
	case o.kind == publish:
		a.buffer = append(a.buffer, buffered{(*uint64)(o.addr), did.value, a.did, g.release})
	case g.forwarded || o.addr == nil:
	case did.wrote:
		for _, p := range append([]unsafe.Pointer{o.addr}, o.more...) {
			w := m.word(p)
			a.did = mix(a.did, w.write, w.reads)
			w.write, w.reads, w.token = a.did, 0, g.release
			m.tell(a, w)
		}
	default:
		w := m.word(o.addr)
		a.did = mix(a.did, w.write)
		w.reads += a.did
	}
	if m.traced && did.text != nil {
		m.say(a.id, o, did.text())
	}
}

// flush makes the oldest store in a buffer visible.
func (m *machine) flush(a *actor) {
	m.took(choice{thread: a.id, flush: true})
	b := a.buffer[0]
	a.buffer = a.buffer[1:]
	poke(b.addr, b.value)
	w := m.word(unsafe.Pointer(b.addr))
	a.flushed = mix(a.flushed, b.event, w.write, w.reads)
	w.write, w.reads, w.token = a.flushed, 0, b.token
	m.tell(a, w)
	if m.traced {
		m.say(a.id, operation{name: "(visible)", addr: unsafe.Pointer(b.addr)}, fmt.Sprint(b.value))
	}
}

// tell says that a has written to w.
func (m *machine) tell(a *actor, w *word) {
	for _, b := range m.threads {
		b.news = b.news || a != b && slices.Contains(b.looked, w)
	}
}

func (m *machine) say(id int, o operation, text string) {
	at := ""
	if o.addr != nil {
		at = fmt.Sprintf("w%d", m.word(o.addr).name)
	}
	m.trace = append(m.trace, step{m.steps, id, o.name, at, text, o.pcs})
}

func (m *machine) word(p unsafe.Pointer) *word {
	w := m.words[p]
	if w == nil {
		w = &word{name: len(m.words)}
		m.words[p] = w
	}
	return w
}

// state returns the hash of all that what follows depends on.
func (m *machine) state() uint64 {
	var h uint64
	if m.bound != Free {
		h = mix(uint64(m.last), uint64(m.preempted))
	}
	for _, a := range m.threads {
		h = mix(h, a.did, a.flushed, uint64(len(a.buffer)), flag(a.news), flag(a.spent))
	}
	return h
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// mix hashes words in their order. Two steps of splitmix64 each keep apart what
// differs in few bits.
func mix(words ...uint64) uint64 {
	h := uint64(len(words))
	for _, w := range words {
		h = (h ^ w) + 0x9E3779B97F4A7C15
		h = (h ^ h>>30) * 0xBF58476D1CE4E5B9
		h = (h ^ h>>27) * 0x94D049BB133111EB
		h ^= h >> 31
	}
	return h
}

// tokens are addresses for the race detector, one for each write of an execution.
type tokens struct {
	block *[256]uint64
	n     int
}

func (t *tokens) new() unsafe.Pointer {
	if t.block == nil || t.n == len(t.block) {
		t.block, t.n = new([256]uint64), 0
	}
	t.n++
	return unsafe.Pointer(&t.block[t.n-1])
}

// What follows is run by the threads.

func (t *thread) run(f func()) {
	defer func() {
		if t.abandoned {
			ignoreSync()
			t.requests <- request{}
			heedSync()
			return
		}
		o := operation{kind: ended, name: "end"}
		if r := recover(); r != nil {
			o = operation{kind: panicked, name: fmt.Sprint(r)}
		}
		t.ask(o)
	}()
	if !t.child {
		t.ask(operation{name: "start"})
	}
	t.resume()
	f()
}

func (t *thread) ask(o operation) {
	release(unsafe.Pointer(&t.token))
	ignoreSync()
	t.requests <- request{o, t.last}
	heedSync()
	t.last = outcome{}
}

func (t *thread) resume() grant {
	ignoreSync()
	g := <-t.grants
	heedSync()
	setRunning(t)
	if g.abandon {
		t.abandoned = true
		runtime.Goexit()
	}
	if g.acquire != nil {
		acquire(g.acquire)
	}
	for _, p := range g.also {
		if p != nil {
			acquire(p)
		}
	}
	return g
}

// do stops the calling thread until it may do o. In a setup and a check nobody else
// runs, and it always may: t is nil then.
func do(o operation) (t *thread, g grant) {
	t = running()
	if t == nil {
		countOutside()
		return nil, grant{}
	}
	if t.abandoned {
		runtime.Goexit() // what was deferred has not begun either
	}
	if t.machine.traced {
		o.pcs = make([]uintptr, 16)
		o.pcs = o.pcs[:runtime.Callers(3, o.pcs)]
	}
	if t.machine.shared != nil || o.kind == wait {
		o.site = t.site()
	}
	t.ask(o)
	return t, t.resume()
}

// did says what became of it.
func (t *thread) did(g grant, wrote bool, value uint64, text func() string) {
	if t == nil {
		return
	}
	if wrote {
		release(g.release)
	}
	t.last = outcome{wrote: wrote, value: value}
	if g.traced {
		t.last.text = text
	}
}

// site says which call this is.
func (t *thread) site() site {
	h := uint64(t.id)
	for _, pc := range t.pcs[:runtime.Callers(4, t.pcs[:])] {
		h = (h ^ uint64(pc)) * 0x9E3779B97F4A7C15
		h ^= h >> 29
	}
	return site(h)
}

// present is the thread that runs, nil in a setup or a check, and the machine it is
// of. Whoever runs has set it.
var present struct {
	thread  *thread
	machine *machine
	epoch   int // counts executions
	outside int // operations of a setup or a check
}

//go:norace
func countOutside() {
	if present.outside++; present.outside == 100*stepLimit {
		panic("no end, where nobody else runs")
	}
}

//go:norace
func running() *thread { return present.thread }

//go:norace
func setRunning(t *thread) { present.thread = t }

//go:norace
func setup(m *machine) {
	if present.machine != m {
		present.machine = m
		present.epoch++
	}
	present.thread, present.outside = nil, 0
}

//go:norace
func epoch() int { return present.epoch }

//go:norace
func current() *machine { return present.machine }

//go:norace
func peek[V any](p *V) V { return *p }

//go:norace
func poke[V any](p *V, v V) { *p = v }

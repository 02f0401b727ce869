// Package sim is a machine of many processors in which the transfers of cache lines
// are counted. It stands for sync/atomic, sync, internal/cpu and what else of Go's a
// wait needs, in copies of the library's primitives: see folder transfers.
//
// # Coherence
//
// Each processor has a cache of its own that never fills up, so a line leaves it only
// when another processor wants it. The protocol is MESI [1]: of each line it is known
// who has it, and whether the one that has it may write without asking. A load finds
// its line there, or is a read miss. A store or a read-modify-write, a failed
// compare-and-swap included, finds its line there and writable; or finds it shared,
// and is an upgrade, by which all others lose it; or is a write miss, by which they
// lose it, too. What is no hit is one remote reference, however many lose the line.
// Only the first of all accesses to a line is none: it comes from memory, and no
// processor had it.
//
// A line is LineSize bytes of the real address: what shares one in the program shares
// one here. The copies have the layout of their source, since every type of this
// package has the size of the one it stands for.
//
// Counted are atomic operations, published stores, prefetches, and the plain accesses
// that the copy reports: those through a pointer or a slice. A processor's stack is not
// part of the memory.
//
// # Time
//
// A processor does one thing after the other and goes on when it is done: nothing is
// reordered, no store buffered, no line fetched ahead but by a prefetch, whose lines
// come at once together. A hit takes a tick. A remote reference takes Transfer ticks,
// beginning when the line is free, for a line makes one transfer at a time, in the
// order in which they were asked for; until it is over those that have the line go on
// hitting it. A tick is about a nanosecond of a processor of today.
//
// Pauses, yields and sleeps take their ticks and nothing else. There is one goroutine
// for each processor, so one that yields is back soon, and one that parks is so some
// time after it was woken; memory that the Go scheduler uses for that is not counted.
// Chance, for equal times as for what a program draws, comes from the seed: the same
// program does the same each time.
//
// What follows from that: numbers of transfers are those of the source under an
// interleaving that is likely, and ticks are worth no more than to make it so. It says
// nothing of distances between processors, of the width of what connects them, of
// caches that are too small, or of more goroutines than processors.
//
// [1]: M. Papamarcos, J. Patel, A Low-Overhead Coherence Solution for Multiprocessors
// with Private Cache Memories, ISCA 1984.
package sim

import (
	"container/heap"
	"fmt"
	"iter"
	"math/rand/v2"
)

// A Model is what a machine is like.
type Model struct {
	LineBytes uintptr // the size of a line, a power of two
	Seed      uint64
}

// How many ticks things take.
const (
	hit      = 1
	transfer = 100
	pause    = 25    // of Pause(1): 10 to 50 ns where it was measured
	yield    = 65    // of Gosched with nothing else to run
	wake     = 13000 // from being woken to running
	barrier  = 2000  // of Membarrier
)

// Most is the largest number of processors.
const Most = 128

// Counts are remote references by kind, of all processors together.
type Counts struct {
	ReadMisses  int
	WriteMisses int
	Upgrades    int
	Cold        int // no remote references: nobody had the line before
	Data        int // remote references of any kind, within Section
	Ticks       int64
}

// Remote returns how many remote references there were, but for those to data.
func (c Counts) Remote() int { return c.ReadMisses + c.WriteMisses + c.Upgrades }

// A Machine runs programs, one on each of its processors.
type Machine struct {
	model  Model
	random *rand.Rand
	lines  map[uintptr]*line
	ready  queue
	asleep map[*Mutex][]*processor
	all    []*processor
	counts Counts
	since  int64 // when counting began
}

// A line is what the machine knows of one.
type line struct {
	holders  set
	writable bool  // by the only holder
	free     int64 // when the last transfer that was asked for is over
	spinning []*processor
}

// A set is one of processors.
type set [Most / 64]uint64

func (s *set) has(id int) bool { return s[id/64]>>(id%64)&1 != 0 }
func (s *set) add(id int)      { s[id/64] |= 1 << (id % 64) }

// A processor is a coroutine with a clock.
type processor struct {
	machine *Machine
	id      int
	now     int64
	rank    uint64 // among those whose time is the same
	resume  func() (struct{}, bool)
	leave   func(struct{}) bool
	stack   uint32 // the number of its page
	pool    map[*Pool][]any
	data    bool // it is within Section's accesses
	stopped bool // it parks, or spins, until another sets its time
}

// present is the processor that runs, nil while none does.
var present *processor

// New returns a Machine without processors.
func New(model Model) *Machine {
	return &Machine{
		model:  model,
		random: rand.New(rand.NewPCG(model.Seed, 0)),
		lines:  make(map[uintptr]*line),
		asleep: make(map[*Mutex][]*processor),
	}
}

// Run runs each program on a processor of its own, all from the present time on, until
// they return. It panics if no one can go on before.
func (m *Machine) Run(programs ...func()) {
	if len(programs) > Most {
		panic(fmt.Sprintf("sim: %d processors, want %d at most", len(programs), Most))
	}
	now := m.clock()
	m.all = nil
	for id, program := range programs {
		p := &processor{machine: m, id: id, now: now, stack: m.random.Uint32(), pool: make(map[*Pool][]any)}
		m.all = append(m.all, p)
		p.resume, _ = iter.Pull(func(leave func(struct{}) bool) {
			p.leave = leave
			program()
		})
		m.push(p)
	}
	for running := len(programs); running > 0; {
		if len(m.ready) == 0 {
			panic(fmt.Sprintf("sim: %d processors wait for each other", running))
		}
		p := heap.Pop(&m.ready).(*processor)
		present = p
		if _, again := p.resume(); !again {
			running--
		}
		present = nil
	}
}

// Counts returns what was counted since New or the last Reset.
func (m *Machine) Counts() Counts {
	c := m.counts
	c.Ticks = m.clock() - m.since
	return c
}

// Reset counts anew.
func (m *Machine) Reset() { m.counts, m.since = Counts{}, m.clock() }

func (m *Machine) clock() (now int64) {
	if present != nil {
		return present.now
	}
	for _, p := range m.all {
		now = max(now, p.now)
	}
	return now
}

func (m *Machine) push(p *processor) {
	p.rank = m.random.Uint64()
	heap.Push(&m.ready, p)
}

func (m *Machine) line(at uintptr) *line {
	at /= m.model.LineBytes
	l := m.lines[at]
	if l == nil {
		l = new(line)
		m.lines[at] = l
	}
	return l
}

// turn lets all go first whose time has come before p's.
func (p *processor) turn() {
	m := p.machine
	if p.stopped || len(m.ready) > 0 && m.ready[0].now <= p.now {
		if !p.stopped {
			m.push(p)
		}
		p.leave(struct{}{})
	}
}

// pass lets time go by.
func (p *processor) pass(ticks int64) {
	p.now += ticks
	p.turn()
}

// stop waits until another calls start.
func (p *processor) stop() {
	p.stopped = true
	p.turn()
}

func (p *processor) start(at int64) {
	p.stopped = false
	p.now = at
	p.machine.push(p)
}

// access gets p the line at an address, to read or to write. What p does then, before
// it calls anything of this package again, it does at once.
func (p *processor) access(at uintptr, write bool) {
	p.turn()
	l := p.machine.line(at)
	if p.hits(l, write) {
		p.now += hit
		return
	}
	l.ask(p)
	p.now = l.free
	p.turn()
	p.take(l, write)
}

// fetch gets p several lines at once.
func (p *processor) fetch(at, size uintptr, write bool) {
	p.turn()
	var missing []*line
	over := p.now + hit
	for a := at &^ (p.machine.model.LineBytes - 1); a < at+size; a += p.machine.model.LineBytes {
		if l := p.machine.line(a); !p.hits(l, write) {
			l.ask(p)
			over = max(over, l.free)
			missing = append(missing, l)
		}
	}
	p.now = over
	p.turn()
	for _, l := range missing {
		p.take(l, write)
	}
}

func (p *processor) hits(l *line, write bool) bool {
	return l.holders.has(p.id) && (l.writable || !write)
}

// ask puts a transfer behind those that l makes.
func (l *line) ask(p *processor) { l.free = max(l.free, p.now) + transfer }

// take is the end of a transfer: only here does a line change hands. It is of the kind
// that it is now, for others may have had the line meanwhile.
func (p *processor) take(l *line, write bool) {
	var of *int
	c := &p.machine.counts
	switch {
	case l.holders == set{}:
		of = &c.Cold
	case p.data:
		of = &c.Data
	case !write:
		of = &c.ReadMisses
	case l.holders.has(p.id):
		of = &c.Upgrades
	default:
		of = &c.WriteMisses
	}
	*of++
	if !write {
		l.writable = l.holders == set{}
		l.holders.add(p.id)
		return
	}
	l.holders, l.writable = set{}, true
	l.holders.add(p.id)
	for _, s := range l.spinning {
		if s != p {
			s.start(p.now)
		}
	}
	l.spinning = nil
}

// A queue holds processors, the one first whose time comes first.
type queue []*processor

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].now < q[j].now || q[i].now == q[j].now && q[i].rank < q[j].rank
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }

// Push is that of container/heap.
func (q *queue) Push(x any) { *q = append(*q, x.(*processor)) }

// Pop is that of container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	x := (*q)[last]
	*q = (*q)[:last]
	return x
}

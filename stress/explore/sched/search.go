package sched

import (
	"fmt"
	"maps"
	"math/rand/v2"
)

// Search runs all schedules of s within its bound, up to the limit of executions,
// and stops at the first violation. Those with fewer preemptions come first, so that a
// violation has as few as can be.
func Search(s Scenario, memory Memory, limit int) Result {
	known, done := make(shared), Result{Bound: -1}
	for bound := 0; ; bound++ {
		if s.Bound[memory] == Free && bound == 3 {
			bound = Free
		}
		r, complete := within(s, memory, bound, limit-done.Runs, known)
		r.Runs += done.Runs
		switch {
		case r.Violation != nil:
			return r
		case !complete:
			done.Runs = r.Runs
			return done
		case bound == s.Bound[memory]:
			return r
		}
		done = r
	}
}

// within is Search with one bound. It begins anew with what it has learned of the
// scenario once that is as long ago as the beginning was then.
func within(s Scenario, memory Memory, bound, limit int, known shared) (r Result, complete bool) {
	var (
		d       = newDFS()
		learned = make(shared)
		first   int // schedule after which something was
	)
	r.Bound = bound
	for r.Runs < limit {
		m := newMachine(s, memory)
		m.bound, m.shared = bound, known
		d.begin()
		m.run(d.choose)
		r.Runs++
		r.Schedules++
		r.Steps = max(r.Steps, m.steps)
		if m.violation != "" {
			r.Violation = explain(s, memory, m)
			return r, false
		}
		if m.learn(learned) && first == 0 {
			first = r.Schedules
		}
		r.States = len(d.seen) + len(d.path)
		more := d.next()
		switch {
		case first > 0 && (!more || r.Schedules >= 2*first):
			maps.Copy(known, learned)
			d, r, first = newDFS(), Result{Runs: r.Runs, Bound: bound}, 0
		case !more:
			r.Interleavings = d.total
			return r, true
		}
	}
	return r, false
}

// A dfs is a search in depth. Its path are the choices of the execution under way,
// as far as there were any.
type dfs struct {
	path  []*node
	at    int  // how many of them have been made again
	known bool // the rest leads from a state that was searched: any way to the end will do
	seen  map[uint64]float64
	total float64
}

type node struct {
	state uint64
	ways  int
	way   int     // now tried
	count float64 // interleavings from here, of the ways tried before
}

func newDFS() *dfs { return &dfs{seen: make(map[uint64]float64)} }

func (d *dfs) begin() { d.at, d.known = 0, false }

func (d *dfs) choose(m *machine, choices []choice) int {
	switch {
	case len(choices) == 1:
		return 0
	case d.at < len(d.path):
		n := d.path[d.at]
		d.at++
		if n.ways != len(choices) {
			panic(fmt.Sprintf("sched: %s does not do the same each time: %d choices, and %d before", m.scenario.Name, len(choices), n.ways))
		}
		return n.way
	}
	state := m.state()
	if count, ok := d.seen[state]; ok {
		d.known = true
		d.count(count)
		return -1
	}
	d.path = append(d.path, &node{state: state, ways: len(choices)})
	d.at++
	return 0
}

// count adds interleavings to the choice that was made last.
func (d *dfs) count(n float64) {
	if len(d.path) == 0 {
		d.total += n
	} else {
		d.path[len(d.path)-1].count += n
	}
}

// next turns to the last choice that can be made differently, and reports whether
// there is one.
func (d *dfs) next() bool {
	if !d.known {
		d.count(1)
	}
	for len(d.path) > 0 {
		last := d.path[len(d.path)-1]
		if last.way++; last.way < last.ways {
			return true
		}
		d.path = d.path[:len(d.path)-1]
		d.seen[last.state] = last.count
		d.count(last.count)
	}
	return false
}

// Sample runs n schedules at random and stops at the first violation. Each has a
// random order of precedence among the threads, and the store buffers, which changes
// at depth-1 moments [3]: a defect that takes so many to show is found with a
// probability of at least 1/(threads·steps^(depth-1)).
//
// [3]: S. Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of
// Finding Bugs, ASPLOS 2010.
func Sample(s Scenario, memory Memory, n, depth int, seed uint64) (r Result) {
	random := rand.New(rand.NewPCG(seed, 0))
	r.Steps = 64
	for range n {
		m := newMachine(s, memory)
		m.bound, m.whole = Free, true
		p := newPCT(random, depth, r.Steps)
		m.run(p.choose)
		r.Runs++
		r.Steps = max(r.Steps, m.steps)
		if m.violation != "" {
			r.Violation = explain(s, memory, m)
			break
		}
	}
	return r
}

type pct struct {
	random  *rand.Rand
	ranks   map[choice]int
	lowest  int
	changes map[int]bool
}

func newPCT(random *rand.Rand, depth, steps int) *pct {
	p := &pct{random, make(map[choice]int), 0, make(map[int]bool)}
	for range depth - 1 {
		p.changes[random.IntN(steps)] = true
	}
	return p
}

func (p *pct) choose(m *machine, choices []choice) int {
	best := p.best(choices)
	if p.changes[m.steps] {
		p.lowest--
		p.ranks[choices[best].actor()] = p.lowest
		best = p.best(choices)
	}
	return best
}

func (p *pct) best(choices []choice) (best int) {
	for i, c := range choices {
		if _, ok := p.ranks[c.actor()]; !ok {
			p.ranks[c.actor()] = p.random.IntN(1 << 30)
		}
		if p.ranks[c.actor()] > p.ranks[choices[best].actor()] {
			best = i
		}
	}
	return best
}

// Replay runs one schedule again and returns what it did, step by step, and what
// was wrong with it, "" if nothing.
func Replay(s Scenario, memory Memory, schedule string) (trace []string, what string) {
	m := newMachine(s, memory)
	m.bound, m.whole, m.traced = Free, true, true
	rest := parse(schedule)
	m.run(func(m *machine, choices []choice) int {
		if len(rest) == 0 {
			return 0
		}
		want := rest[0]
		rest = rest[1:]
		for i, c := range choices {
			if c == want {
				return i
			}
		}
		panic(fmt.Sprintf("sched: step %d of the schedule cannot be taken: it is not one of %s", m.steps, s.Name))
	})
	return lines(m.trace), m.violation
}

func explain(s Scenario, memory Memory, m *machine) *Violation {
	v := &Violation{What: m.violation, Schedule: format(m.schedule)}
	trace, what := Replay(s, memory, v.Schedule)
	if v.Trace = trace; what != "" { // a race is reported once only
		v.What = what
	}
	return v
}

// A choice is a step: a thread's next operation, or the oldest store of its buffer.
type choice struct {
	thread int
	flush  bool
	way    int // which case of a select

	// Before the step, so many stores leave the buffer of another thread.
	from, first int
}

// actor is who takes the step.
func (c choice) actor() choice { return choice{thread: c.thread, flush: c.flush} }

// A schedule is written as a character for each step: a digit for a thread, a small
// letter for the buffer of one, with a ' for each case of a select that is not taken
// though it could be.
func format(schedule []choice) string {
	var text []byte
	for _, c := range schedule {
		first := byte('0')
		if c.flush {
			first = 'a'
		}
		text = append(text, first+byte(c.thread))
		for range c.way {
			text = append(text, '\'')
		}
	}
	return string(text)
}

func parse(schedule string) (steps []choice) {
	for _, c := range []byte(schedule) {
		switch {
		case c == '\'':
			steps[len(steps)-1].way++
		case c >= 'a':
			steps = append(steps, choice{thread: int(c - 'a'), flush: true})
		default:
			steps = append(steps, choice{thread: int(c - '0')})
		}
	}
	return steps
}

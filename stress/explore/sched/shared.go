package sched

// Most operations of a thread do not concern the others: they are loads of words that
// only it writes, or that nobody does, and writes to words that only it looks at. A
// schedule in which another thread comes before such an operation is no other than
// the one in which it comes behind. So no thread is preempted there, and a search has
// a fraction of the choices.
//
// Which operations these are a search finds out: all count as such, until an execution
// shows two threads at one word, one of which writes. Then the search begins anew, and
// those of both count as shared from there on. It ends when nothing was learned in all
// of it. Nothing is missed: of the executions that have such a meeting, which was not
// known, take one, and let the operation come first that counts as the thread's own.
// What comes before the meeting does not meet it, so it can still be done, in the same
// order; this is an execution of the search, and the search would have learned.

// A site is a call, by all that led to it, in one thread.
type site uint64

// shared are those that others have a part in.
type shared map[site]bool

// A use is of a word, by a thread at a site.
type use struct {
	site   site
	thread int
	writes bool
}

// alone reports whether what a does next concerns nobody else.
func (m *machine) alone(a *actor) bool {
	o := a.next
	switch {
	case m.shared == nil || m.whole:
		return false
	case o.kind == publish:
		return true
	case o.kind == load, o.kind == write && len(a.buffer) == 0:
		return o.addr != nil && o.ready == nil && !m.shared[o.site]
	}
	return false
}

// use takes down which words a has used.
func (m *machine) use(a *actor, o operation) {
	if m.shared == nil || o.addr == nil {
		return
	}
	u := use{o.site, a.id, o.kind != load}
	m.word(o.addr).used(u)
	for _, p := range o.more {
		m.word(p).used(u)
	}
}

func (w *word) used(u use) {
	for _, v := range w.uses {
		if u == v {
			return
		}
	}
	w.uses = append(w.uses, u)
}

// learn adds what turned out to be shared, and reports whether there was anything.
func (m *machine) learn(learned shared) (news bool) {
	for _, w := range m.words {
		for i, u := range w.uses {
			for _, v := range w.uses[:i] {
				if u.thread != v.thread && (u.writes || v.writes) && !(m.shared[u.site] && m.shared[v.site]) {
					learned[u.site], learned[v.site] = true, true
					news = true
				}
			}
		}
	}
	return news
}

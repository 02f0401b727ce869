package mcs

// Tail returns what is last in the queue, so that a test can tell who has joined
// it.
func (l *Lock) Tail() any { return l.tail.Load() }

// Free reports whether the queue is empty.
func (l *Lock) Free() bool { return l.tail.Load() == nil }

// Waiting returns how many wait for m.
func (m *Mutex) Waiting() (n int) {
	for {
		s := m.state.Load()
		if s&editing == 0 && m.state.CompareAndSwap(s, s|editing) {
			if s&pending != 0 {
				n++
			}
			if w := m.first; w != nil {
				n++
				for ; w.next != m.first; w = w.next {
					n++
				}
			}
			m.edited(0)
			return n
		}
	}
}

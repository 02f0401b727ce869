package mcs

// Last returns the last node in the queue, so that a test can tell who has
// joined it.
func (l *Lock) Last() *Node { return l.tail.Load() }

// Parked reports whether the owner of n has parked.
func (n *Node) Parked() bool { return n.state.Load() == parked }

// Park has the owner of n park.
func (n *Node) Park() { n.park() }

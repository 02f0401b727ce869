package spinlock

// Drawn returns how many numbers were drawn, so that a test can tell who has
// joined the line.
func (t *Ticket) Drawn() uint64 { return t.drawn.Load() }

package spinlock

// Drawn returns how many numbers were drawn, so that a test can tell who has
// joined the line.
func (t *Ticket) Drawn() uint64 { return t.drawn.Load() }

// Line changes whenever someone who has to wait joins a line: a writer draws a
// number, a reader registers.
func (p *phases) Line() any { return [2]uint64{p.turn.drawn.Load(), p.state.Load()} }

// NearWrap puts p just short of the last phase.
func (p *phases) NearWrap() { p.state.Store((1<<32 - 2) * nextPhase) }

// Register has a reader register as if it had seen a writer.
func (rw *RWMutex) Register() (inside bool) {
	_, inside = rw.register()
	return inside
}

package rcu

// NewAt returns a Domain whose newest grace period has the number n, made even,
// so that a test can cross the wrap of a uint64 in a few steps.
func NewAt(n uint64) *Domain {
	d := new(Domain)
	d.grace.Store(n &^ inside)
	return d
}

// Newest returns the number of the newest grace period, which is Step more than
// that of the one before.
func (d *Domain) Newest() uint64 { return d.grace.Load() }

// Step is how far apart numbers of grace periods are.
const Step = step

// Readers returns how many readers are registered.
func (d *Domain) Readers() int {
	d.registry.Lock()
	defer d.registry.Unlock()
	return len(d.readers)
}

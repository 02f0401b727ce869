package rcu

import "time"

// NewAt returns a Domain whose newest grace period has the number n, made even,
// so that a test can cross the wrap of a uint64 in a few steps.
func NewAt(n uint64) *Domain {
	d := new(Domain)
	d.grace.Store(n &^ inside)
	d.over.Store(n &^ inside)
	d.number = n &^ inside
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
	return len(d.readers) - d.gone
}

// Backlog is how many callbacks may wait for a grace period to begin.
const Backlog = backlog

// Courtesy is how many sections a reader may end before it waits for the driver
// that it told.
const Courtesy = courtesy

// Awaited reports whether a driver wants to be told when r leaves.
func (r *Reader) Awaited() bool { return r.awaited.Load() }

// LookAgain returns how long a driver of d sleeps before it looks again though no
// reader has told it anything, or 0 for ever.
func (d *Domain) LookAgain() time.Duration { return d.lookAgain() }

// ReadersFence has readers that register from now on fence for themselves, as
// where the kernel does not do it for them, until the returned function is called.
func ReadersFence() (restore func()) {
	kernel := asymmetric
	asymmetric = func() bool { return false }
	return func() { asymmetric = kernel }
}

// HoldRegistry keeps everybody from the list of readers until the returned
// function is called.
func (d *Domain) HoldRegistry() (release func()) {
	d.registry.Lock()
	return d.registry.Unlock
}

package rcu

import "sync"

// backlog is how many callbacks wait for a grace period to begin, at most. As many
// may wait for the end of one.
const backlog = 1 << 15

// calls is what Call leaves to the goroutine that invokes callbacks.
type calls struct {
	mu       sync.Mutex
	waiting  []func() // no grace period has begun for these
	spare    []func() // empty, to take turns with waiting
	accepted uint64   // callbacks so far
	done     uint64   // those that have returned
	invoking bool     // the goroutine runs
	closed   bool
	moved    signal // there is room, or more are done, or the goroutine has ended
}

// Call has f called when every section has ended that began before the call. All
// callbacks of a domain are called by one goroutine, one after the other, in the
// order of the calls of Call; it serves many with one grace period, and ends when
// there are none left. A callback has to return: one that panics ends the program.
//
// Call waits while 32768 callbacks wait for a grace period to begin. In a section
// of the domain, and in a callback, it could wait for itself: use TryCall there.
// Call panics after Close.
func (d *Domain) Call(f func()) {
	for !d.TryCall(f) {
		moved := d.moved.watch()
		if d.TryCall(f) {
			return
		}
		<-moved
	}
}

// TryCall is Call where it would not wait. Otherwise it does nothing and returns
// false.
func (d *Domain) TryCall(f func()) bool {
	if f == nil {
		panic("rcu: Call of nil")
	}
	c := &d.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		panic("rcu: Call in a closed Domain")
	}
	if len(c.waiting) == backlog {
		return false
	}
	c.waiting = append(c.waiting, f)
	c.accepted++
	if !c.invoking {
		c.invoking = true
		go d.invoke()
	}
	return true
}

// invoke calls callbacks until there are none.
func (d *Domain) invoke() {
	for {
		batch := d.calls.take()
		if batch == nil {
			return
		}
		d.Synchronize()
		for _, f := range batch {
			f()
		}
		d.calls.finish(batch)
	}
}

// take returns the callbacks that wait, and tells that there is room for more and
// that those before are done. If there are none, invoke has ended.
func (c *calls) take() (batch []func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer c.moved.notify()
	if len(c.waiting) == 0 {
		c.waiting, c.spare, c.invoking = nil, nil, false
		return nil
	}
	batch, c.waiting, c.spare = c.waiting, c.spare, nil
	return batch
}

func (c *calls) finish(batch []func()) {
	clear(batch) // keep nothing alive
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += uint64(len(batch))
	c.spare = batch[:0]
}

// Barrier waits until all callbacks have returned that were given to Call before.
// In a callback it would wait for itself.
func (d *Domain) Barrier() {
	d.mu.Lock()
	accepted := d.accepted
	d.mu.Unlock()
	d.calls.wait(func(c *calls) bool { return int64(c.done-accepted) >= 0 })
}

// Close waits until all callbacks have returned and their goroutine has ended. Call
// panics from then on, in a callback too; all else goes on as before. Close panics
// when d is closed already.
func (d *Domain) Close() {
	d.mu.Lock()
	closed := d.closed
	d.closed = true
	d.mu.Unlock()
	if closed {
		panic("rcu: Close of a closed Domain")
	}
	d.calls.wait(func(c *calls) bool { return !c.invoking })
}

// wait waits until the condition holds, which it looks at with mu held.
func (c *calls) wait(condition func(*calls) bool) {
	for {
		moved := c.moved.watch()
		c.mu.Lock()
		holds := condition(c)
		c.mu.Unlock()
		if holds {
			return
		}
		<-moved
	}
}

package pktbuf

import (
	"sync"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// A freeList is a stack of the names of a pool's free buffers. What was given
// back last is handed out first: it is still in some processor's cache, and of a
// million buffers only as many are ever touched as are under way at a time. A
// ring would go round all of them.
//
// It is locked for as long as the copy of some names takes, a few hundred at
// most, and a Cache comes for that once in as many buffers. Two goroutines without
// caches do better with a sync.Mutex than with one that spins; with caches there
// is no difference. Who waits for a goroutine that was descheduled sleeps.
type freeList struct {
	_ cpu.Pad

	mu    sync.Mutex
	names []name // guarded by mu; the top is the end

	_ cpu.Pad
}

// push puts names on top. There is room for all of a pool's from the start.
func (f *freeList) push(names []name) {
	f.mu.Lock()
	f.names = append(f.names, names...)
	f.mu.Unlock()
}

// pop fills names from the top as far as there are any, in the order in which
// they were pushed, and returns how many.
func (f *freeList) pop(names []name) int {
	f.mu.Lock()
	left := max(0, len(f.names)-len(names))
	n := copy(names, f.names[left:])
	f.names = f.names[:left]
	f.mu.Unlock()
	return n
}

// len returns how many names there are.
func (f *freeList) len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.names)
}

package pktbuf

import (
	"fmt"
	"slices"
)

// A seat is what an arena knows a pool by. Names are the arena's: a chain and
// its clones may be of several pools, and hold no pointer to one another.
type seat struct {
	first  int      // the number of its first chunk; the others follow
	chunks []*chunk // numbers first and up
}

// buf returns the Buf of that name, which is in the seat.
func (s *seat) buf(n name) *Buf { return &s.chunks[n.chunk()-s.first].bufs[n.line()-1] }

// enrol gives a seat of n chunks.
func (a *Arena) enrol(n int) (seat, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first := a.freeChunks(n)
	if first+n > maxChunks {
		return seat{}, fmt.Errorf("its arena has %d of other pools (close one first)", first*chunkBufs)
	}
	chunks := make([]*chunk, n)
	for i := range chunks {
		chunks[i] = new(chunk)
	}
	table := slices.Clone(*a.chunks.Load())
	table = append(table, make([]*chunk, max(0, first+n-len(table)))...)
	copy(table[first:], chunks)
	a.chunks.Store(&table)
	return seat{first, chunks}, nil
}

// freeChunks returns the first of n numbers in a row that no chunk has.
func (a *Arena) freeChunks(n int) (first int) {
	for i, c := range *a.chunks.Load() {
		if i-first == n {
			return first
		}
		if c != nil {
			first = i + 1
		}
	}
	return first
}

// dismiss takes a seat away.
func (a *Arena) dismiss(s seat) {
	a.mu.Lock()
	defer a.mu.Unlock()
	table := slices.Clone(*a.chunks.Load())
	clear(table[s.first:][:len(s.chunks)])
	a.chunks.Store(&table)
}

// buf returns the Buf of that name. The table is replaced, never changed, so
// others may look into it while pools come and go.
func (a *Arena) buf(n name) *Buf { return &(*a.chunks.Load())[n.chunk()].bufs[n.line()-1] }

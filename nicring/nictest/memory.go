package nictest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// Memory is memory that cards made of memory can reach. It is Go memory, cut
// into pages whose bus addresses are made up so that a mistake shows: each
// page has a high word of its own, none is zero, no page follows another, and
// no two Memories of a process share an address until there are 64 of them. A
// buffer that crosses a page, or an address that lost half of itself, is then
// an address where there is nothing.
//
// Any number of cards may share a Memory, as cards in one machine do.
type Memory struct {
	bytes []byte
	bus   []uint64

	mu    sync.Mutex
	owned []uint64 // one bit a byte: a strict card owns it
}

// pageSize is that of the huge pages that real cards are given.
const pageSize = 2 << 20

// The parts of a bus address. The high word has the number of the Memory and of
// the page, the low word a place in the first 4 GiB that differs from page to
// page.
const (
	pageShift   = 32
	memoryShift = 46
	maxPages    = 1<<(memoryShift-pageShift) - 1
	memories    = 64 // 52 bits of address, as amd64 has
)

var memoryCount atomic.Uint64

// NewMemory returns size bytes of zeroed memory. It panics unless size is a
// multiple of 2 MiB, the size of a page, and from 1 to 16383 of them.
func NewMemory(size int) *Memory {
	pages := size / pageSize
	if size%pageSize != 0 || pages < 1 || pages > maxPages {
		panic(fmt.Sprintf("nictest: memory of %d bytes: want a multiple of %d, from 1 to %d of them", size, pageSize, maxPages))
	}
	m := &Memory{bytes: alignedBytes(size), bus: make([]uint64, pages)}
	number := memoryCount.Add(1) % memories
	for i := range m.bus {
		scattered := uint64(5*i+3) % (1 << pageShift / pageSize)
		m.bus[i] = number<<memoryShift | uint64(pages-i)<<pageShift | scattered*pageSize
	}
	return m
}

// Region describes m to the code that cuts it up.
func (m *Memory) Region() pktbuf.Region {
	return pktbuf.Region{Bytes: m.bytes, PageSize: pageSize, Bus: m.bus}
}

// find returns where in m.bytes the size bytes at a bus address are. It
// reports false unless all of them are in one page.
func (m *Memory) find(bus uint64, size int) (int, bool) {
	page := len(m.bus) - int(bus>>pageShift&maxPages)
	if page < 0 || page == len(m.bus) {
		return 0, false
	}
	at := bus - m.bus[page] // huge if bus is below the page
	if at > pageSize || at+uint64(size) > pageSize {
		return 0, false
	}
	return page*pageSize + int(at), true
}

// whyNot says why find refused.
func (m *Memory) whyNot(bus uint64, size int) string {
	if _, ok := m.find(bus, 1); !ok {
		return fmt.Sprintf("no memory at bus address %#x", bus)
	}
	return fmt.Sprintf("%d bytes at bus address %#x cross the end of a page", size, bus)
}

// claim marks size bytes as a card's own. It reports false, and marks none, if
// some of them are taken.
func (m *Memory) claim(at, size int) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.owned == nil {
		m.owned = make([]uint64, len(m.bytes)/64)
	}
	free := true
	m.words(at, size, func(w *uint64, mask uint64) { free = free && *w&mask == 0 })
	if free {
		m.words(at, size, func(w *uint64, mask uint64) { *w |= mask })
	}
	return free
}

func (m *Memory) release(at, size int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.words(at, size, func(w *uint64, mask uint64) { *w &^= mask })
}

// words calls do for each word of owned that holds bits of a range.
func (m *Memory) words(at, size int, do func(w *uint64, mask uint64)) {
	for size > 0 {
		n := min(size, 64-at%64)
		mask := ^uint64(0) >> (64 - n) << (at % 64)
		do(&m.owned[at/64], mask)
		at += n
		size -= n
	}
}

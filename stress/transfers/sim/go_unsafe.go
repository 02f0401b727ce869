package sim

import (
	"sync"
	"time"
	"unsafe"
)

// What follows stands for internal/cpu.

// LineSize is that of internal/cpu.
const LineSize = 128

// A Pad is that of internal/cpu.
type Pad [LineSize]byte

// FetchLimit is that of internal/cpu.
const FetchLimit = 16 << 10

// Publish is that of internal/cpu.
func Publish(p *Uint64, v uint64) { p.Store(v) }

// Membarrier is that of internal/cpu, where the kernel knows it.
func Membarrier() bool {
	Work(barrier)
	return true
}

// Pause is that of internal/cpu.
func Pause(n uint32) { Work(pause * int64(n)) }

// Prefetch is that of internal/cpu.
func Prefetch(addr, size uintptr) { prefetch(addr, size, false) }

// PrefetchWrite is that of internal/cpu.
func PrefetchWrite(addr, size uintptr) { prefetch(addr, size, true) }

func prefetch(addr, size uintptr, write bool) {
	if present != nil && size > 0 {
		present.fetch(addr, min(size, FetchLimit), write)
	}
}

// What follows stands for runtime and time.

// Gosched lets the time pass that it takes to find that nobody else wants to run.
func Gosched() { Work(yield) }

// GOMAXPROCS returns the number of processors.
func GOMAXPROCS(int) int { return NumCPU() }

// NumCPU returns the number of processors.
func NumCPU() int {
	if present == nil {
		return 1
	}
	return len(present.machine.all)
}

// Microsecond is that of time.
const Microsecond = time.Microsecond

// Sleep is that of time, as exact as one could wish.
func Sleep(d time.Duration) { Work(d.Nanoseconds()) }

// Page returns the number of the page that the caller's stack is on: any, from the
// seed, and for each processor the same each time.
func Page() uint32 {
	if present == nil {
		return 0
	}
	return present.stack
}

// What follows stands for sync.

// A Locker is that of sync.
type Locker = sync.Locker

// A Mutex is that of sync, but that it is handed over to who has waited longest. Each
// method is one read-modify-write; who has to wait parks at once.
type Mutex struct {
	state Int32
	_     uint32
}

// Lock is that of sync.
func (m *Mutex) Lock() {
	if m.state.CompareAndSwap(0, 1) {
		return
	}
	p := present
	p.machine.asleep[m] = append(p.machine.asleep[m], p)
	p.stop()
}

// TryLock is that of sync.
func (m *Mutex) TryLock() bool { return m.state.CompareAndSwap(0, 1) }

// Unlock is that of sync.
func (m *Mutex) Unlock() {
	touch(&m.state, true)
	if m.state.v == 0 {
		panic("sync: unlock of unlocked mutex")
	}
	if present != nil {
		if waiters := present.machine.asleep[m]; len(waiters) > 0 {
			present.machine.asleep[m] = waiters[1:]
			waiters[0].start(present.now + wake)
			return
		}
	}
	m.state.v = 0
}

// A Pool is that of sync. Each processor finds again what it has put there itself.
type Pool struct {
	New func() any
	_   [unsafe.Sizeof(sync.Pool{}) - unsafe.Sizeof((func())(nil))]byte
}

// Get is that of sync.
func (p *Pool) Get() (x any) {
	items := present.pool[p]
	if len(items) == 0 {
		return p.New()
	}
	present.pool[p] = items[:len(items)-1]
	return items[len(items)-1]
}

// Put is that of sync.
func (p *Pool) Put(x any) { present.pool[p] = append(present.pool[p], x) }

// OnceValue is that of sync. What computes the value is no part of what is simulated.
func OnceValue[T any](f func() T) func() T { return sync.OnceValue(f) }

// What follows is for programs.

// Work lets time pass.
func Work(ticks int64) {
	if present != nil {
		present.pass(ticks)
	}
}

// Draw returns a number below n, from the seed.
func Draw(n int64) int64 { return present.machine.random.Int64N(n) }

// Section adds to what a lock guards, and takes a while for it. What that moves is
// counted apart.
func Section(data *uint64, ticks int64) {
	present.data = true
	*Write(data) += 1
	present.data = false
	Work(ticks)
}

// Spin reads a word until its line has gone to another processor: the present value is
// not the one waited for, and another can be there only then.
func Spin(word *Uint64) {
	if l := present.machine.line(uintptr(unsafe.Pointer(word))); l.holders.has(present.id) {
		l.spinning = append(l.spinning, present)
		present.stop()
	}
}

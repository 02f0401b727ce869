// Package sched runs a few goroutines under a scheduler that decides, at every
// operation they have in common, who goes next, and so tries all the ways in which
// they can meet.
//
// # What is replaced
//
// Code under exploration is a copy in which sync/atomic, sync, internal/cpu and the
// operations of channels are those of this package, which has the same names. Each
// of them stops its goroutine until the scheduler lets it go on. Package explore
// makes the copy.
//
// # Memory
//
// An execution has one of two memories. SC is what the Go memory model promises of
// atomics: one order of all operations. TSO is what cpu.Publish really gives on
// amd64: its store goes to a queue of its thread's, out of which it becomes visible
// at any moment, in order; its own thread finds it there; a read-modify-write, an
// atomic store and a barrier of all wait until it is empty [1].
//
// Plain accesses are no operations. It is enough to switch threads at operations as
// long as plain accesses are ordered by them, and that is what the race detector
// says: with -race it knows of the operations, and of nothing else that the
// scheduler does. A race is a violation like any other.
//
// # Search
//
// Search runs every schedule with at most so many preemptions, by running the
// scenario again from its beginning with other choices; first those with none, then
// with one, and so on. A thread is preempted when it could go on and another goes
// instead; a thread that waits is not. Of schedules that differ only in the order of
// steps that do not meet, it is spared most:
//
//   - A state that was met before is not searched again: a state is, for each thread,
//     the hash of what it did, each operation with the writes it came after [2]. What
//     is pruned was counted.
//   - No thread is preempted before an operation that concerns nobody else: see shared.
//   - A store leaves its buffer when it must, or just before another thread looks at its
//     word: earlier, nobody would have known.
//
// A loop that waits (Backoff.Wait) would make schedules endless. The first Wait at a
// place returns at any time, and from then on one returns only after another thread
// has written to something that the loop has looked at. If nobody can go on, that is a
// violation.
//
// [1]: P. Sewell et al., x86-TSO: A Rigorous and Usable Programmer's Model for x86
// Multiprocessors, Communications of the ACM 53(7), 2010.
// [2]: M. Musuvathi, S. Qadeer, Iterative Context Bounding for Systematic Testing of
// Multithreaded Programs, PLDI 2007.
package sched

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// A Memory says when a published store becomes visible.
type Memory int

// The memories: sequential consistency, and store buffers in the manner of amd64.
const (
	SC Memory = iota
	TSO
)

// String returns the name of the memory.
func (m Memory) String() string { return [...]string{"SC", "TSO"}[m] }

// Free is a bound that bounds nothing.
const Free = math.MaxInt

// A Scenario is what a few goroutines do with something they share.
type Scenario struct {
	Name  string
	Bound [2]int // preemptions at most, in each memory

	// NoBarrier says that the kernel knows no membarrier.
	NoBarrier bool

	// Setup makes everything anew and returns what the threads do and what is to
	// hold in the end. It is called for every execution, and does the same each time.
	// Threads and check call Fail when something is wrong.
	Setup func() (threads []func(), check func())
}

// Fail ends the execution as a violation.
func Fail(format string, args ...any) { panic(failure(fmt.Sprintf(format, args...))) }

type failure string

// A Result is what a search found.
type Result struct {
	Runs      int // executions in all
	Violation *Violation

	// If there is none: of the schedules with at most so many preemptions all were
	// run; -1 if not even those without any. The rest is of the search of those.
	Bound         int
	Schedules     int     // run
	States        int     // in which there was a choice
	Interleavings float64 // of operations, that those stand for; exact up to 2⁵³
	Steps         int     // of the longest
}

// A Violation is one execution that went wrong.
type Violation struct {
	What     string
	Schedule string   // for Replay
	Trace    []string // one line for each step
}

// Error returns all of it, in several lines; of one without an end, both ends.
func (v *Violation) Error() string {
	trace := v.Trace
	if few := 100; len(trace) > 2*few {
		trace = slices.Concat(trace[:few], []string{"..."}, trace[len(trace)-few:])
	}
	return fmt.Sprintf("%s\nschedule %s\n%s", v.What, v.Schedule, strings.Join(trace, "\n"))
}

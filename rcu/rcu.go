// Package rcu provides read-copy-update: readers that never wait, and writers
// that wait until no reader can still be using what they have replaced.
//
// # When to use it, and when not
//
// A writer makes a new version of something, puts it in place of the old one with
// a single store, and must then leave the old one alone for as long as a reader
// may have it. For a version on the Go heap there is nothing more to do: the
// garbage collector knows who has it, and an atomic.Pointer is all one needs.
//
// This package is for what the collector does not watch over:
//
//   - memory outside the heap, such as a mapping or memory that a device uses;
//   - what will be used again: buffers, descriptors, slots of a table. A reader
//     that still has the old one would find it changed in its hands, and the
//     collector sees nothing wrong with that;
//   - what must be done only when the last user has gone, and in order, such as
//     closing a file or freeing a port. A finalizer or runtime.AddCleanup runs at
//     some time, in no order, and perhaps never.
//
// For instance:
//
//	old := table.Swap(next) // no reader that starts now finds old
//	domain.Synchronize()    // and those that started earlier have left
//	pool.Put(old)
//
// # Three ways to wait
//
// A writer that can block calls Synchronize, or SynchronizeContext. One that
// cannot, and does not care when, gives Call what is to be done. One that cannot
// and does care, such as a loop that also polls a device, takes a Snapshot and asks
// Passed from time to time: that is all it needs, for Passed itself runs the grace
// period. There is no expedited form, since nothing here waits for a timer or for
// company: a grace period begins when somebody asks for it and ends with the last
// section.
//
// # Algorithm
//
// Read-copy-update is McKenney and Slingwine's [1]; this is a form of the
// memory-barrier and the quiescent-state flavours of Desnoyers et al. [2]. A Domain
// counts grace periods. A reader that enters a section writes the count into a word
// of its own, and when it leaves, zero. The driver, which is one of those who wait,
// raises the count and waits for every word that holds an older one. The count has
// 64 bits and never comes round to a number still in use, so one pass over the
// words is enough, where a phase bit takes two.
//
// Between a reader's store and its first load there has to be a fence. There are
// many sections to a grace period, and so the driver has it made for all of them,
// where the kernel can do that (cpu.Membarrier: Linux).
//
// # Cost
//
// Entering a section costs a load, which hits the cache until the next grace
// period, and a store to a line of the reader's own; leaving it, a load and a store
// there. On amd64 both are plain stores; without the kernel's help the first is an
// XCHG. On other processors both are sequentially consistent (STLR on arm64). A
// nested section costs a count. A grace period costs a system call, which
// interrupts the processors that run this program for a microsecond or so, and
// reads one line for each reader.
//
// [1]: P. McKenney and J. Slingwine, Read-Copy Update: Using Execution History to
// Solve Concurrency Problems, Parallel and Distributed Computing and Systems,
// 1998.
// [2]: M. Desnoyers et al., User-Level Implementations of Read-Copy Update, IEEE
// Transactions on Parallel and Distributed Systems 23(2), 2012.
package rcu

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
// This package is for what the collector does not watch over: memory outside the
// heap, such as a mapping or memory a device uses; buffers, descriptors and slots
// of a table that will be used again; and whatever must be done only when the
// last user has gone, such as closing a file or freeing a port.
//
//	old := table.Swap(next) // no reader that starts now finds old
//	domain.Synchronize()    // and those that started earlier have left
//	pool.Put(old)
//
// # Algorithm
//
// Read-copy-update is McKenney and Slingwine's [1]; this is a form of the
// memory-barrier flavour of Desnoyers et al. [2]. A Domain counts grace periods.
// A reader that enters a section writes the count into a word of its own, and
// when it leaves, zero. Synchronize raises the count and waits for every word
// that holds an older one. The count has 64 bits and never comes round to a
// number still in use, so one pass over the words is enough, where a phase bit
// takes two.
//
// # Cost
//
// Entering a section costs a load, which hits the cache until the next grace
// period, and one sequentially consistent store to a line of the reader's own (an
// XCHG on amd64, an STLR on arm64). Leaving it costs a plain store on amd64. A
// nested section costs neither. Synchronize reads one line for each reader.
//
// [1]: P. McKenney and J. Slingwine, Read-Copy Update: Using Execution History to
// Solve Concurrency Problems, Parallel and Distributed Computing and Systems,
// 1998.
// [2]: M. Desnoyers et al., User-Level Implementations of Read-Copy Update, IEEE
// Transactions on Parallel and Distributed Systems 23(2), 2012.
package rcu

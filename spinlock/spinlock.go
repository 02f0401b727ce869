// Package spinlock provides locks whose waiters do not park, and Backoff, the
// one way everything in Ferrule waits.
//
// # When to use one
//
// A spin lock suits a critical section of some tens of nanoseconds. Taking a
// free one costs one atomic read-modify-write and giving it back one store, where
// a sync.Mutex pays two read-modify-writes. Where a holder may block, or a wait
// may last, use a sync.Mutex: its waiters park, and none waits for ever.
//
// # Algorithm
//
// Mutex is the test-and-test-and-set lock with exponential backoff [1]: waiters
// watch the word with loads, which their own cache answers, and try to take it
// only when they have seen it free. Who gets it is left to chance.
//
// [1]: T. Anderson, The Performance of Spin Lock Alternatives for Shared-Memory
// Multiprocessors, IEEE Transactions on Parallel and Distributed Systems 1(1),
// 1990.
package spinlock

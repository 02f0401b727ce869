// Package mcs provides locks whose waiters form a line and each wait at a word of
// their own: Lock, to which everyone brings a Node, and Mutex, which needs none.
//
// # Algorithm
//
// The lock of Mellor-Crummey and Scott [1] is a queue of places, one for the
// holder and one for each waiter, in order of arrival. The lock itself is the
// address of the last place, nil if there is none. Who arrives swaps in its place;
// if there was one before it, it links itself behind that one and waits until the
// owner of that one writes into its place that the lock is its own. A waiter thus
// reads only memory that a single other goroutine will write. That is Lock.
//
// In Go the next in line is seldom running: it has parked, so as not to waste a
// processor that others need, and to hand it the lock is to wait for the
// scheduler. Mutex hands over nothing. It wakes the first in line, and as long as
// that one is on its way whoever runs may take the lock, up to 63 times; after
// that it is kept for the first in line, and who comes, goes to the end. So each
// waiter's turn comes in order and is as long as any other's, and one visit to the
// scheduler serves up to 64 sections. The word is that of the Linux kernel's queued
// spin lock [2] in one respect: the first to wait is only a bit, and takes a place
// in line when it has to park.
//
// # When to use which
//
//   - sync.Mutex, unless something below matters: nothing is faster for two
//     goroutines that are always running, and it is never far behind. It serves no
//     order, though, until somebody has waited for a millisecond, and a crowd's
//     shares of it differ severalfold.
//   - Mutex, where a crowd contends and each should get its share, or where a wait
//     has to end with a context. Free it costs about what a sync.Mutex does; among
//     64 goroutines from 0.7 to 2.3 times as much, as the scheduler will have it.
//   - Lock, where the order in which goroutines ask must be the order in which they
//     get it, without exception, and there are not many more of them than
//     processors. With more, each hand-over costs a visit to the scheduler.
//   - spinlock.Mutex, for sections of some tens of nanoseconds among goroutines that
//     do not outnumber the processors: its waiters do not park.
//
// [1]: J. Mellor-Crummey and M. Scott, Algorithms for Scalable Synchronization
// on Shared-Memory Multiprocessors, ACM Transactions on Computer Systems 9(1),
// 1991.
//
// [2]: kernel/locking/qspinlock.c in the Linux source.
package mcs

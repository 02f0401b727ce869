// Package mcs provides a first-come, first-served spin lock whose waiters each
// spin on a word of their own.
//
// # Algorithm
//
// The lock of Mellor-Crummey and Scott [1] is a queue of nodes, one for the
// holder and one for each waiter, in order of arrival. The lock itself is the
// address of the last node, nil if there is none. Who arrives swaps in its node;
// if there was one before it, it links itself behind that one and waits until the
// owner of that one writes into its node that the lock is its own. A waiter thus
// reads only memory that a single other goroutine will write, once.
//
// # When to use it
//
// A free lock is taken with one atomic read-modify-write and given back with one.
// Under contention the price of a hand-over does not grow with the number of
// waiters, and none is overtaken. That is also the weakness: the lock passes to
// the next in line whether it is running or not, so with more contenders than
// processors each hand-over costs a visit to the scheduler. A spinlock.Mutex or a
// sync.Mutex then does better.
//
// [1]: J. Mellor-Crummey and M. Scott, Algorithms for Scalable Synchronization
// on Shared-Memory Multiprocessors, ACM Transactions on Computer Systems 9(1),
// 1991.
package mcs

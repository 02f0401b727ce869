// Package spinlock provides locks whose waiters stay on their processor, and
// Backoff, the one way everything in Ferrule waits.
package spinlock

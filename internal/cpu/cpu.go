// Package cpu holds what Ferrule assumes of a processor: how far apart two
// words must stand so that writing one does not slow readers of the other, how
// to spin politely, and how to publish a word cheaply.
package cpu

// LineSize is the distance in bytes that keeps two words from disturbing each
// other: at least the size of a cache line, and on amd64 two of them, because
// the spatial prefetcher there fetches lines in aligned pairs (Intel 64 and
// IA-32 Architectures Optimization Reference Manual, on data prefetching).
const LineSize = lineSize

// A Pad is LineSize bytes of nothing. Placed between two groups of fields it
// keeps them LineSize apart wherever the allocator puts the struct. Go aligns no
// object to a line (one with pointers of more than 512 bytes starts 8 bytes
// off), so distance is asked for, never alignment.
type Pad [LineSize]byte

// Pause tells the processor n times that this is a spin loop: it saves power
// and leaves the pipeline to a sibling thread. How long one takes differs by an
// order of magnitude between processors (from 10 to 50 ns where it was
// measured), and where there is no such instruction it takes no time at all: a
// caller must not count on it to pass time.
//
// The goroutine cannot be preempted meanwhile, so n must stay small: at 64, a
// few microseconds.
func Pause(n uint32) { pause(n) }

// Package shm provides a ring of records in memory that two processes share, one
// of which produces and the other consumes. It trusts the other process with
// nothing but the records themselves. Linux only.
//
// # Layout
//
// The memory is a memfd of one page of 4096 bytes and then the array, whose size is
// a power of two. Words are in the byte order of the machine. In the page:
//
//	  0  magic    8 bytes: "ferrule\x01"
//	  8  size     8 bytes: of the array
//	128  tail     8 bytes: bytes filled so far; the producer writes it
//	136  joined   4 bytes: 1 once there has been a producer
//	140  closed   4 bytes: 1 when the producer has closed
//	144  asleep   4 bytes: 1 while the producer waits for its eventfd
//	256  head     8 bytes: bytes emptied so far; the consumer writes it
//	264  joined   4 bytes: 1 once there has been a consumer
//	268  closed   4 bytes: 1 when the consumer has closed
//	272  asleep   4 bytes: 1 while the consumer waits for its eventfd
//
// A record begins at a multiple of 8 with a header of 8 bytes, its length; then come
// its bytes. One that would go past the end of the array begins it anew, and a header
// with the highest bit set says so where it does not fit.
//
// # Two eventfds
//
// Who finds nothing to do sets its asleep, looks once more, and waits until its
// eventfd is written to; nobody reads it.
// Who moves a counter looks at the other's asleep, and if it is set, clears it and
// writes 1 to the other's eventfd. Both the counter and asleep are stored with a full
// barrier before the load that follows, so one of the two sides sees the other.
//
// # A peer that is not to be trusted
//
// Each side keeps its own counter in its own memory and only ever writes it to the
// page. What it reads of the other's is taken once and checked: a counter has to be
// where it can be, a header has to lie within what the counters span. If one is not,
// ErrCorrupt is what every call returns from then on, and no byte outside of the
// array is touched. Records are copied out before they are looked at, since the
// other side can still write them. The memfd is sealed against being made smaller,
// which would let a peer kill the one that touches it.
//
// # A peer that dies
//
// Each side holds a lock on one byte of the memfd, through a file description of its
// own: the kernel lets go of it when the process ends, however it ends. Who waits
// looks at the other's every tenth of a second, and returns ErrGone.
package shm

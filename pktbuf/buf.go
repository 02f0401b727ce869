// Package pktbuf cuts a region of memory that cards can reach into packet
// buffers.
package pktbuf

// A Buf is one packet buffer.
type Buf struct {
	bus uint64
}

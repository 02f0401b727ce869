// Package nicring is the descriptor ring and what every network card offers
// through it: ports with receive and transmit queues.
package nicring

import (
	"errors"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// ErrRemoved is wrapped by the errors of a port whose card no longer answers.
var ErrRemoved = errors.New("card removed")

// A Port is one network card, opened.
type Port interface {
	String() string
	MAC() MAC
	Link() (Link, error)
	Stats() (Stats, error)
	RxQueue(i int) RxQueue
	TxQueue(i int) TxQueue
	Close() error
}

// An RxQueue hands received frames to the program. One goroutine at a time.
type RxQueue interface {
	Recv(bufs []*pktbuf.Buf) int
}

// A TxQueue takes frames from the program. One goroutine at a time.
type TxQueue interface {
	Send(bufs []*pktbuf.Buf) int
}

// MAC is an Ethernet address.
type MAC [6]byte

// Link is the state of a port's link.
type Link struct {
	Up         bool
	Mbps       int // 10, 100 or 1000; 0 when down
	FullDuplex bool
}

// Stats counts since the port was opened.
type Stats struct {
	RxPackets, RxBytes uint64
	TxPackets, TxBytes uint64
	RxMissed           uint64 // dropped by the card: no descriptor, no room
	RxErrors           uint64 // bad on the wire: CRC, length, symbol
	RxDropped          uint64 // dropped by the driver: impossible descriptor
	TxDropped          uint64 // dropped by the driver: impossible length
}

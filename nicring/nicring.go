// Package nicring is what every network card offers a program that drives it
// without the kernel's stack: ports with receive and transmit queues, and
// beneath them the descriptor ring that a driver shares with its card.
//
// It knows no card and no operating system. A driver, as in e1000e, makes a Port of a
// card; the card's registers and memory come from uio, or from nictest.
package nicring

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// ErrRemoved is wrapped by every error that means that the card is no longer
// there. Its buffers are safe: Close the port as usual.
var ErrRemoved = errors.New("card removed")

// A Port is one card, opened.
//
// Its queues belong to the goroutines that poll them; all else may be called
// from any goroutine at any time, but for Close, which comes after the last
// call to any queue has returned.
type Port interface {
	// String identifies the card, as by its PCI address.
	String() string
	// MAC returns the card's own address.
	MAC() MAC
	// Link asks the card for the state of its link.
	Link() (Link, error)
	// LinkChange returns the state of the link as soon as it is another than
	// from, or an error that wraps that of ctx, or ErrRemoved. Whoever passes on
	// what the last call returned misses no state that lasts. Waiting costs no
	// processor time.
	LinkChange(ctx context.Context, from Link) (Link, error)
	// Stats returns what was counted since the port was opened.
	Stats() (Stats, error)
	// ExtendedStats returns all there is to count, by name: what the card
	// counts, each queue, and how often the card had to be helped.
	ExtendedStats() (iter.Seq2[string, uint64], error)
	// RxQueue and TxQueue return queue i, the first being 0.
	RxQueue(i int) RxQueue
	TxQueue(i int) TxQueue
	// Close takes the card off memory, and only then returns every buffer it
	// held.
	Close() error
}

// An RxQueue receives. One goroutine at a time may use it.
type RxQueue interface {
	// Recv fills bufs with received frames in order, as many as have arrived
	// and fit, and returns how many. They belong to the caller. It never
	// blocks; 0 means that nothing has arrived, or that no free buffer could
	// take the place of one handed out.
	Recv(bufs []*pktbuf.Buf) int
	// Wait returns when Recv has something to look at, or with an error that
	// wraps that of ctx, or ErrRemoved. Waiting costs no processor time: the
	// card interrupts.
	Wait(ctx context.Context) error
}

// A TxQueue transmits. One goroutine at a time may use it.
type TxQueue interface {
	// Send hands bufs to the card in order, as many as it has room for, and
	// returns how many; those belong to the card, and go back to their pools
	// once sent. The rest stay with the caller. It never blocks. Sent buffers
	// are collected by later calls: a caller that has nothing to send calls
	// Send(nil) now and then, or a few stay with the card.
	Send(bufs []*pktbuf.Buf) int
}

// A MAC is an Ethernet address, in the order of the wire.
type MAC [6]byte

// String returns the address in the usual form, as 52:54:00:12:34:56.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// Link is the state of a port's link.
type Link struct {
	Up         bool
	Mbps       int // 10, 100 or 1000; 0 while down
	FullDuplex bool
}

// Stats counts frames and their bytes, without preamble and frame check
// sequence.
type Stats struct {
	RxPackets, RxBytes uint64 // accepted by the card
	TxPackets, TxBytes uint64 // sent by the card
	RxMissed           uint64 // lost by the card: no descriptor and no room
	RxErrors           uint64 // refused by the card: CRC, symbol, length
	RxDropped          uint64 // refused by the driver: an impossible descriptor
	TxDropped          uint64 // refused by the driver: an impossible length
}

// Pause is what a port does about Ethernet's pause frames (IEEE 802.3, annex 31B),
// by which one end of a link asks the other to stop sending for a while.
type Pause uint8

// Either, or both.
const (
	PauseObey Pause = 1 << iota // stop sending when asked to
	PauseSend                   // ask the other end when there is little room left
)

// WaitLink returns when the link of p is up. A link that comes up takes from
// milliseconds to a few seconds.
func WaitLink(ctx context.Context, p Port) error {
	link, err := p.Link()
	for err == nil && !link.Up {
		link, err = p.LinkChange(ctx, link)
	}
	return err
}

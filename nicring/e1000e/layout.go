package e1000e

import "unsafe"

// An rxDesc is the extended receive descriptor (82574 data sheet, chapter 7).
// Both words have two meanings: what we write, and what the card writes back
// over it, the address included.
type rxDesc struct {
	addr uint64 // ours: bus address of the buffer; the card's: hash and what was hashed
	done uint64 // ours: 0; the card's: the bits below, written in one piece
}

const (
	rxDD        = 1 << 0                  // the card is done with the descriptor
	rxEOP       = 1 << 1                  // the frame ends here
	rxIXSM      = 1 << 2                  // no checksum was verified
	rxVP        = 1 << 3                  // a VLAN tag was taken out
	rxTCPCS     = 1 << 5                  // the checksum of TCP or UDP was verified
	rxIPCS      = 1 << 6                  // that of the IPv4 header was verified
	rxFound     = rxVP | rxTCPCS | rxIPCS // something is to be said of the frame
	rxErrors    = 0x97 << 24              // CRC or alignment, symbol, sequence, carrier extension, data
	rxTCPE      = 1 << 29                 // the checksum of TCP or UDP is wrong
	rxIPE       = 1 << 30                 // that of the IPv4 header is wrong
	rxVLAN      = 48                      // shift; 16 bits
	rxHash      = 32                      // shift, in addr; 32 bits
	rxHashed    = 0xF                     // in addr: a nicring.Flow
	rxLength    = 32                      // shift; 16 bits, bytes in the buffer
	rxLengthMax = 1<<16 - 1
)

// A txDesc is a transmit descriptor (82574 data sheet, chapter 7): a legacy one, an
// extended one for data, or, as a context, what the extended ones behind it are
// to do.
type txDesc struct {
	addr   uint64 // bus address of the data; a context's: where headers and sums are
	cmd    uint32 // length and the bits below
	status uint32 // what to do; the card sets txDD where RS was asked for
}

const (
	txEOP    = 1 << 24   // the frame ends here
	txIFCS   = 1 << 25   // append the CRC
	txTSE    = 1 << 26   // segment; of an extended one
	txRS     = 1 << 27   // report status
	txDEXT   = 1 << 29   // extended
	txVLE    = 1 << 30   // put a VLAN tag in
	txData   = 1 << 20   // extended, for data; without it, a context
	txTCP    = 1 << 24   // of a context: TCP, not UDP
	txIPv4   = 1 << 25   // of a context
	txPaylen = 1<<20 - 1 // of a context: bytes behind the headers

	txDD     = 1 << 0
	txIXSM   = 1 << 8 // fill in the sum of the IPv4 header
	txTXSM   = 1 << 9 // fill in that of TCP or UDP
	txVLAN   = 16     // shift; 16 bits
	txHeader = 8      // of a context: shift; length of all headers
	txMSS    = 16     // of a context: shift; payload of a segment

	txMax = 16 << 10 // bytes of one descriptor
)

// The card sees this memory: its shape is not ours to choose.
var (
	_ [16]byte     = [unsafe.Sizeof(rxDesc{})]byte{}
	_ [8]struct{}  = [unsafe.Offsetof(rxDesc{}.done)]struct{}{}
	_ [16]byte     = [unsafe.Sizeof(txDesc{})]byte{}
	_ [8]struct{}  = [unsafe.Offsetof(txDesc{}.cmd)]struct{}{}
	_ [12]struct{} = [unsafe.Offsetof(txDesc{}.status)]struct{}{}
)

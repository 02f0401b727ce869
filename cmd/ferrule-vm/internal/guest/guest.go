// Package guest is what ferrule-vm and the init that it boots agree on: the
// Setup that stands in the guest's initial file system, and the frames that go
// to and fro between the two.
//
// # Frames
//
// A frame is its kind, the length of its payload in four bytes, the most
// significant first, and the payload. All of them travel on one stream, so what
// the guest sends arrives in the order in which it was sent: the exit status
// comes after the last byte of output. The other way, input is sent only when
// it is asked for, one frame for one request, so a command that reads nothing
// holds up no signal.
package guest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The paths in the initial file system that both sides name.
const (
	SetupPath  = "/setup.json" // a Setup
	ModulesDir = "/modules"    // the modules that a Setup names
	BinDir     = "/bin"        // programs that were built for the guest
)

// Programs is where the guest's command finds what stood in BinDir.
const Programs = "/run/ferrule/bin"

// RootTag is the name under which the host offers its root file system.
const RootTag = "host"

// A Setup is what the guest is told to be.
type Setup struct {
	BootModules []string // kernel modules for all that follows, each after those that it needs
	Modules     []string // the same for the rest
	CardModules []string // the same for the kernel's own driver of KernelCards
	KernelCards []string // PCI addresses
	HugePages   int      // of 2 MiB
	Command     []string
	Env         []string
	Dir         string // the directory that the command starts in
	Terminal    *Size  // of the command's terminal; nil for pipes
}

// A Size is that of a terminal, in characters.
type Size struct{ Rows, Columns uint16 }

// Bytes returns s as the payload of a Resize.
func (s Size) Bytes() []byte {
	return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, s.Rows), s.Columns)
}

// SizeOf reads the payload of a Resize.
func SizeOf(payload []byte) Size {
	return Size{binary.BigEndian.Uint16(payload), binary.BigEndian.Uint16(payload[2:])}
}

// A Kind says what a frame carries.
type Kind byte

// From the guest to the host.
const (
	Ready  Kind = 'R' // nothing: the command is about to start
	Stdout Kind = 'o' // output
	Stderr Kind = 'e' // output
	Want   Kind = 'w' // nothing: the command has room for input
	Exited Kind = 'x' // one byte, the exit status: the last frame
	Failed Kind = 'f' // one byte, an exit status, then why no command ran: the last frame
)

// From the host to the guest.
const (
	Stdin  Kind = 'i' // input; none when it has ended
	Signal Kind = 's' // one byte, the number of a signal for the command
	Resize Kind = 't' // four bytes, the new Size of the terminal
)

// The exit statuses that stand for something other than a command's own, as
// env(1) and the shells have them.
const (
	StatusFailed        = 125 // there was no machine to run it in
	StatusNotExecutable = 126
	StatusNotFound      = 127
	StatusSignal        = 128 // and the number of the signal that ended it
)

// atLeast is how many bytes of payload there have to be.
var atLeast = map[Kind]uint32{Exited: 1, Failed: 1, Signal: 1, Resize: 4}

// MaxPayload is what one frame can carry, in bytes.
const MaxPayload = 32 << 10

const headerSize = 5

// ErrMalformed is wrapped by the error for a frame that is not what its kind says.
var ErrMalformed = errors.New("guest: malformed frame")

// A Conn sends and receives frames over a stream.
//
// Any number of goroutines may Send; one may Receive.
type Conn struct {
	r *bufio.Reader

	mu  sync.Mutex // guards w and buf: a frame is written whole
	w   io.Writer
	buf []byte
}

// NewConn returns a Conn over rw.
func NewConn(rw io.ReadWriter) *Conn {
	return &Conn{
		r:   bufio.NewReaderSize(rw, headerSize+MaxPayload),
		w:   rw,
		buf: make([]byte, 0, headerSize+MaxPayload),
	}
}

// Send writes one frame, in one call of the stream's Write: each costs the guest
// an exit. It panics if payload is longer than MaxPayload.
func (c *Conn) Send(kind Kind, payload []byte) error {
	if len(payload) > MaxPayload {
		panic(fmt.Sprintf("guest: frame of %d bytes, want at most %d", len(payload), MaxPayload))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf[:0], byte(kind))
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(len(payload)))
	c.buf = append(c.buf, payload...)
	_, err := c.w.Write(c.buf)
	return err
}

// Receive reads one frame, and sees to it that its payload is as long as its kind
// says. The error is io.EOF if the stream ends between two.
func (c *Conn) Receive() (Kind, []byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(c.r, header[:]); err != nil {
		return 0, nil, err
	}
	kind, n := Kind(header[0]), binary.BigEndian.Uint32(header[1:])
	if n < atLeast[kind] || n > MaxPayload {
		return 0, nil, fmt.Errorf("%w %q: %d bytes, want %d to %d", ErrMalformed, byte(kind), n, atLeast[kind], MaxPayload)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(c.r, payload); err != nil {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return kind, payload, nil
}

// Writer returns a writer that sends what is written as frames of one kind.
func (c *Conn) Writer(kind Kind) io.Writer {
	return writer{c, kind}
}

type writer struct {
	conn *Conn
	kind Kind
}

func (w writer) Write(p []byte) (n int, err error) {
	for n < len(p) {
		chunk := p[n:min(len(p), n+MaxPayload)]
		if err := w.conn.Send(w.kind, chunk); err != nil {
			return n, err
		}
		n += len(chunk)
	}
	return n, nil
}

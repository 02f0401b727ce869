package qtest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// A wire is the far end of a card's. QEMU has it as a stream of frames, each
// behind its length of four bytes, big-endian.
type wire struct {
	conn    io.ReadWriter
	out, in chan []byte // towards the card, from the card
}

const (
	wireFrames = 4096  // that a wire holds in each direction
	maxFrame   = 65536 // QEMU hangs up on a longer one
)

func newWire(conn io.ReadWriter) *wire {
	return &wire{conn: conn, out: make(chan []byte, wireFrames), in: make(chan []byte, wireFrames)}
}

func (w *wire) send(frame []byte) bool {
	if len(frame) < 1 || len(frame) > maxFrame {
		panic(fmt.Sprintf("qtest: frame of %d bytes: want 1 to %d", len(frame), maxFrame))
	}
	select {
	case w.out <- bytes.Clone(frame):
		return true
	default:
		return false
	}
}

// write carries frames to QEMU until done is closed or QEMU has gone. QEMU
// leaves them in the socket while the card cannot take them.
func (w *wire) write(done <-chan struct{}) {
	stream := bufio.NewWriterSize(w.conn, 64<<10)
	for {
		select {
		case frame := <-w.out:
			length := binary.BigEndian.AppendUint32(stream.AvailableBuffer(), uint32(len(frame)))
			stream.Write(length)
			stream.Write(frame) // an error stays, and Flush returns it
		case <-done:
			return
		}
		if len(w.out) == 0 && stream.Flush() != nil {
			return
		}
	}
}

// read carries frames from QEMU until done is closed or QEMU has gone.
func (w *wire) read(done <-chan struct{}) {
	stream := bufio.NewReaderSize(w.conn, 64<<10)
	var length [4]byte
	for {
		if _, err := io.ReadFull(stream, length[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(stream, frame); err != nil {
			return
		}
		select {
		case w.in <- frame:
		case <-done:
			return
		}
	}
}

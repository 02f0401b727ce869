// Package qtest runs a driver against the 82574L that QEMU emulates, without a
// guest, without root and within milliseconds.
//
// QEMU is started as a machine whose processor halts at its first instruction
// and which is then moved from outside: its -qtest socket takes one command a
// line for each access to a port or to memory, and reports every change of an
// interrupt line. The machine's memory is a file that this process maps too, so
// a bus address is an offset into it, and what the card writes is simply there.
// Each card's wire is a socket as well.
//
// An access costs two context switches, some 20 µs. Every register write has
// taken effect when it returns, and QEMU transmits within the write of the tail:
// a driver that leans on either is found out by a card made of memory, not here.
//
// # Where QEMU's card differs from Intel's
//
// CTRL.RST resets the card's address and nothing else. The card receives only
// with bus mastering, STATUS.LU and RCTL.EN, and a frame that it cannot take
// waits on the wire instead of being lost, so nothing is ever counted as missed;
// but frames that wait while RCTL.EN is clear are lost to the next grant of bus
// mastering or write of RDT. Autonegotiation takes half a second. Interrupts are
// at least 128 µs apart. Short frames are padded to 60 bytes as they come in.
package qtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// Config says which machine to start.
type Config struct {
	Cards int // 1 to 4
	// Linked joins cards 0 and 1 by a wire, and cards 2 and 3. Such a card has
	// no Send and no Recv.
	Linked bool
}

// The machine's memory. Its first page is not given away: a PC has more than
// RAM in its first MiB.
const (
	memorySize = 64 << 20
	pageSize   = 2 << 20
)

// A Machine is a running QEMU. Start makes one; Close ends it.
//
// Its methods, and those of its cards, may be called from any goroutine.
type Machine struct {
	cards  []*Card
	memory []byte // all of the machine's, shared with QEMU

	cmd    *exec.Cmd
	stderr bytes.Buffer  // to be read after exited
	exited chan struct{} // closed when QEMU has ended

	mu      sync.Mutex // held from a command to its reply
	qtest   io.ReadWriter
	command []byte
	replies chan uint32 // closed when there will be none

	monitorMu sync.Mutex
	monitor   io.Writer
	answers   *json.Decoder

	ours    []*os.File     // the ends of all sockets that are ours
	workers sync.WaitGroup // what reads and writes them
	done    chan struct{}  // closed to end the workers
	closing sync.Once
	err     error // what Close returns
}

// Card returns card i, the first being 0.
func (m *Machine) Card(i int) *Card { return m.cards[i] }

// Memory returns the memory that all cards of the machine reach. It goes with
// the machine.
func (m *Machine) Memory() pktbuf.Region {
	r := pktbuf.Region{Bytes: m.memory[pageSize:], PageSize: pageSize}
	for at := uint64(pageSize); at < memorySize; at += pageSize {
		r.Bus = append(r.Bus, at)
	}
	return r
}

// read and write do one access: verb is readl or writel for memory, inl or outl
// for a port. m.mu is held. They report false when QEMU has gone.
func (m *Machine) read(verb string, at uint32) (uint32, bool) {
	m.begin(verb, at)
	return m.call()
}

func (m *Machine) write(verb string, at, value uint32) bool {
	m.begin(verb, at)
	m.command = append(m.command, " 0x"...)
	m.command = strconv.AppendUint(m.command, uint64(value), 16)
	_, ok := m.call()
	return ok
}

func (m *Machine) begin(verb string, at uint32) {
	m.command = append(m.command[:0], verb...)
	m.command = append(m.command, " 0x"...)
	m.command = strconv.AppendUint(m.command, uint64(at), 16)
}

// call sends the command and waits for its reply.
func (m *Machine) call() (uint32, bool) {
	m.command = append(m.command, '\n')
	if _, err := m.qtest.Write(m.command); err != nil {
		return 0, false
	}
	value, ok := <-m.replies
	return value, ok
}

// listen takes in what QEMU says, until it has gone. An interrupt that a
// command causes is reported before the reply to that command.
func (m *Machine) listen() {
	lines := bufio.NewReader(m.qtest)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			break
		}
		switch word, rest, _ := bytes.Cut(line[:len(line)-1], space); string(word) {
		case "OK":
			value, _ := strconv.ParseUint(string(rest), 0, 64) // a write has none
			m.replies <- uint32(value)
		case "IRQ":
			change, pin, _ := bytes.Cut(rest, space)
			m.setPin(pin, string(change) == "raise")
		default:
			panic(fmt.Sprintf("qtest: QEMU says %q", line))
		}
	}
	close(m.replies)
	for _, c := range m.cards {
		c.leave()
	}
}

var space = []byte(" ")

// setPin passes on the level of a pin of the I/O APIC. Other devices of the
// machine, such as its timer, have pins too.
func (m *Machine) setPin(pin []byte, high bool) {
	for _, c := range m.cards {
		if string(pin) == c.pin {
			c.interrupt.set(high)
		}
	}
}

// execute has QEMU's monitor do something.
func (m *Machine) execute(command string, arguments map[string]any) error {
	m.monitorMu.Lock()
	defer m.monitorMu.Unlock()
	type request struct {
		Execute   string         `json:"execute"`
		Arguments map[string]any `json:"arguments,omitempty"`
	}
	err := json.NewEncoder(m.monitor).Encode(request{command, arguments})
	for err == nil {
		var answer struct { // or a greeting, or an event, which have neither
			Return json.RawMessage
			Error  *struct{ Desc string }
		}
		switch err = m.answers.Decode(&answer); {
		case answer.Error != nil:
			err = fmt.Errorf("QEMU refuses: %s", answer.Error.Desc)
		case answer.Return != nil:
			return nil
		}
	}
	return fmt.Errorf("%s: %w", command, err)
}

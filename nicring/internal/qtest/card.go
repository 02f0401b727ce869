package qtest

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/ferrule-go/ferrule/nicring"
)

// Where the cards are. Nobody has set the machine up, so we choose.
const (
	firstSlot = 4          // of PCI bus 0
	firstPin  = 20         // of the I/O APIC: q35 leads INTA of slots 4 to 7 to pins 20 to 23
	firstBAR  = 0xE0000000 // where q35 has its PCI window
	barSize   = 128 << 10
	maxCards  = 4 // with a pin each
)

// PCI configuration space, as seen through ports.
const (
	portAddress = 0xCF8
	portData    = 0xCFC

	cfgCommand = 0x04
	cfgBAR0    = 0x10

	commandMemory    = 1 << 1
	commandBusMaster = 1 << 2
	commandINTxOff   = 1 << 10
)

// A Card is QEMU's 82574L. It is what e1000e.Card asks for, and has what is
// around a card: its wire, and hands to pull it out.
type Card struct {
	machine *Machine
	slot    int
	bar     uint32
	pin     string // of the I/O APIC
	wire    *wire  // nil if it ends at another card

	interrupt interrupt
	leaving   sync.Once
	gone      chan struct{} // closed when the card, or QEMU, has gone
}

func newCard(m *Machine, i int) *Card {
	return &Card{
		machine:   m,
		slot:      firstSlot + i,
		bar:       firstBAR + uint32(i)*barSize,
		pin:       strconv.Itoa(firstPin + i),
		interrupt: interrupt{armed: true, fired: make(chan struct{}, 1)},
		gone:      make(chan struct{}),
	}
}

// String returns the card's PCI address in its machine.
func (c *Card) String() string { return fmt.Sprintf("qtest 0000:00:%02x.0", c.slot) }

// MAC returns the address that is in the card's NVM.
func (c *Card) MAC() nicring.MAC {
	return nicring.MAC{0x52, 0x54, 0, 0, 0, byte(c.slot - firstSlot + 1)}
}

// Read32 reads a register. It returns all ones once the card has gone.
func (c *Card) Read32(offset uint32) uint32 {
	at := c.register(offset)
	c.machine.mu.Lock()
	defer c.machine.mu.Unlock()
	if !c.isGone() {
		if value, ok := c.machine.read("readl", at); ok {
			return value
		}
	}
	return ^uint32(0)
}

// Write32 writes a register. When it returns the card has done what it was told.
func (c *Card) Write32(offset, value uint32) {
	at := c.register(offset)
	c.machine.mu.Lock()
	defer c.machine.mu.Unlock()
	if !c.isGone() {
		c.machine.write("writel", at, value)
	}
}

func (c *Card) register(offset uint32) uint32 {
	if offset%4 != 0 || offset >= barSize {
		panic(fmt.Sprintf("qtest: no register at %#x in BAR0 of %s", offset, c))
	}
	return c.bar + offset
}

// SetBusMaster grants the card access to memory or takes it back.
func (c *Card) SetBusMaster(on bool) error {
	c.machine.mu.Lock()
	defer c.machine.mu.Unlock()
	command, ok := c.readConfig(cfgCommand)
	command &= 0xFFFF &^ commandBusMaster // the upper half is status, cleared by ones
	if on {
		command |= commandBusMaster
	}
	if !ok || !c.writeConfig(cfgCommand, command) {
		return fmt.Errorf("qtest: set bus mastering of %s: %w", c, nicring.ErrRemoved)
	}
	return nil
}

// place gives the registers their address, as a PC's firmware would.
func (c *Card) place() bool {
	c.machine.mu.Lock()
	defer c.machine.mu.Unlock()
	return c.writeConfig(cfgBAR0, c.bar) && c.writeConfig(cfgCommand, commandMemory)
}

// readConfig and writeConfig report false once the card has gone. The machine's
// mu is held.
func (c *Card) readConfig(offset uint32) (uint32, bool) {
	if !c.selectConfig(offset) {
		return 0, false
	}
	return c.machine.read("inl", portData)
}

func (c *Card) writeConfig(offset, value uint32) bool {
	return c.selectConfig(offset) && c.machine.write("outl", portData, value)
}

func (c *Card) selectConfig(offset uint32) bool {
	return !c.isGone() && c.machine.write("outl", portAddress, 1<<31|uint32(c.slot)<<11|offset)
}

// Remove pulls the card out: from now on it reads all ones, reaches no memory
// and raises no interrupt. There is no way back.
func (c *Card) Remove() {
	c.machine.mu.Lock()
	defer c.machine.mu.Unlock()
	c.writeConfig(cfgCommand, commandINTxOff)
	c.leave()
}

func (c *Card) leave() { c.leaving.Do(func() { close(c.gone) }) }

func (c *Card) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}

// WaitInterrupt returns when the card raises its interrupt, or with ctx.Err(),
// or with an error that wraps nicring.ErrRemoved. It behaves as the kernel's
// uio_pci_generic does: an interrupt masks the next until the next call, and a
// line that is still high then interrupts again.
func (c *Card) WaitInterrupt(ctx context.Context) error {
	c.interrupt.arm()
	select {
	case <-c.interrupt.fired:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.gone:
		return fmt.Errorf("qtest: wait for an interrupt of %s: %w", c, nicring.ErrRemoved)
	}
}

// An interrupt is a level-triggered line and its mask.
type interrupt struct {
	mu    sync.Mutex
	high  bool
	armed bool
	fired chan struct{} // holds one
}

// set is called for every change of the line.
func (i *interrupt) set(high bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.high = high
	i.fire()
}

// arm takes the mask away.
func (i *interrupt) arm() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.armed = true
	i.fire()
}

func (i *interrupt) fire() {
	if !i.high || !i.armed {
		return
	}
	i.armed = false
	select {
	case i.fired <- struct{}{}:
	default: // the last one has not been seen yet
	}
}

// SetLink plugs the card's wire in or pulls it out. After plugging in, the card
// negotiates before it has a link.
func (c *Card) SetLink(up bool) error {
	if err := c.machine.execute("set_link", map[string]any{"name": c.id(), "up": up}); err != nil {
		return fmt.Errorf("qtest: set the link of %s: %w", c, err)
	}
	return nil
}

// id is the card's name inside QEMU.
func (c *Card) id() string { return "card" + strconv.Itoa(c.slot-firstSlot) }

// Send puts a copy of frame on the wire towards the card, and reports whether
// the wire had room: it holds 4096 frames that the card has not yet taken.
func (c *Card) Send(frame []byte) bool { return c.far().send(frame) }

// Recv returns the next frame that the card has put on the wire.
func (c *Card) Recv(ctx context.Context) ([]byte, error) {
	w := c.far()
	select {
	case frame := <-w.in:
		return frame, nil
	default:
	}
	select {
	case frame := <-w.in:
		return frame, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.gone:
		return nil, fmt.Errorf("qtest: receive from %s: %w", c, nicring.ErrRemoved)
	}
}

func (c *Card) far() *wire {
	if c.wire == nil {
		panic(fmt.Sprintf("qtest: the wire of %s ends at another card", c))
	}
	return c.wire
}

// Package nictest is an Intel 82574L made of memory: the card that the driver
// e1000e is tested on, and that a program can be run on where there is none.
//
// # What is modelled
//
// What a driver can see of the card: the registers
// with their reset values and side effects, the NVM, extended receive
// descriptors and legacy transmit descriptors, the packet buffer with its
// overflow and flow control, address filters, statistics, and the interrupt as a level on a wire
// (INTx). Time is not, but for a pause that the other end asks for: an interrupt is
// never delayed, and what takes a card some time takes a few register reads here.
//
// # Strictness
//
// A card says nothing to a driver that breaks its rules; it corrupts memory some
// day. This one keeps a list: see Violations for what it checks, and Check for a
// test that fails for it. Lax turns the costly checks off.
//
// # Misbehaviour
//
// Faults makes the card break, in ways that cards do.
//
// The facts are those of the Intel 82574 GbE Controller Family Datasheet, and
// where drivers and QEMU's model of the card agree on more, theirs.
package nictest

import (
	"fmt"
	"sync"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
)

// Options say what card New makes. The zero value is a strict card that works
// within each doorbell.
type Options struct {
	Name string      // what String returns; "nictest" if empty
	MAC  nicring.MAC // the address in the NVM; 02:00:00:00:00:01 if zero
	NVM  []uint16    // what the NVM holds, in place of one made up around MAC

	// Lax leaves out every check that takes time on the way of a packet, for
	// benchmarks.
	Lax bool

	// Deferred makes a doorbell leave a note only: Step or Run do the work.
	// Without it the card works within the doorbell, so that everything happens
	// in one order. A frame that arrives is stored at once either way, where
	// descriptors were handed over before.
	Deferred bool
}

// A Card is an 82574L. It satisfies e1000e.Card.
//
// Progress. All methods but WaitInterrupt and Run return without waiting for
// anybody, but for a lock that is held briefly.
//
// Order. A write of RDT or TDT synchronizes before the card's reading of the
// descriptors it hands over and of what they point to. What the card wrote into
// a buffer synchronizes before an atomic load that sees the descriptor done:
// the 64-bit word at offset 8 of a receive descriptor, the 32-bit word at offset
// 12 of a transmit descriptor. Each is stored in one piece.
//
// Ownership. Any goroutine may call any method. A card calls out, to the
// function given to Attach and to the card it is linked to, with no lock held,
// so two cards may send to each other at once and a function may call back.
//
// Make one with New.
type Card struct {
	mem  *Memory
	opts Options
	nvm  []uint16

	// removed is closed by Remove, irq holds the interrupt not yet waited for,
	// and kick wakes Run.
	removed, irq, kick chan struct{}

	mu         sync.Mutex // guards what follows
	gone       bool
	busMaster  bool
	refused    bool // an access to memory since bus mastering went off
	regs       [regsEnd / 4]uint32
	resetting  countdown // reads of CTRL until RST clears
	autoRead   countdown // reads of EECD until AUTO_RD sets
	nvmRead    countdown // reads of EERD until DONE sets
	quiescing  countdown // reads of STATUS until GIO_MASTER_EN clears
	icr, ims   uint32
	armed      bool // WaitInterrupt waits for the interrupt wire to rise
	carrier    bool // the cable has a live partner at its other end
	linkUp     bool // STATUS.LU
	paused     bool // STATUS.TXOFF: the other end has asked for a pause
	pauseEnds  *time.Timer
	asked      bool // we have asked for a pause
	txHung     bool
	rxHung     bool
	rx, tx     [queues]ring
	rings      []*ring // all of them
	fifo       fifo
	toeplitz   *nicring.Toeplitz // of the key in RSSRK; nil when that has changed
	bufSize    int               // of every receive buffer: RCTL.BSIZE
	out, spare []byte            // frames fetched, and frames on their way to the other end
	working    bool              // a goroutine is in work
	idle       bool              // Run waits for kick
	peer       *Card
	attached   func(frame []byte)
	faults     Faults
	held       []writeback
	lost       Losses
	violations []string
	unlisted   int // violations beyond those
}

// A countdown is how many reads of a register still see something under way.
type countdown int

// settle is how many that are: what takes a card microseconds.
const settle countdown = 2

// tick counts one read and reports whether all is done.
func (n *countdown) tick() bool {
	if *n == 0 {
		return true
	}
	*n--
	return false
}

// New makes a card in a slot of a machine whose memory is mem. It is powered on:
// its link has a partner, and it may not yet access memory. It panics if NVM is
// longer than the 1024 words the card has.
func New(mem *Memory, opts Options) *Card {
	if opts.Name == "" {
		opts.Name = "nictest"
	}
	if opts.MAC == (nicring.MAC{}) {
		opts.MAC = nicring.MAC{0: 2, 5: 1}
	}
	if len(opts.NVM) > nvmWords {
		panic(fmt.Sprintf("nictest: NVM of %d words: the card has %d", len(opts.NVM), nvmWords))
	}
	c := &Card{
		mem:     mem,
		opts:    opts,
		nvm:     opts.NVM,
		carrier: true,
		removed: make(chan struct{}),
		irq:     make(chan struct{}, 1),
		kick:    make(chan struct{}, 1),
	}
	for i := range uint32(queues) {
		c.rx[i] = ring{name: "RX", queue: i, bal: regRDBAL + i*perQueue, control: regRCTL, enable: rctlEN}
		c.tx[i] = ring{name: "TX", queue: i, bal: regTDBAL + i*perQueue, control: regTCTL, enable: tctlEN}
		if i > 0 {
			c.rx[i].name += "1"
			c.tx[i].name += "1"
		}
		c.rings = append(c.rings, &c.rx[i], &c.tx[i])
	}
	if c.nvm == nil {
		c.nvm = makeNVM(opts.MAC)
	}
	c.regs[regPBA/4] = registerAt(regPBA).reset
	// The tables hold anything at power-up. A reset leaves them and PBA alone.
	for i := range uint32(128) {
		c.regs[regMTA/4+i] = 0xA5A5A5A5
		c.regs[regVFTA/4+i] = 0x5A5A5A5A
	}
	c.reset()
	c.autoRead = 0
	c.loadAddress()
	return c
}

// String returns the name given to New.
func (c *Card) String() string { return c.opts.Name }

// Read32 reads the register at an offset. It panics if the offset is not a
// multiple of 4 inside the window of 128 KiB.
func (c *Card) Read32(offset uint32) uint32 {
	checkOffset(offset)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return 0xFFFFFFFF
	}
	c.checkRead(offset)
	return c.read(offset)
}

// Write32 writes the register at an offset. It panics if the offset is not a
// multiple of 4 inside the window of 128 KiB.
func (c *Card) Write32(offset, value uint32) {
	checkOffset(offset)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.gone:
		c.ringInVain(offset, value)
		return
	case c.opts.Lax && c.resetting == 0 && value <= 0xFFFF && (offset&^perQueue == regRDT || offset&^perQueue == regTDT):
		c.write(offset, value) // a doorbell is rung for every burst
		return
	case !c.checkWrite(offset, value):
		return
	}
	r := registerAt(offset)
	c.write(offset, value&r.bits|r.reset&^r.bits)
}

func checkOffset(offset uint32) {
	if offset%4 != 0 || offset >= windowSize {
		panic(fmt.Sprintf("nictest: register %#x: want a multiple of 4 below %#x", offset, windowSize))
	}
}

// SetBusMaster lets the card access memory, or ends it: when it has returned,
// the card neither reads nor writes memory, and owns none.
func (c *Card) SetBusMaster(on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return fmt.Errorf("nictest: set bus mastering of %s: %w", c, nicring.ErrRemoved)
	}
	if !c.faults.ResetHangs {
		c.resetting = 0 // this configuration cycle took longer than a reset
	}
	if on && !c.busMaster {
		for _, r := range c.rings {
			c.checkStale(r)
		}
	}
	c.busMaster = on
	c.refused = false
	if !on {
		c.disownAll()
	}
	c.wake()
	return nil
}

// Remove takes the card out of its slot without warning: its registers read all
// ones, writes go nowhere, and memory is left alone.
func (c *Card) Remove() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	c.gone = true
	c.disownAll()
	c.loseReceived()
	close(c.removed)
}

// reset is CTRL.RST, and what power-up does.
func (c *Card) reset() {
	c.disownAll()
	c.loseReceived()
	for i := range registers {
		r := &registers[i]
		if r.offset == regMTA || r.offset == regVFTA || r.offset == regPBA {
			continue
		}
		for n := range max(r.count, 1) {
			c.regs[(r.offset+n*r.stride)/4] = r.reset
		}
	}
	c.autoRead, c.nvmRead, c.quiescing = settle, 0, 0
	for _, r := range c.rings {
		r.reset()
	}
	c.fifo.reset(int(c.reg(regPBA) & 0xFFFF))
	c.bufSize = bufferSize(0)
	c.out = c.out[:0]
	c.updateLink()
	c.icr, c.ims = 0, 0
	c.toeplitz = nil
	c.paused, c.asked, c.txHung, c.rxHung = false, false, false, false
}

// reg returns what a register holds.
func (c *Card) reg(offset uint32) uint32 { return c.regs[offset/4] }

func (c *Card) has(offset, bits uint32) bool { return c.regs[offset/4]&bits != 0 }

// read is a read of a register with its side effects.
func (c *Card) read(offset uint32) uint32 {
	switch first, queue := queueOf(offset); first {
	case regCTRL:
		v := c.reg(regCTRL)
		if c.faults.ResetHangs && c.resetting > 0 || !c.resetting.tick() {
			v |= ctrlRST
		}
		return v
	case regSTATUS:
		return c.status()
	case regEECD:
		return c.readEECD()
	case regEERD:
		return c.readEERD()
	case regICR:
		v := c.causes()
		c.acknowledge(^uint32(0))
		return v
	case regICS:
		return c.causes()
	case regIMS:
		return c.ims
	case regRDH:
		return c.rx[queue].head
	case regRDT:
		return c.rx[queue].tail
	case regTDH:
		return c.tx[queue].head
	case regTDT:
		return c.tx[queue].tail
	case regGORCL, regGOTCL, regTORL, regTOTL: // cleared by reading the high half
		return c.reg(offset)
	case regGORCL + 4, regGOTCL + 4, regTORL + 4, regTOTL + 4:
		c.regs[offset/4-1] = 0
	}
	r := registerAt(offset)
	if r == nil {
		return 0
	}
	v := c.reg(offset)
	if r.access == readClears {
		c.regs[offset/4] = 0
	}
	return v
}

func (c *Card) status() uint32 {
	v := uint32(statusFD | statusSpeed1000)
	if c.linkUp {
		v |= statusLU
	}
	if c.paused {
		v |= statusTXOFF
	}
	if !c.has(regCTRL, ctrlMasterDisable) || !c.quiescing.tick() {
		v |= statusMasterEn
	}
	return v
}

// write is a write of a register with its side effects.
func (c *Card) write(offset, v uint32) {
	switch first, queue := queueOf(offset); first {
	case regCTRL:
		c.writeCTRL(v)
	case regEERD:
		c.writeEERD(v)
	case regCTRLEXT:
		c.regs[offset/4] = v &^ ctrlExtEERST
		if v&ctrlExtEERST != 0 {
			c.autoRead = settle
		}
	case regICR:
		c.acknowledge(v)
	case regICS:
		c.raise(v)
	case regIMS:
		c.ims |= v & intAll
		c.interrupt()
	case regIMC:
		c.ims &^= v
	case regRCTL:
		c.regs[offset/4] = v
		c.bufSize = bufferSize(v)
		c.wake()
	case regPBA:
		rxa := min(v&0xFFFF, packetBuffer)
		c.regs[offset/4] = (packetBuffer-rxa)<<16 | rxa
		c.lost.Received += uint64(c.fifo.n)
		c.fifo.reset(int(rxa))
	case regRDBAL, regRDBAH, regRDLEN:
		c.regs[offset/4] = v
		c.unbind(&c.rx[queue])
	case regTDBAL, regTDBAH, regTDLEN:
		c.regs[offset/4] = v
		c.unbind(&c.tx[queue])
	case regRDH:
		c.setHead(&c.rx[queue], v)
	case regTDH:
		c.setHead(&c.tx[queue], v)
	case regRDT:
		c.setTail(&c.rx[queue], v)
	case regTDT:
		c.setTail(&c.tx[queue], v)
	default:
		c.regs[offset/4] = v
		if r := registerAt(offset); r.offset == regRSSRK {
			c.toeplitz = nil
		}
		if first == regTCTL || first == regTARC {
			c.wake()
		}
	}
}

func (c *Card) writeCTRL(v uint32) {
	if v&ctrlRST != 0 {
		c.reset()
		c.resetting = settle
		return
	}
	if v&ctrlMasterDisable != 0 && !c.has(regCTRL, ctrlMasterDisable) {
		c.quiescing = settle
	}
	c.regs[regCTRL/4] = v &^ ctrlPHYRST // clears itself
	c.updateLink()
	c.wake()
}

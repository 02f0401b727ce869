// Package e1000e drives the Intel 82574L, and with it the e1000e that QEMU
// emulates.
//
// The card reaches the driver through the Card interface: registers, bus
// mastering and an interrupt. uio.Device offers them for a card in a slot, and
// nictest.Card for one made of memory; the driver does not know the difference.
//
// # Cost
//
// Recv and Send read no register. A burst costs one register write, and for
// Send one descriptor that the card reports back.
package e1000e

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// Vendor and Device are the PCI ids of the 82574L.
const (
	Vendor = 0x8086
	Device = 0x10D3
)

// Config says how a port is set up. The caches are required: there is a queue
// for each of them, one or two to receive and one or two to transmit.
//
// A receive queue takes its buffers from its cache, and what a transmit queue has
// sent goes to its own; buffers of another pool go to theirs. A Cache belongs to
// one goroutine: give the queues that one goroutine polls the same cache, and
// queues polled by two goroutines two of them. Open and Close use all of them.
type Config struct {
	RxRing, TxRing     int // descriptors a queue: a power of two from 8 to 32768; 0 means 512
	RxCaches, TxCaches []*pktbuf.Cache

	// Filter says what to receive; SetFilter changes it later.
	Filter nicring.Filter
	// RSS spreads received frames over the queues and gives each its hash. With
	// nil, several queues get nicring.NewRSS and a single one does no hashing.
	RSS *nicring.RSS
	// MaxFrame is the longest frame to receive and to send, in bytes without CRC:
	// from 1518 to 9230; 0 means 1518. What is longer than a buffer is received
	// as a chain of buffers, of 2048 bytes each but for the last.
	MaxFrame int
	// VLAN has the card take the tag out of received frames; see pktbuf.Buf.VLAN.
	// Tags to be put into frames are put in either way.
	VLAN bool

	// Pause says what to do with Ethernet's pause frames. Nothing is negotiated:
	// the other end has to be set to match.
	Pause nicring.Pause
	// InterruptGap is the least time between two interrupts, for when there are
	// many waits and few frames in each. It is kept in steps of 256 ns, up to
	// 16.7 ms; 0 means 50 µs, and less than a step means none.
	InterruptGap time.Duration
}

const (
	maxQueues = 2

	cardPads   = 17   // the shortest frame that TCTL.PSP pads
	frameMin   = 60   // without CRC (IEEE 802.3, 3.2.8)
	frameMax   = 1518 // without CRC, with one VLAN tag
	frameJumbo = 9230 // the longest that the card can do
)

var errClosed = errors.New("the port is closed")

// A Port is an 82574L, opened. It implements nicring.Port.
type Port struct {
	card Card
	cfg  Config
	mac  nicring.MAC
	rx   []*rxQueue
	tx   []*txQueue

	line *line

	// The goroutine that looks after the card.
	stop    context.CancelFunc
	watcher sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the registers behind it
	filter  nicring.Filter
	counts  [len(cardCounters)]uint64
	resets  uint64
	hangs   struct{ rx, tx uint64 }
	looks   int
	arrived uint64 // frames, by the card's count, up to the last look
	down    bool   // the card did not start again, so far
	closed  bool
}

var _ nicring.Port = (*Port)(nil)

// Open resets the card, sets up its rings in arena and starts it. It does not
// wait for the link; see nicring.WaitLink. It panics if cfg is not as a Config
// has to be.
//
// The memory of the arena must be of the card's making: what the card was told
// of, and nothing else, it writes to.
func Open(card Card, arena *pktbuf.Arena, cfg Config) (*Port, error) {
	cfg.check()
	p := &Port{card: card, cfg: cfg, filter: cfg.Filter, line: newLine(card)}
	if err := p.open(arena); err != nil {
		return nil, fmt.Errorf("e1000e: open %s: %w", card, errors.Join(err, p.shut()))
	}
	ctx, cancel := context.WithCancel(context.Background())
	p.stop = cancel
	p.watcher.Go(func() { p.watch(ctx) })
	return p, nil
}

func (c *Config) check() {
	for _, n := range []*int{&c.RxRing, &c.TxRing} {
		if *n == 0 {
			*n = 512
		}
		if *n < 8 || *n > 1<<15 || bits.OnesCount(uint(*n)) != 1 {
			panic(fmt.Sprintf("e1000e: ring of %d descriptors: want a power of two from 8 to %d", *n, 1<<15))
		}
	}
	for _, caches := range [][]*pktbuf.Cache{c.RxCaches, c.TxCaches} {
		if n := len(caches); n < 1 || n > maxQueues || slices.Contains(caches, nil) {
			panic(fmt.Sprintf("e1000e: %d caches of one direction: want 1 or %d, one for each queue, and none nil", n, maxQueues))
		}
	}
	if c.MaxFrame == 0 {
		c.MaxFrame = frameMax
	}
	if c.MaxFrame < frameMax || c.MaxFrame > frameJumbo {
		panic(fmt.Sprintf("e1000e: MaxFrame %d: want %d to %d", c.MaxFrame, frameMax, frameJumbo))
	}
	if c.InterruptGap == 0 {
		c.InterruptGap = 50 * time.Microsecond
	}
	if c.InterruptGap < 0 || c.InterruptGap/itrUnit > itrMax {
		panic(fmt.Sprintf("e1000e: InterruptGap %v: want 0 to %v", c.InterruptGap, itrMax*itrUnit))
	}
	if c.Pause&^(nicring.PauseObey|nicring.PauseSend) != 0 {
		panic(fmt.Sprintf("e1000e: Pause %#x: want PauseObey, PauseSend, both or none", c.Pause))
	}
	c.checkRSS()
}

// receiveBuffer returns how many KiB of the card's packet buffer are for reception:
// all but what two of the longest frames need on their way out.
func (c *Config) receiveBuffer() uint32 {
	const all, least = 40, 8
	out := (2*(c.MaxFrame+16) + 1023) / 1024
	return uint32(all - max(out, least))
}

// checkRSS copies RSS, and makes one up where several queues need it.
func (c *Config) checkRSS() {
	queues := len(c.RxCaches)
	if c.RSS == nil && queues == 1 {
		return
	}
	rss := nicring.NewRSS(queues)
	if c.RSS != nil {
		rss = *c.RSS
	}
	for i, queue := range rss.Table {
		if int(queue) >= queues {
			panic(fmt.Sprintf("e1000e: RSS.Table[%d] is %d: there are %d receive queues", i, queue, queues))
		}
	}
	c.RSS = &rss
}

// open starts the card, in the order of the data sheet's software
// initialization sequence.
func (p *Port) open(arena *pktbuf.Arena) (err error) {
	if err := checkFilter(p.filter); err != nil {
		return err
	}
	if err := p.reset(); err != nil {
		return err
	}
	if p.mac, err = readMAC(p.card); err != nil {
		return err
	}
	p.setHardwareBits()
	p.writeFilter()
	p.count() // what a former owner left uncounted
	clear(p.counts[:])
	for i, cache := range p.cfg.RxCaches {
		q, err := newRxQueue(p.card, p.line, uint32(i), arena, &p.cfg, cache)
		if err != nil {
			return err
		}
		p.rx = append(p.rx, q)
	}
	for i, cache := range p.cfg.TxCaches {
		q, err := newTxQueue(p.card, uint32(i), arena, &p.cfg, cache)
		if err != nil {
			return err
		}
		p.tx = append(p.tx, q)
	}
	return p.start()
}

// start sets a card going that was reset and configured, on rings that are as new.
func (p *Port) start() error {
	if err := p.card.SetBusMaster(true); err != nil {
		return err
	}
	p.card.Write32(regITR, uint32(p.cfg.InterruptGap/itrUnit))
	p.startPause()
	p.startTx()
	p.startRx()
	p.set(regCTRL, ctrlSLU|ctrlASDE)
	return nil
}

// reset stops whatever the card does and brings it to the state of power-up.
func (p *Port) reset() error {
	if err := p.card.SetBusMaster(false); err != nil {
		return err
	}
	if p.gone() {
		return fmt.Errorf("STATUS reads all ones: %w", nicring.ErrRemoved)
	}
	p.halt()
	p.card.Write32(regPBA, p.cfg.receiveBuffer()) // takes effect with the reset
	p.set(regCTRL, ctrlRST)
	time.Sleep(time.Millisecond) // no access for a microsecond after RST
	if !p.until(regCTRL, ctrlRST, 0) {
		return errors.New("CTRL.RST is still set after 100ms")
	}
	if !p.until(regEECD, eecdAutoRD, eecdAutoRD) {
		return errors.New("EECD.AUTO_RD is still clear after 100ms: the card has not read its NVM")
	}
	p.halt() // QEMU's card resets its address and nothing else
	p.clear(regCTRL, ctrlMasterDisable|ctrlRFCE|ctrlTFCE|ctrlVME)
	p.card.Read32(regICR)
	return nil
}

// halt ends interrupts, reception, transmission and, in the end, every access
// to memory.
func (p *Port) halt() {
	p.card.Write32(regIMC, ^uint32(0))
	p.card.Write32(regRCTL, 0)
	p.card.Write32(regTCTL, 0)
	p.set(regCTRL, ctrlMasterDisable)
	// Should the card not come to rest, the reset or the loss of bus mastering
	// that follows ends it by force.
	p.until(regSTATUS, statusMasterEn, 0)
}

func (p *Port) setHardwareBits() {
	p.clear(regCTRL, ctrlBit29)
	p.clear(regCTRLEXT, ctrlExtBit23)
	p.set(regCTRLEXT, ctrlExtBit22|ctrlExtDrvLoad)
	p.set(regGCR, gcrBit22)
	p.set(regGCR2, gcr2Bit0)
}

// readMAC reads the card's address from its NVM, and first that the NVM is
// whole.
func readMAC(card Card) (m nicring.MAC, err error) {
	var sum uint16
	for i := uint32(0); i < nvmWords; i++ {
		word, err := readNVM(card, i)
		if err != nil {
			return m, err
		}
		sum += word
		if at := int(i-nvmMAC) * 2; at < len(m) {
			m[at], m[at+1] = byte(word), byte(word>>8)
		}
	}
	if sum != nvmSum {
		return m, fmt.Errorf("NVM checksum is %#04x, want %#04x: the card's address cannot be trusted", sum, nvmSum)
	}
	return m, nil
}

func readNVM(card Card, word uint32) (uint16, error) {
	card.Write32(regEERD, word<<eerdAddr|eerdStart)
	for range 10000 {
		if v := card.Read32(regEERD); v&eerdDone != 0 {
			return uint16(v >> eerdData), nil
		}
	}
	return 0, fmt.Errorf("read NVM word %#x: EERD.DONE is still clear", word)
}

// String returns the card's own name.
func (p *Port) String() string { return p.card.String() }

// MAC returns the address that the card's NVM holds.
func (p *Port) MAC() nicring.MAC { return p.mac }

// RxQueue returns receive queue i, of as many as the port was opened with.
func (p *Port) RxQueue(i int) nicring.RxQueue { return p.rx[i] }

// TxQueue returns transmit queue i, of as many as the port was opened with.
func (p *Port) TxQueue(i int) nicring.TxQueue { return p.tx[i] }

// Link implements nicring.Port.
func (p *Port) Link() (nicring.Link, error) {
	status := p.card.Read32(regSTATUS)
	switch {
	case status == gone:
		return nicring.Link{}, fmt.Errorf("e1000e: link of %s: %w", p, nicring.ErrRemoved)
	case status&statusLU == 0:
		return nicring.Link{}, nil
	}
	return nicring.Link{
		Up:         true,
		Mbps:       [4]int{10, 100, 1000, 1000}[status>>statusSpeed&3],
		FullDuplex: status&statusFD != 0,
	}, nil
}

// Close implements nicring.Port. Should the card refuse to be taken off memory,
// Close fails, and keeps all that the card could still write to.
func (p *Port) Close() error {
	p.stop()
	p.watcher.Wait()
	p.line.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	if p.answers() {
		p.count()
	}
	if err := p.shut(); err != nil {
		return fmt.Errorf("e1000e: close %s: %w", p, err)
	}
	p.closed = true
	return nil
}

// shut takes the card off memory and then frees what it held there.
func (p *Port) shut() error {
	if p.answers() {
		p.halt()
		p.set(regCTRL, ctrlRST)
	}
	if err := p.card.SetBusMaster(false); err != nil && !errors.Is(err, nicring.ErrRemoved) {
		return err
	}
	for _, q := range p.rx {
		q.free()
	}
	for _, q := range p.tx {
		q.free()
	}
	return nil
}

func (p *Port) gone() bool { return p.card.Read32(regSTATUS) == gone }

// answers reports whether registers may be accessed: the card is there, and in
// no reset. One that is gone reads as if it were.
func (p *Port) answers() bool { return p.card.Read32(regCTRL)&ctrlRST == 0 }

func (p *Port) set(reg, bits uint32)   { p.card.Write32(reg, p.card.Read32(reg)|bits) }
func (p *Port) clear(reg, bits uint32) { p.card.Write32(reg, p.card.Read32(reg)&^bits) }

// until polls reg until the bits under mask are want, for 100 ms at most. The first
// reads follow each other: most waits take the card no longer than a few, and a
// sleep takes a busy machine as long as it likes.
func (p *Port) until(reg, mask, want uint32) bool {
	const atOnce, asleep = 10, 100
	for i := range atOnce + asleep {
		if p.card.Read32(reg)&mask == want {
			return true
		}
		if i >= atOnce {
			time.Sleep(time.Millisecond)
		}
	}
	return false
}

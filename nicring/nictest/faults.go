package nictest

// Faults are what a card does wrong. The zero value is a good card. SetLink and
// Remove are faults of their own.
type Faults struct {
	ResetHangs bool // CTRL.RST never clears
	NVMHangs   bool // EECD.AUTO_RD and EERD.DONE never set
	BadNVM     bool // the NVM's checksum is wrong
	TxStuck    bool // no transmit descriptor is fetched: TDH stands still

	// TxHangs and RxHangs stop the card from transmitting, and from storing what
	// it receives, until it is reset.
	TxHangs, RxHangs bool

	// So many of the next doorbells, writes of RDT or TDT, are lost, and so many of
	// the next interrupts.
	LostDoorbells, LostInterrupts int

	// The next HoldRx and HoldTx descriptors that the card is done with do not
	// say so until SetFaults is called again; those after them do.
	HoldRx, HoldTx int

	// Rx, if not nil, may change what the card writes back into each receive
	// descriptor. It is called with the card locked.
	Rx func(RxDone) RxDone

	// Wire, if not nil, decides what becomes of each frame on its way to the
	// card. It is called with the card locked.
	Wire func(frame []byte) Fate
}

// RxDone is what the card writes back into a receive descriptor.
type RxDone struct {
	Hash   uint64 // the first half: how it was hashed, the queue, the RSS hash
	Status uint32 // DD is bit 0, EOP bit 1; errors are bits 31 to 24
	Length uint16 // bytes in the buffer
	VLAN   uint16
}

// Fate is what becomes of a frame on the wire.
type Fate int

// The fates of a frame.
const (
	Arrives Fate = iota
	Lost         // it never reaches the card
	Spoilt       // its FCS is wrong when it does
)

// SetFaults makes the card break as f says and no longer as it was told before.
// Descriptors held back until now are handed back, in order.
func (c *Card) SetFaults(f Faults) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = f
	c.txHung = c.txHung || f.TxHangs
	c.rxHung = c.rxHung || f.RxHangs
	for len(c.held) > 0 {
		w := c.held[0]
		c.held = c.held[1:]
		c.handBack(w)
	}
	c.wake()
}

// A writeback tells the driver that the card is done with descriptor i of r.
type writeback struct {
	r     *ring
	i     uint32
	value uint64 // the second half; of a transmit descriptor the last quarter
}

// finish hands a descriptor back, or holds it.
func (c *Card) finish(w writeback) {
	hold := &c.faults.HoldTx
	if w.r.receives() {
		hold = &c.faults.HoldRx
	}
	if *hold > 0 {
		*hold--
		c.held = append(c.held, w)
		return
	}
	c.handBack(w)
}

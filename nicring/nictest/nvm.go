package nictest

import "github.com/ferrule-go/ferrule/nicring"

const (
	nvmWords   = 1024 // 16 Kib, the usual part
	nvmSummed  = 0x40 // the words under the checksum, the last of which makes it good
	nvmSum     = 0xBABA
	nvmDefault = 0xFFFF // as an erased part reads
)

// makeNVM returns an NVM that holds an address, the card's PCI ids and a good
// checksum.
func makeNVM(mac nicring.MAC) []uint16 {
	words := make([]uint16, nvmSummed)
	for i := range words {
		words[i] = nvmDefault
	}
	for i := range 3 {
		words[i] = uint16(mac[2*i]) | uint16(mac[2*i+1])<<8
	}
	words[0x0B], words[0x0C] = 0x8086, 0x0000 // subsystem
	words[0x0D], words[0x0E] = 0x10D3, 0x8086 // device and vendor
	sum := uint16(nvmSum)
	for _, w := range words[:nvmSummed-1] {
		sum -= w
	}
	words[nvmSummed-1] = sum
	return words
}

// nvmWord reads one word.
func (c *Card) nvmWord(i int) uint16 {
	switch {
	case i >= len(c.nvm):
		return nvmDefault
	case i == nvmSummed-1 && c.faults.BadNVM:
		return c.nvm[i] + 1
	}
	return c.nvm[i]
}

// loadAddress is what the card does with its NVM by itself: it fills in the
// first receive address.
func (c *Card) loadAddress() {
	w := func(i int) uint32 { return uint32(c.nvmWord(i)) }
	c.regs[regRAL/4] = w(0) | w(1)<<16
	c.regs[regRAH/4] = w(2) | rahAV
}

func (c *Card) readEECD() uint32 {
	v := c.reg(regEECD)&^eecdAutoRD | eecdPresent
	if c.autoRead == 0 {
		return v | eecdAutoRD
	}
	if !c.faults.NVMHangs {
		c.autoRead--
		if c.autoRead == 0 {
			c.loadAddress()
		}
	}
	return v
}

func (c *Card) writeEERD(v uint32) {
	c.regs[regEERD/4] = v &^ (eerdDone | 0xFFFF<<eerdData)
	if v&eerdStart != 0 {
		c.nvmRead = settle
	}
}

func (c *Card) readEERD() uint32 {
	v := c.reg(regEERD)
	if v&eerdStart == 0 || c.faults.NVMHangs || !c.nvmRead.tick() {
		return v
	}
	word := int(v &^ eerdStart >> eerdAddr)
	return v&^eerdStart | eerdDone | uint32(c.nvmWord(word))<<eerdData
}

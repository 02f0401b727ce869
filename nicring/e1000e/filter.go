package e1000e

import (
	"fmt"

	"github.com/ferrule-go/ferrule/nicring"
)

// SetFilter has the port receive what f says, from now on. It fails, and changes
// nothing, if f has more than 15 addresses, a group among them, an address among
// the groups, or a VLAN identifier above 4094.
func (p *Port) SetFilter(f nicring.Filter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := checkFilter(f)
	switch {
	case err == nil && p.closed:
		err = errClosed
	case err == nil && !p.down && p.gone():
		err = nicring.ErrRemoved
	}
	if err != nil {
		return fmt.Errorf("e1000e: set filter of %s: %w", p, err)
	}
	p.filter = f
	if p.down {
		return nil // the restart writes it
	}
	p.writeFilter()
	p.card.Write32(regRCTL, p.card.Read32(regRCTL)&^filterBits|filterControl(f))
	return nil
}

func checkFilter(f nicring.Filter) error {
	if n := len(f.Addresses); n >= receiveAddrs {
		return fmt.Errorf("%d addresses: the card has room for %d beside its own; Promiscuous receives them all", n, receiveAddrs-1)
	}
	for _, m := range f.Addresses {
		if m[0]&1 != 0 {
			return fmt.Errorf("address %s is a group's: it belongs in Groups", m)
		}
	}
	for _, m := range f.Groups {
		if m[0]&1 == 0 {
			return fmt.Errorf("group %s is a single card's address: it belongs in Addresses", m)
		}
	}
	for _, id := range f.VLANs {
		if id > 4094 {
			return fmt.Errorf("VLAN %d: identifiers go to 4094", id)
		}
	}
	return nil
}

const filterBits = rctlUPE | rctlMPE | rctlVFE

func filterControl(f nicring.Filter) (rctl uint32) {
	if f.Promiscuous {
		rctl |= rctlUPE | rctlMPE
	}
	if f.AllMulticast {
		rctl |= rctlMPE
	}
	if f.VLANs != nil {
		rctl |= rctlVFE
	}
	return rctl
}

// writeFilter fills the tables. A frame that arrives meanwhile is judged by half
// of the old ones and half of the new.
func (p *Port) writeFilter() {
	w := p.card.Write32
	for i, m := range append([]nicring.MAC{p.mac}, p.filter.Addresses...) {
		at := 8 * uint32(i)
		w(regRAL+at, uint32(m[0])|uint32(m[1])<<8|uint32(m[2])<<16|uint32(m[3])<<24)
		w(regRAH+at, uint32(m[4])|uint32(m[5])<<8|rahAV)
	}
	for i := 1 + len(p.filter.Addresses); i < receiveAddrs; i++ {
		w(regRAH+8*uint32(i), 0)
	}
	var groups, vlans [tableWords]uint32
	for _, m := range p.filter.Groups {
		hash := (uint32(m[4]) | uint32(m[5])<<8) >> 4 // RCTL.MO is 0: bits 47 to 36 of the address
		groups[hash>>5] |= 1 << (hash & 31)
	}
	for _, id := range p.filter.VLANs {
		vlans[id>>5] |= 1 << (id & 31)
	}
	for i := range uint32(tableWords) {
		w(regMTA+4*i, groups[i])
		w(regVFTA+4*i, vlans[i])
	}
}

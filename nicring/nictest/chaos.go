package nictest

import "math/rand/v2"

// A Chaos makes a card misbehave at random, the same way for the same seed: as
// broken and hostile cards and their surroundings do, but for such as never
// recover.
//
// Ownership. One goroutine at a time. While a fault lasts nobody else may call
// SetFaults or SetLink.
type Chaos struct {
	card   *Card
	random *rand.Rand
}

// NewChaos returns a Chaos over a card.
func NewChaos(c *Card, seed uint64) *Chaos {
	return &Chaos{card: c, random: rand.New(rand.NewPCG(seed, 0))}
}

// Next begins a fault, and returns its name and what ends it. A driver that is
// any good has traffic flow again within a second of that end.
func (x *Chaos) Next() (name string, end func()) {
	d := disasters[x.random.IntN(len(disasters))]
	if d.faults == nil {
		x.card.SetLink(false)
	} else {
		x.card.SetFaults(d.faults(x))
	}
	return d.name, func() {
		x.card.SetFaults(Faults{})
		x.card.SetLink(true)
	}
}

// some returns a number from 1 to n.
func (x *Chaos) some(n int) int { return 1 + x.random.IntN(n) }

// disasters are the faults to choose from; one without faults is the link.
var disasters = []struct {
	name   string
	faults func(x *Chaos) Faults
}{
	{"the link goes down", nil},
	{"transmission stands still", func(*Chaos) Faults { return Faults{TxStuck: true} }},
	{"transmission hangs until a reset", func(*Chaos) Faults { return Faults{TxHangs: true} }},
	{"reception hangs until a reset", func(*Chaos) Faults { return Faults{RxHangs: true} }},
	{"transmission hangs, and so does the reset", func(*Chaos) Faults { return Faults{TxHangs: true, ResetHangs: true} }},
	{"reception hangs, and so does the NVM", func(*Chaos) Faults { return Faults{RxHangs: true, NVMHangs: true} }},
	{"doorbells are lost", func(x *Chaos) Faults { return Faults{LostDoorbells: x.some(20)} }},
	{"interrupts are lost", func(x *Chaos) Faults { return Faults{LostInterrupts: x.some(20)} }},
	{"descriptors are late", func(x *Chaos) Faults { return Faults{HoldRx: x.some(8), HoldTx: x.some(8)} }},
	{"receive descriptors have random contents", func(x *Chaos) Faults {
		return Faults{Rx: func(done RxDone) RxDone {
			if x.random.IntN(4) > 0 {
				return done
			}
			return RxDone{x.random.Uint64(), x.random.Uint32(), uint16(x.random.Uint32()), uint16(x.random.Uint32())}
		}}
	}},
	{"frames are lost and spoilt", func(x *Chaos) Faults {
		return Faults{Wire: func([]byte) Fate { return Fate(x.random.IntN(3)) }}
	}},
}

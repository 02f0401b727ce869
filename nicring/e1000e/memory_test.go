package e1000e_test

import (
	"bytes"
	"sync"
	"testing"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/nictest"
)

func TestMemoryCard(t *testing.T) {
	conform(t, func(t *testing.T) *rig {
		r, _ := memoryRig(t)
		return r
	})
}

// memoryRig is a strict card: a test in which the driver breaks one of the
// card's rules fails, whatever else it finds.
func memoryRig(t *testing.T) (*rig, *nictest.Card) {
	mac := nicring.MAC{0x02, 0xFE, 0x44, 0x00, 0x12, 0xA1}
	memory := nictest.NewMemory(8 << 20)
	card := nictest.New(memory, nictest.Options{Name: "memory", MAC: mac})
	card.Check(t)

	var mu sync.Mutex
	var wire [][]byte
	card.Attach(func(frame []byte) {
		mu.Lock()
		defer mu.Unlock()
		wire = append(wire, bytes.Clone(frame))
	})
	return &rig{
		card:   card,
		region: memory.Region(),
		mac:    mac,
		deliver: func(frames ...[]byte) {
			for _, f := range frames {
				card.Deliver(f)
			}
		},
		next: func() []byte { // the card transmits within the doorbell
			mu.Lock()
			defer mu.Unlock()
			if len(wire) == 0 {
				return nil
			}
			f := wire[0]
			wire = wire[1:]
			return f
		},
		setLink: card.SetLink,
	}, card
}

package nictest_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

// A wire that loses every other frame.
func ExampleFate() {
	frames := 0
	faults := nictest.Faults{Wire: func([]byte) nictest.Fate {
		frames++
		if frames%2 == 0 {
			return nictest.Lost
		}
		return nictest.Arrives
	}}
	card := nictest.New(nictest.NewMemory(2<<20), nictest.Options{})
	card.SetFaults(faults)
	card.Write32(0x0000, card.Read32(0x0000)|1<<6) // CTRL.SLU: the link comes up
	card.Deliver(make([]byte, 60))
	card.Deliver(make([]byte, 60))
	fmt.Println(frames, "frames met the wire")
	// Output: 2 frames met the wire
}

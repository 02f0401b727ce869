package nictest_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

// A card is there for whoever reads its registers, until somebody takes it out.
func ExampleCard() {
	card := nictest.New(nictest.NewMemory(2<<20), nictest.Options{Name: "eth0"})
	const status = 0x0008
	fmt.Printf("%s: %#x\n", card, card.Read32(status))
	card.Remove()
	fmt.Printf("%s: %#x\n", card, card.Read32(status))
	// Output:
	// eth0: 0x80081
	// eth0: 0xffffffff
}

// A card that claims lengths which cannot be.
func ExampleRxDone() {
	card := nictest.New(nictest.NewMemory(2<<20), nictest.Options{})
	card.SetFaults(nictest.Faults{Rx: func(done nictest.RxDone) nictest.RxDone {
		done.Length = 0xFFFF // of a buffer of 2048 bytes
		return done
	}})
	// The driver under test has to drop what the card receives from here on.
	fmt.Println(len(card.Violations()), "violations")
	// Output: 0 violations
}

// What a card loses while its cable is out is counted by none of its registers.
func ExampleLosses() {
	card := nictest.New(nictest.NewMemory(2<<20), nictest.Options{})
	card.SetLink(false)
	for range 3 {
		card.Deliver(make([]byte, 60))
	}
	fmt.Println(card.Lost().Received, "frames lost")
	// Output: 3 frames lost
}

// A report prints what a test would fail with.
type report struct{ atEnd []func() }

func (r *report) Helper()                           {}
func (r *report) Cleanup(f func())                  { r.atEnd = append(r.atEnd, f) }
func (r *report) Errorf(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// In a test it is the *testing.T. Anything else that has a beginning and an end
// serves as well.
func ExampleTB() {
	card := nictest.New(nictest.NewMemory(2<<20), nictest.Options{})
	r := new(report)
	card.Check(r)
	const status = 0x0008
	card.Write32(status, 1)
	for _, f := range r.atEnd {
		f()
	}
	// Output: nictest: driver's violation: write of 0x1 to STATUS, which can only be read
}

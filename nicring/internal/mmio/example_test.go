//go:build amd64 || arm64

package mmio_test

import (
	"fmt"

	"github.com/ferrule-go/ferrule/nicring/internal/mmio"
)

// The registers are four words of memory here, and those of a card otherwise.
func ExampleWindow() {
	const (
		regMask   = 0x8
		regStatus = 0xC
	)
	registers := make([]byte, 16)
	registers[regStatus] = 2

	w := mmio.NewWindow(registers)
	w.Write32(regMask, 0x80000001)
	fmt.Println(w.Read32(regStatus), registers[regMask:regStatus])
	// Output: 2 [1 0 0 128]
}

//go:build qtest

package qtest_test

import (
	"context"
	"fmt"

	"github.com/ferrule-go/ferrule/nicring/internal/qtest"
)

// A card is there at once, and its registers are a call away.
func Example() {
	m, err := qtest.Start(context.Background(), qtest.Config{Cards: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer m.Close()

	c := m.Card(0)
	c.Write32(0x5400, 0x11223344) // RAL: the address to receive for
	before := c.Read32(0x5400)
	c.Write32(0x0000, 1<<26) // CTRL.RST brings back that of the NVM
	fmt.Printf("%s, %s: %#x, after a reset %#x\n", c, c.MAC(), before, c.Read32(0x5400))
	// Output: qtest 0000:00:04.0, 52:54:00:00:00:01: 0x11223344, after a reset 0x5452
}

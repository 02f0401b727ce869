package nictest_test

import (
	"encoding/binary"
	"fmt"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

// A driver in twenty lines sends one frame. A real one, e1000e, takes the card
// as it is.
func Example() {
	mem := nictest.NewMemory(2 << 20)
	card := nictest.New(mem, nictest.Options{})
	card.Attach(func(frame []byte) {
		fmt.Printf("on the wire: %d bytes, %q\n", len(frame), frame[14:19])
	})

	// A ring of eight descriptors at the start of memory, a frame behind it.
	region := mem.Region()
	ring, frame := region.Bytes[:128], region.Bytes[4096:]
	copy(frame, "\xFF\xFF\xFF\xFF\xFF\xFF\x02\x00\x00\x00\x00\x01\x88\xB5hello")
	binary.LittleEndian.PutUint64(ring, region.Bus[0]+4096)
	binary.LittleEndian.PutUint32(ring[8:], 60|0x0B<<24) // EOP, IFCS, RS

	card.SetBusMaster(true)
	card.Write32(0x0000, card.Read32(0x0000)|1<<6) // CTRL: set link up
	card.Write32(0x3800, uint32(region.Bus[0]))    // TDBAL
	card.Write32(0x3804, uint32(region.Bus[0]>>32))
	card.Write32(0x3808, 128)  // TDLEN
	card.Write32(0x0400, 1<<1) // TCTL: enable
	card.Write32(0x3818, 1)    // TDT: the doorbell
	fmt.Println("done:", ring[12]&1 == 1)

	card.Write32(0x3818, 9)
	fmt.Println(card.Violations())
	// Output:
	// on the wire: 60 bytes, "hello"
	// done: true
	// [TDT = 9: the ring has 8 descriptors]
}

// A card that works when it is told to lets a benchmark leave its work out of
// what it measures.
func ExampleOptions() {
	mem := nictest.NewMemory(2 << 20)
	card := nictest.New(mem, nictest.Options{Name: "lazy", Lax: true, Deferred: true})
	card.Attach(func(frame []byte) { fmt.Println("sent", len(frame), "bytes") })

	region := mem.Region()
	binary.LittleEndian.PutUint64(region.Bytes, region.Bus[0]+4096)
	binary.LittleEndian.PutUint32(region.Bytes[8:], 60|0x0B<<24)
	card.SetBusMaster(true)
	card.Write32(0x0000, card.Read32(0x0000)|1<<6)
	card.Write32(0x3800, uint32(region.Bus[0]))
	card.Write32(0x3804, uint32(region.Bus[0]>>32))
	card.Write32(0x3808, 128)
	card.Write32(0x0400, 1<<1)
	card.Write32(0x3818, 1)
	fmt.Println("the doorbell has been rung")
	fmt.Println(card, "worked on", card.Step(), "descriptor")
	// Output:
	// the doorbell has been rung
	// sent 60 bytes
	// lazy worked on 1 descriptor
}

// A card breaks as it is told to.
func ExampleFaults() {
	card := nictest.New(nictest.NewMemory(2<<20), nictest.Options{})
	card.SetFaults(nictest.Faults{ResetHangs: true})
	card.Write32(0x0000, 1<<26) // CTRL.RST
	for range 1000 {
		if card.Read32(0x0000)&(1<<26) == 0 {
			fmt.Println("reset")
			return
		}
	}
	fmt.Println("still in reset")
	// Output: still in reset
}

// Memory has holes on the bus that it does not have for the program.
func ExampleMemory() {
	region := nictest.NewMemory(4 << 20).Region()
	fmt.Println(len(region.Bytes), "bytes in", len(region.Bus), "pages")
	fmt.Println("one after the other:", region.Bus[0]+uint64(region.PageSize) == region.Bus[1])
	// Output:
	// 4194304 bytes in 2 pages
	// one after the other: false
}

// A card that breaks at random, the same way each time.
func ExampleChaos() {
	card := nictest.New(nictest.NewMemory(2<<20), nictest.Options{})
	chaos := nictest.NewChaos(card, 1)
	for range 2 {
		_, end := chaos.Next() // and its name, for the log
		// The driver under test has to live through what happens here,
		end()
		// and to be back within a second from here.
	}
	fmt.Println(len(card.Violations()), "violations")
	// Output: 0 violations
}

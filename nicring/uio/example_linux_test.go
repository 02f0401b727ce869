//go:build amd64 || arm64

package uio_test

import (
	"context"
	"fmt"
	"log"

	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/uio"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// What these examples find depends on the machine, and goes to the log. They name
// a card that no machine has; put yours in its place.
const yourCard = "0000:ff:1f.7"

// From a card in a slot to the frames it receives.
func Example() {
	count := func(ctx context.Context, address string) (frames int, err error) {
		memory, err := uio.NewMemory(4 * uio.PageSize)
		if err != nil {
			return 0, err
		}
		defer memory.Close() // last: the card must be off it

		card, err := uio.Open(address)
		if err != nil {
			return 0, err
		}
		defer card.Close()

		arena := pktbuf.NewArena(memory.Region())
		pool, err := pktbuf.NewPool(arena, 2048, 2048)
		if err != nil {
			return 0, err
		}
		cache := pool.NewCache()
		port, err := e1000e.Open(card, arena, e1000e.Config{RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache}})
		if err != nil {
			return 0, err
		}
		defer port.Close()

		burst := make([]*pktbuf.Buf, 32)
		for {
			if err := port.RxQueue(0).Wait(ctx); err != nil {
				return frames, err
			}
			n := port.RxQueue(0).Recv(burst)
			frames += n
			cache.PutN(burst[:n])
		}
	}
	frames, err := count(context.Background(), yourCard)
	log.Print(frames, " frames: ", err)
	// Output:
}

func ExampleList() {
	cards, err := uio.List()
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range cards {
		log.Printf("%s %04x:%04x %s", c.Address, c.Vendor, c.Device, c.Driver)
		for _, i := range c.Interfaces {
			log.Printf("  %s up=%v %v", i.Name, i.Up, i.Addrs)
		}
	}
	// Output:
}

func ExampleBind() {
	change, err := uio.Bind(yourCard, false)
	if err != nil {
		log.Print(err)
		return
	}
	log.Print(change)
	// Output:
}

func ExampleChange() {
	fmt.Println(uio.Change{Address: "0000:03:00.0", From: "e1000e", To: "uio_pci_generic", Interfaces: []string{"eth1"}})
	// Output: 0000:03:00.0 went from e1000e to uio_pci_generic and eth1 is gone; undo with: ferrule unbind 0000:03:00.0
}

// Cards that may be bound: an IOMMU lets their addresses be, and nobody uses them.
func ExampleInfo() {
	cards, err := uio.List()
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range cards {
		inUse := false
		for _, i := range c.Interfaces {
			inUse = inUse || i.Up || len(i.Addrs) > 0
		}
		log.Printf("%s of %q: in use %v, IOMMU %q", c.Address, c.Driver, inUse, c.IOMMUType)
	}
	// Output:
}

// The registers of a card, without a driver.
func ExampleDevice() {
	card, err := uio.Open(yourCard)
	if err != nil {
		log.Print(err)
		return
	}
	defer card.Close()
	const status = 0x8 // of an 82574L
	log.Printf("link up: %v", card.Read32(status)&2 != 0)
	// Output:
}

// Where a card finds the last byte.
func ExampleMemory() {
	memory, err := uio.NewMemory(2 * uio.PageSize)
	if err != nil {
		log.Print(err)
		return
	}
	defer memory.Close()
	r := memory.Region()
	last := len(r.Bytes) - 1
	log.Printf("byte %d is at bus address %#x", last, r.Bus[last/r.PageSize]+uint64(last%r.PageSize))
	// Output:
}

// The card behind a network interface.
func ExampleInterface() {
	cards, err := uio.List()
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range cards {
		for _, i := range c.Interfaces {
			if i.Name == "eth0" {
				log.Printf("eth0 is %s, up %v, with link %v and addresses %v", c.Address, i.Up, i.Link, i.Addrs)
			}
		}
	}
	// Output:
}

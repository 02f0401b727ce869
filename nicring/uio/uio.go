// Package uio takes network cards from Linux and gives them to the program, by
// way of the kernel's own driver for that purpose, uio_pci_generic.
//
// List says which cards there are. Bind moves one from its network driver to
// uio_pci_generic, and Unbind back. Open maps the registers of a card that was
// moved. NewMemory returns memory that cards can reach. What a card does with
// registers and memory is its driver's business, as in e1000e.
//
// # Safety
//
// A card writes wherever in memory it was told to, so it has to lose its bus
// mastering before any such memory is freed. Close sees to that in the right
// order. For a program that ends without it, killed or crashed, the kernel does:
// a Device holds /dev/uioN open, and uio_pci_generic takes bus mastering away
// when that is closed; a Memory is a file whose pages stay until it is closed;
// and the descriptors of both are numbered so that Linux closes the card first.
//
// # Limits
//
// Linux on amd64 and arm64; elsewhere everything fails with ErrNotSupported.
// Cards are told physical addresses, so an IOMMU must not translate them.
//
// The privileges of root are needed to bind, to open and to make memory, not
// afterwards: every file that is needed later is open by then.
package uio

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotSupported is wrapped by every error that means "not on this system".
var ErrNotSupported = errors.New("not supported on this system")

// driver is the kernel driver that leaves a card to the program.
const driver = "uio_pci_generic"

// PageSize is the size in bytes of the pages of a Memory. Within a page, bus
// addresses run on.
const PageSize = 2 << 20

// Info describes a network card.
type Info struct {
	Address        string // on the PCI bus, as 0000:03:00.0
	Vendor, Device uint16 // PCI ids
	Driver         string // the kernel driver that has it, "" for none
	IOMMUGroup     string // the number of its group, "" without an IOMMU
	IOMMUType      string // what the IOMMU does for the group, as DMA or identity
	Interfaces     []Interface
}

// An Interface is what a network driver makes of a card.
type Interface struct {
	Name  string
	MAC   string   // "" if it has none
	Addrs []string // as 192.0.2.1/24
	Up    bool     // it is configured to be up
	Link  bool     // it is up and has a link
}

// busy says what of the interface a program or a user may miss, "" if nothing.
func (i Interface) busy() string {
	var is []string
	if i.Up {
		is = append(is, "is up")
	}
	if len(i.Addrs) > 0 {
		is = append(is, "has "+strings.Join(i.Addrs, ", "))
	}
	return strings.Join(is, " and ")
}

// A Change is what Bind or Unbind did.
type Change struct {
	Address    string   // of the card
	From, To   string   // the drivers, "" for none; the same if nothing had to be done
	Interfaces []string // those that went with From
}

// String says what was done, and how to undo it.
func (c Change) String() string {
	if c.From == c.To {
		return fmt.Sprintf("%s has been with %s already", c.Address, orNone(c.To))
	}
	var gone string
	if len(c.Interfaces) > 0 {
		gone = fmt.Sprintf(" and %s is gone", strings.Join(c.Interfaces, ", "))
	}
	var undo string
	switch driver {
	case c.To:
		undo = "; undo with: ferrule unbind " + c.Address
	case c.From:
		undo = "; undo with: ferrule bind " + c.Address
	}
	return fmt.Sprintf("%s went from %s to %s%s%s", c.Address, orNone(c.From), orNone(c.To), gone, undo)
}

func orNone(driver string) string {
	if driver == "" {
		return "no driver"
	}
	return driver
}

// List returns the PCI network cards of this machine in the order of their
// addresses. It needs no privileges.
func List() ([]Info, error) { return here.list() }

// Bind moves a card from its driver to uio_pci_generic, which it loads if it has
// to. The network interfaces of the card cease to exist. The address may leave
// out the domain, as 03:00.0.
//
// Unless forced, Bind refuses a card that someone seems to use: one of its
// interfaces is up or carries an address, or its driver has no interface to
// show, as when it serves a virtual machine or another network namespace.
//
// A card that uio_pci_generic has already stays as it is. If Bind fails, it has
// undone what it did.
func Bind(address string, force bool) (Change, error) { return here.bind(address, force) }

// Unbind takes a card from uio_pci_generic and lets the kernel choose a driver
// for it as it would have at boot. Which it chose is in the Change: none if that
// driver's module is not loaded.
//
// A card that another driver has already stays as it is. Unbind refuses one that
// is open.
func Unbind(address string) (Change, error) { return here.unbind(address) }

// Open opens a card that was given to uio_pci_generic. The address may leave out
// the domain, as 03:00.0. No two processes can have a card open, nor one twice.
func Open(address string) (*Device, error) { return here.open(address) }

// NewMemory returns size bytes of zeroed memory in huge pages. It panics unless
// size is a multiple of PageSize and greater than zero.
func NewMemory(size int) (*Memory, error) {
	if size <= 0 || size%PageSize != 0 {
		panic(fmt.Sprintf("uio: memory of %d bytes: want a multiple of %d", size, PageSize))
	}
	return here.newMemory(size)
}

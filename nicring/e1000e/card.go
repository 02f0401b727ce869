package e1000e

import "context"

// A Card is what the driver needs of an 82574L: its registers, a way to grant
// and take back its access to memory, and its interrupt. uio.Device is one in
// hardware, nictest.Card one made of memory.
type Card interface {
	// String identifies the card in errors, as by its PCI address.
	String() string
	// Read32 and Write32 access a register by its offset in BAR0: one 32-bit
	// load or store each, in program order. An offset that is not a multiple
	// of 4 inside the window panics. A card that is gone reads all ones.
	Read32(offset uint32) uint32
	Write32(offset, value uint32)
	// SetBusMaster grants the card access to memory or takes it back.
	SetBusMaster(on bool) error
	// WaitInterrupt returns when the card has raised its interrupt since the
	// last call, or with ctx.Err(), or with an error that wraps
	// nicring.ErrRemoved.
	WaitInterrupt(ctx context.Context) error
}

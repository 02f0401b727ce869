//go:build !linux || !(amd64 || arm64)

package uio

import (
	"context"
	"fmt"
	"runtime"

	"github.com/ferrule-go/ferrule/pktbuf"
)

var here host

type host struct{}

func notSupported(verb string) error {
	return fmt.Errorf("uio: %s: %w: %s/%s", verb, ErrNotSupported, runtime.GOOS, runtime.GOARCH)
}

func (host) list() ([]Info, error) { return nil, notSupported("list cards") }

func (host) bind(address string, _ bool) (Change, error) {
	return Change{}, notSupported("bind " + address)
}

func (host) unbind(address string) (Change, error) {
	return Change{}, notSupported("unbind " + address)
}

func (host) open(address string) (*Device, error) { return nil, notSupported("open " + address) }

func (host) newMemory(int) (*Memory, error) { return nil, notSupported("allocate memory") }

// A Device is a card, opened. On this system there is none.
type Device struct{}

// String returns the address of the card.
func (*Device) String() string { return "" }

// Info describes the card.
func (*Device) Info() Info { return Info{} }

// Read32 reads a register.
func (*Device) Read32(uint32) uint32 { return 0 }

// Write32 writes a register.
func (*Device) Write32(offset, value uint32) {}

// SetBusMaster grants the card access to memory or takes it back.
func (*Device) SetBusMaster(bool) error { return notSupported("set bus mastering") }

// WaitInterrupt waits for the card's interrupt.
func (*Device) WaitInterrupt(context.Context) error { return notSupported("wait for an interrupt") }

// Close takes the card off memory and lets it go.
func (*Device) Close() error { return notSupported("close") }

// Memory is memory that cards can reach. On this system there is none.
type Memory struct{}

// Region describes the memory to the code that cuts it up.
func (*Memory) Region() pktbuf.Region { return pktbuf.Region{} }

// Close frees the memory.
func (*Memory) Close() error { return notSupported("close") }

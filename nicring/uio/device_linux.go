//go:build amd64 || arm64

package uio

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/internal/mmio"
)

// A Device is a card, opened: its registers, its bus mastering, its interrupt.
// It has what e1000e asks of a Card.
//
// Concurrency. Registers and bus mastering may be used from any goroutine; one at
// a time may wait for the interrupt. Close comes last.
//
// A card that goes away, because it is pulled out or because someone gives it to
// another driver, is left alone from when that is seen: its registers read all
// ones, and all else fails with an error that wraps nicring.ErrRemoved.
type Device struct {
	info Info
	bar  []byte
	regs mmio.Window

	uio    *os.File // interrupts; its closing ends bus mastering
	config *os.File // the PCI command register; its lock keeps others out

	gone atomic.Bool
	mu   sync.Mutex // held while the command register is changed
}

const (
	minBAR = 128 << 10 // bytes, as the 82574L and its family have
	gone   = 0xFFFFFFFF

	// cardFD is the least descriptor of a card, and greater than that of any
	// Memory. When a process ends, Linux releases its open files beginning with
	// the highest descriptor (close_files queues them from the lowest up, and
	// task_work_run takes the last queued first).
	cardFD = 512
)

// The PCI command register. The kernel disables the interrupt there when it has
// come. Should that happen while we change another bit, we enable it again: it
// comes once more, and a wait returns without cause.
const (
	regCommand  = 4
	busMaster   = 1 << 2
	intxDisable = 1 << 10
)

// opened has the Devices of this process.
var opened struct {
	sync.Mutex
	devices map[*Device]bool
}

func (h host) open(address string) (*Device, error) {
	info, err := h.openable(address)
	d := &Device{info: info}
	if err == nil {
		err = d.acquire(h)
	}
	if err != nil {
		return nil, fmt.Errorf("uio: open %s: %w", address, err)
	}
	opened.Lock()
	defer opened.Unlock()
	if opened.devices == nil {
		opened.devices = make(map[*Device]bool)
	}
	opened.devices[d] = true
	return d, nil
}

// openable finds a card that can be opened if no one has it open.
func (h host) openable(address string) (Info, error) {
	info, err := h.find(address)
	switch {
	case err != nil:
		return info, err
	case info.Driver != driver:
		return info, fmt.Errorf("%s has it, not %s (ferrule bind %s)", orNone(info.Driver), driver, info.Address)
	case info.IOMMUGroup != "" && info.IOMMUType != "identity":
		return info, fmt.Errorf("the IOMMU translates addresses for its group %s (type %s), and a physical one would lead it astray (boot with iommu=pt or intel_iommu=off)", info.IOMMUGroup, info.IOMMUType)
	}
	return info, nil
}

// acquire opens what there is to open of a card, or nothing.
func (d *Device) acquire(h host) (err error) {
	defer func() {
		if err != nil {
			d.release()
		}
	}()
	if d.config, err = h.lock(d.info.Address); err != nil {
		return err
	}
	if d.bar, err = mapBAR(h.device(d.info.Address, "resource0")); err != nil {
		return err
	}
	d.regs = mmio.NewWindow(d.bar)
	if d.uio, err = h.openUIO(d.info.Address); err != nil {
		return err
	}
	if d.dead() {
		return fmt.Errorf("the kernel has no INTx interrupt for it, and %s delivers no other", driver)
	}
	return nil
}

// mapBAR maps the registers of a card.
func mapBAR(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, privileged(err)
	}
	defer f.Close() // the mapping stays
	stat, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := stat.Size()
	if size < minBAR {
		return nil, fmt.Errorf("map BAR0: it has %d KiB, want at least %d KiB", size>>10, minBAR>>10)
	}
	var bar []byte
	err = control(f, func(fd int) (err error) {
		bar, err = unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("map BAR0: %w", privileged(err))
	}
	return bar, nil
}

// openUIO opens the device file of a card, ready for deadlines.
func (h host) openUIO(address string) (*os.File, error) {
	found, err := filepath.Glob(h.device(address, "uio", "uio*"))
	if err != nil || len(found) != 1 {
		return nil, fmt.Errorf("%s has %d entries, want 1", h.device(address, "uio"), len(found))
	}
	path := filepath.Join(h.dev, filepath.Base(found[0]))
	low, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, privileged(&os.PathError{Op: "open", Path: path, Err: err})
	}
	defer unix.Close(low)
	high, err := unix.FcntlInt(uintptr(low), unix.F_DUPFD_CLOEXEC, cardFD)
	if err != nil {
		return nil, fmt.Errorf("number %s above %d: %w (raise ulimit -n)", path, cardFD, err)
	}
	f := os.NewFile(uintptr(high), path)
	if err := f.SetReadDeadline(time.Time{}); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// String returns the address of the card.
func (d *Device) String() string { return d.info.Address }

// Info describes the card as it was when it was opened.
func (d *Device) Info() Info { return d.info }

// Read32 returns what the register at an offset in BAR0 reads. It panics if the
// offset is not a multiple of 4 inside BAR0, as all are of a Device that was
// closed.
//
// Accesses are single, plain and in program order. Each write comes after every
// earlier store to memory that the card reads, each read before every later load
// from memory that it writes.
func (d *Device) Read32(offset uint32) (value uint32) {
	if d.gone.Load() {
		return gone
	}
	defer d.revoked(debug.SetPanicOnFault(true), &value)
	return d.regs.Read32(offset)
}

// Write32 writes the register at an offset in BAR0. It panics if the offset is
// not a multiple of 4 inside BAR0.
func (d *Device) Write32(offset, value uint32) {
	if d.gone.Load() {
		return
	}
	defer d.revoked(debug.SetPanicOnFault(true), &value)
	d.regs.Write32(offset, value)
}

// revoked is deferred around every access. Once another driver asks for the
// registers, the kernel takes our mapping of them away, and the access faults:
// the only error of the runtime's that can come up. Misuse panics with a string.
func (d *Device) revoked(panicOnFault bool, value *uint32) {
	debug.SetPanicOnFault(panicOnFault)
	switch r := recover().(type) {
	case nil:
	case runtime.Error:
		d.gone.Store(true)
		*value = gone
	default:
		panic(r)
	}
}

// SetBusMaster grants the card access to memory or takes it back. Once it has
// taken it back, what the card wrote before is in memory, and no more will come.
func (d *Device) SetBusMaster(on bool) error {
	value := uint16(0)
	if on {
		value = busMaster
	}
	// That it reads as written says more: the answer to a read comes after all
	// that the card wrote before.
	now, err := d.setCommand(busMaster, value)
	if err == nil && now&busMaster != value {
		err = fmt.Errorf("PCI command register reads %#04x", now)
	}
	if err != nil {
		return fmt.Errorf("uio: set bus mastering of %s to %v: %w", d, on, err)
	}
	return nil
}

// WaitInterrupt returns when the card has raised its interrupt since the last
// call, or with ctx.Err(), or with an error that wraps nicring.ErrRemoved. Now
// and then it returns without cause.
func (d *Device) WaitInterrupt(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := d.setCommand(intxDisable, 0)
	if err == nil {
		err = d.waitEvent(ctx)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ctx.Err()
	case errors.Is(err, unix.EIO):
		err = d.removed()
	}
	return fmt.Errorf("uio: wait for the interrupt of %s: %w", d, err)
}

// waitEvent returns when the kernel has counted an interrupt that it had not at
// the last call, or at a deadline that passes when ctx ends.
func (d *Device) waitEvent(ctx context.Context) error {
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		d.uio.SetReadDeadline(time.Unix(1, 0))
		close(over)
	})
	var count [4]byte // uio takes no other size
	_, err := d.uio.Read(count[:])
	if !stop() {
		<-over
		d.uio.SetReadDeadline(time.Time{})
	}
	return err
}

// setCommand gives the bits under mask of the command register a value, and
// returns what it reads then.
func (d *Device) setCommand(mask, value uint16) (now uint16, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone.Load() || d.dead() {
		return 0, d.removed()
	}
	// Both bytes in one access: what is written to the high one alone, QEMU's
	// cards show but do not heed.
	var b [2]byte
	_, err = d.config.ReadAt(b[:], regCommand)
	if now = binary.LittleEndian.Uint16(b[:]); err == nil && now&mask != value {
		binary.LittleEndian.PutUint16(b[:], now&^mask|value)
		if _, err = d.config.WriteAt(b[:], regCommand); err == nil {
			_, err = d.config.ReadAt(b[:], regCommand)
		}
	}
	now = binary.LittleEndian.Uint16(b[:])
	if errors.Is(err, unix.ENODEV) || err == nil && now == 0xFFFF { // some bits of it are always 0
		return 0, d.removed()
	}
	return now, err
}

// dead reports whether the kernel has taken the card from uio_pci_generic since
// it was opened. If so, or without an interrupt, polling fails.
func (d *Device) dead() bool {
	var revents int16
	err := control(d.uio, func(fd int) error {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			_, err := unix.Poll(fds, 0)
			revents = fds[0].Revents
			if err != unix.EINTR {
				return err
			}
		}
	})
	return err == nil && revents&(unix.POLLERR|unix.POLLHUP) != 0
}

func (d *Device) removed() error {
	d.gone.Store(true)
	return nicring.ErrRemoved
}

// Close takes the card off memory and lets it go. No register may be used while
// it runs or afterwards.
func (d *Device) Close() error {
	opened.Lock()
	defer opened.Unlock()
	if !opened.devices[d] {
		return nil
	}
	delete(opened.devices, d)
	err := d.SetBusMaster(false)
	if errors.Is(err, nicring.ErrRemoved) {
		err = nil // whoever took it did that
	}
	return errors.Join(err, d.release())
}

// release undoes acquire. The device file goes first: should the card still have
// bus mastering, that ends it, while no other process can have the card yet.
func (d *Device) release() error {
	var errs []error
	if d.uio != nil {
		errs = append(errs, d.uio.Close())
	}
	if d.bar != nil {
		d.regs = mmio.Window{}
		errs = append(errs, unix.Munmap(d.bar))
	}
	if d.config != nil {
		errs = append(errs, d.config.Close())
	}
	return errors.Join(errs...)
}

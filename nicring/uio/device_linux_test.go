//go:build amd64 || arm64

package uio

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
)

var _ e1000e.Card = (*Device)(nil)

func newFakeHostWithBoundCard(t *testing.T) *fakeHost {
	f := newFakeHostWithCard(t)
	_, err := f.bind(card, false)
	require.NoError(t, err)
	return f
}

// openFake opens the card and sees to it that it gets closed.
func openFake(t *testing.T, f *fakeHost) *Device {
	d, err := f.open(card)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func (f *fakeHost) command(t *testing.T) uint16 {
	config, err := os.ReadFile(f.device(card, "config"))
	require.NoError(t, err)
	return binary.LittleEndian.Uint16(config[regCommand:])
}

func (f *fakeHost) setCommand(t *testing.T, value uint16) {
	config, err := os.OpenFile(f.device(card, "config"), os.O_WRONLY, 0)
	require.NoError(t, err)
	defer config.Close()
	_, err = config.WriteAt(binary.LittleEndian.AppendUint16(nil, value), regCommand)
	require.NoError(t, err)
}

func TestOpenErrors(t *testing.T) {
	for text, spoil := range map[string]func(f *fakeHost){
		"e1000e has it, not uio_pci_generic (ferrule bind 0000:03:00.0)": func(f *fakeHost) {
			_, err := f.unbind(card)
			require.NoError(t, err)
		},
		"no driver has it, not uio_pci_generic (ferrule bind 0000:03:00.0)": func(f *fakeHost) { f.detach(card) },
		"no such card (there is no PCI network card here)": func(f *fakeHost) {
			require.NoError(t, os.Remove(f.device(card)))
		},
		"the IOMMU translates addresses for its group 7 (type DMA), and a physical one would lead it astray (boot with iommu=pt or intel_iommu=off)": func(f *fakeHost) {
			f.put(f.sys+"/kernel/iommu_groups/7/type", "DMA")
			f.link(f.sys+"/kernel/iommu_groups/7", f.device(card, "iommu_group"))
		},
		"map BAR0: it has 16 KiB, want at least 128 KiB": func(f *fakeHost) {
			require.NoError(t, os.Truncate(f.device(card, "resource0"), 16<<10))
		},
	} {
		f := newFakeHostWithBoundCard(t)
		spoil(f)
		_, err := f.open(card)
		require.EqualError(t, err, "uio: open 0000:03:00.0: "+text)
		lock, err := f.lock(card)
		if !os.IsNotExist(err) {
			require.NoError(t, err, "the lock was left behind: %s", text)
			lock.Close()
		}
	}

	f := newFakeHostWithBoundCard(t)
	require.NoError(t, os.Remove(f.dev+"/uio0"))
	_, err := f.open(card)
	require.EqualError(t, err, "uio: open 0000:03:00.0: open "+f.dev+"/uio0: no such file or directory")
	require.NoError(t, os.RemoveAll(f.device(card, "uio")))
	_, err = f.open(card)
	require.EqualError(t, err, "uio: open 0000:03:00.0: "+f.device(card, "uio")+" has 0 entries, want 1")
}

// openSlave opens the other end of a terminal.
func openSlave(t *testing.T, master *os.File) *os.File {
	var number int
	require.NoError(t, control(master, func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	}))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { slave.Close() })
	return slave
}

// As root every file opens, so the error is made by hand.
func TestPrivileged(t *testing.T) {
	require.NoError(t, privileged(nil))
	require.EqualError(t, privileged(&os.PathError{Op: "open", Path: "/dev/uio0", Err: unix.EACCES}),
		"open /dev/uio0: permission denied (run as root)")
}

func TestOneOpensTheRestAreTold(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	for range 20 {
		var won atomic.Pointer[Device]
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				d, err := f.open(card)
				if err == nil {
					if !won.CompareAndSwap(nil, d) {
						t.Error("opened twice")
					}
				} else if err.Error() != "uio: open 0000:03:00.0: in use" {
					t.Error(err)
				}
			})
		}
		all.Wait()
		require.NotNil(t, won.Load(), "no one opened it")

		require.NoError(t, won.Load().Close())
	}
}

func TestBusyCardNamesItsHolder(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	openFake(t, f)
	var config unix.Stat_t
	require.NoError(t, unix.Stat(f.device(card, "config"), &config))
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(config.Dev), unix.Minor(config.Dev), config.Ino)
	f.put(f.proc+"/locks", "1: POSIX  ADVISORY  WRITE 40 "+inode+" 0 EOF\n"+
		"2: FLOCK  ADVISORY  WRITE 41 00:14:1 0 EOF\n"+
		"2: -> FLOCK  ADVISORY  WRITE 43 "+inode+" 0 EOF\n"+
		"3: FLOCK  ADVISORY  WRITE 42 "+inode+" 0 EOF")
	f.put(f.proc+"/42/comm", "ferrule")

	_, err := f.open(card)
	require.EqualError(t, err, "uio: open 0000:03:00.0: in use by process 42 (ferrule)")
	_, err = f.unbind(card)
	require.EqualError(t, err, "uio: unbind 0000:03:00.0: in use by process 42 (ferrule)")
	require.NoError(t, os.RemoveAll(f.proc+"/42"))
	_, err = f.open(card)
	require.EqualError(t, err, "uio: open 0000:03:00.0: in use by process 42")
}

func TestRegistersAreTheCards(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	d := openFake(t, f)
	require.Equal(t, card, d.String())
	require.Equal(t, uint16(0x10D3), d.Info().Device)

	d.Write32(minBAR-4, 0x12345678)
	require.Equal(t, uint32(0x12345678), d.Read32(minBAR-4))
	bar, err := os.ReadFile(f.device(card, "resource0"))
	require.NoError(t, err)
	require.Equal(t, uint32(0x12345678), binary.LittleEndian.Uint32(bar[minBAR-4:]))

	require.PanicsWithValue(t, "mmio: register at offset 0x20000: want a multiple of 4 in a window of 0x20000 bytes",
		func() { d.Read32(minBAR) })
	require.Panics(t, func() { d.Write32(2, 0) })
	require.False(t, debug.SetPanicOnFault(false), "as it was")
	require.NoError(t, d.Close())
	require.Panics(t, func() { d.Read32(0) }, "closed")
}

func TestCloseLeavesNothingOpen(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	openFake(t, f).Close() // what the runtime opens once, for deadlines
	before := openFiles(t)
	d := openFake(t, f)
	require.Equal(t, before+2, openFiles(t))
	require.Contains(t, maps(t), "/resource0\n")
	require.NoError(t, d.Close())
	require.Equal(t, before, openFiles(t))
	require.NotContains(t, maps(t), "/resource0\n")
}

func openFiles(t *testing.T) int {
	files, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(files)
}

func maps(t *testing.T) string {
	text, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return string(text)
}

func TestRegistersDoNotAllocate(t *testing.T) {
	d := openFake(t, newFakeHostWithBoundCard(t))
	require.Zero(t, testing.AllocsPerRun(100, func() { d.Write32(4, d.Read32(0)+1) }))
}

// The rest of the command register stays as it is.
func TestSetBusMaster(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	d := openFake(t, f)
	require.NoError(t, d.SetBusMaster(true))
	require.NoError(t, d.SetBusMaster(true))
	require.Equal(t, uint16(0x0507), f.command(t))
	require.NoError(t, d.SetBusMaster(false))
	require.Equal(t, uint16(0x0503), f.command(t))

	require.NoError(t, d.SetBusMaster(true))
	require.NoError(t, d.Close())
	require.Equal(t, uint16(0x0503), f.command(t), "closing ends it")
	require.NoError(t, d.Close(), "once more")
	require.ErrorIs(t, d.SetBusMaster(true), os.ErrClosed)
}

// interrupt counts one, as the kernel does.
func (f *fakeHost) interrupt(t *testing.T) {
	require.NoError(t, writeAttr(f.dev+"/uio0", "\x01\x00\x00\x00"))
}

func TestWaitInterrupt(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	d := openFake(t, f)
	for range 3 {
		f.setCommand(t, 0x0507)
		f.interrupt(t)
		require.NoError(t, d.WaitInterrupt(t.Context()))
		require.Equal(t, uint16(0x0107), f.command(t), "enabled again, and the rest as it was")
	}
}

// However an end and an interrupt meet, no wait fails after the end of another's
// context, and no interrupt is lost.
func TestWaitInterruptEndsWithItsContext(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	d := openFake(t, f)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, d.WaitInterrupt(ctx), context.Canceled)

	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Millisecond)
	require.Equal(t, context.DeadlineExceeded, d.WaitInterrupt(ctx))
	cancel()

	rounds := 300
	if testing.Short() {
		rounds = 30
	}
	for range rounds {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if err := d.WaitInterrupt(ctx); err != context.Canceled {
			t.Fatalf("cancelled wait = %v, want %v", err, context.Canceled)
		}

		ctx, cancel = context.WithCancel(t.Context())
		f.interrupt(t)
		go cancel()
		switch err := d.WaitInterrupt(ctx); err {
		case nil:
		case context.Canceled: // the interrupt is still to come
			if err := d.WaitInterrupt(t.Context()); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal(err)
		}
	}
}

// The kernel takes the mapping away, and an access faults.
func TestRevokedRegistersReadAllOnes(t *testing.T) {
	for name, access := range map[string]func(d *Device){
		"read":  func(d *Device) { require.Equal(t, uint32(0xFFFFFFFF), d.Read32(8)) },
		"write": func(d *Device) { d.Write32(8, 1) },
	} {
		f := newFakeHostWithBoundCard(t)
		d := openFake(t, f)
		require.NoError(t, os.Truncate(f.device(card, "resource0"), 0))
		access(d)
		require.Equal(t, uint32(0xFFFFFFFF), d.Read32(0), name)
		d.Write32(0, 1)

		f.setCommand(t, 0x0107)
		require.ErrorIs(t, d.SetBusMaster(true), nicring.ErrRemoved)
		require.ErrorIs(t, d.WaitInterrupt(t.Context()), nicring.ErrRemoved)
		require.NoError(t, d.Close())
		require.Equal(t, uint16(0x0107), f.command(t), "it is someone else's")
	}
}

// A terminal stands for the device file: its other end closes, and it fails as
// that of a card does that was taken away.
func openTerminal(t *testing.T, f *fakeHost) (d *Device, kernel *os.File) {
	require.NoError(t, os.Remove(f.dev+"/uio0"))
	f.link("/dev/ptmx", f.dev+"/uio0")
	d = openFake(t, f)
	return d, openSlave(t, d.uio)
}

func TestCardTakenAwayDuringAWait(t *testing.T) {
	d, kernel := openTerminal(t, newFakeHostWithBoundCard(t))
	_, err := kernel.Write([]byte{1, 0, 0, 0})
	require.NoError(t, err)
	require.NoError(t, d.WaitInterrupt(t.Context()))

	waiting := make(chan error)
	go func() { waiting <- d.WaitInterrupt(t.Context()) }()
	require.NoError(t, kernel.Close())
	err = <-waiting
	require.ErrorIs(t, err, nicring.ErrRemoved)
	require.EqualError(t, err, "uio: wait for the interrupt of 0000:03:00.0: card removed")
	require.Equal(t, uint32(0xFFFFFFFF), d.Read32(8))
}

func TestCardTakenAwayIsLeftAlone(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	d, kernel := openTerminal(t, f)
	require.NoError(t, d.SetBusMaster(true))
	require.NoError(t, kernel.Close())
	require.EqualError(t, d.SetBusMaster(false), "uio: set bus mastering of 0000:03:00.0 to false: card removed")
	require.Equal(t, uint32(0xFFFFFFFF), d.Read32(8))
	require.NoError(t, d.Close())
	require.Equal(t, uint16(0x0507), f.command(t))
}

// A card that was pulled out reads all ones in configuration space, too.
func TestPulledOutCard(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	d := openFake(t, f)
	f.setCommand(t, 0xFFFF)
	require.ErrorIs(t, d.SetBusMaster(true), nicring.ErrRemoved)
	require.Equal(t, uint32(0xFFFFFFFF), d.Read32(8))
}

// A command register that does not take what is written is an error: the card
// may still reach memory.
func TestCommandRegisterThatDoesNotGiveIn(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	d, err := f.open(card)
	require.NoError(t, err)
	replace := func(path string, flag int) {
		require.NoError(t, d.config.Close())
		d.config, err = os.OpenFile(path, flag, 0)
		require.NoError(t, err)
	}
	replace("/dev/zero", os.O_RDWR)
	require.EqualError(t, d.SetBusMaster(true), "uio: set bus mastering of 0000:03:00.0 to true: PCI command register reads 0x0000")
	f.setCommand(t, 0x0107)
	replace(f.device(card, "config"), os.O_RDONLY)
	require.ErrorIs(t, d.SetBusMaster(false), unix.EBADF)
	require.ErrorIs(t, d.Close(), unix.EBADF)
	again := openFake(t, f)
	require.NoError(t, again.Close(), "everything else was closed")
}

func TestMemoryStaysWhileACardIsOpen(t *testing.T) {
	f := newFakeHostWithBoundCard(t)
	m := &Memory{fd: -1}
	d := openFake(t, f)
	require.EqualError(t, m.Close(), "uio: free memory: card 0000:03:00.0 is open and might write there (close it first)")
	require.NoError(t, d.Close())
	require.NoError(t, m.Close())
	require.NoError(t, m.Close(), "once more")
}

func TestCardsAreClosedBeforeMemory(t *testing.T) {
	d := openFake(t, newFakeHostWithBoundCard(t))
	require.NoError(t, control(d.uio, func(fd int) error {
		require.GreaterOrEqual(t, fd, cardFD)
		return nil
	}))
}

//go:build vm && linux && (amd64 || arm64)

package uio_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/uio"
)

// These tests take cards from a real kernel, and run as root in a machine that
// has nothing else to do:
//
//	go test -c -tags vm ./nicring/uio
//	go run ./cmd/ferrule-vm --kernel-driver 1 -- ./uio.test
const (
	card       = "0000:00:10.0" // belongs to whoever takes it
	kernelCard = "0000:00:11.0" // has been with e1000e from the start
	cardMAC    = "52:54:00:12:34:00"
)

// Registers of the 82574L.
const (
	regSTATUS = 0x0008
	regEERD   = 0x0014
	regICR    = 0x00C0
	regICS    = 0x00C8
	regIMS    = 0x00D0
	regIMC    = 0x00D8
	regTCTL   = 0x0400
	regTDBAL  = 0x3800
	regTDBAH  = 0x3804
	regTDLEN  = 0x3808
	regTDH    = 0x3810
	regTDT    = 0x3818
	regRAL    = 0x5400
	regRAH    = 0x5404

	intRXO = 1 << 6 // a cause that does not come up by itself here
)

// Environment variables that make another program of this one.
const (
	holdCard = "FERRULE_UIO_TEST_HOLD"
	tryCard  = "FERRULE_UIO_TEST_TRY"
	dropCard = "FERRULE_UIO_TEST_DROP"
)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(holdCard) != "":
		hold(os.Getenv(holdCard))
	case os.Getenv(tryCard) != "":
		try(os.Getenv(tryCard))
	case os.Getenv(dropCard) != "":
		drop(os.Getenv(dropCard))
	default:
		os.Exit(m.Run())
	}
}

// hold has a card and memory open, the card allowed to write, until it is
// killed. The memory comes second, after files that leave it none of the lower
// descriptors, and so would go first if nothing was done about it.
func hold(card string) {
	d, err := uio.Open(card)
	for range 8 {
		unix.Dup(0)
	}
	if err == nil {
		_, err = uio.NewMemory(uio.PageSize)
	}
	if err == nil {
		err = d.SetBusMaster(true)
	}
	fmt.Println("holding", err)
	io.Copy(io.Discard, os.Stdin)
}

// try shows what comes of each call.
func try(card string) {
	cards, err := uio.List()
	fmt.Println("list:", len(cards), err)
	_, err = uio.Bind(card, true)
	fmt.Println("bind:", err)
	_, err = uio.Open(card)
	fmt.Println("open:", err)
	_, err = uio.NewMemory(uio.PageSize)
	fmt.Println("memory:", err)
}

// drop opens a card and memory, becomes nobody, and shows that all still works.
func drop(card string) {
	memory, err := uio.NewMemory(uio.PageSize)
	fmt.Println("memory:", err)
	d, err := uio.Open(card)
	fmt.Println("open:", err)
	fmt.Println("become nobody:", errors.Join(syscall.Setgroups(nil), syscall.Setgid(65534), syscall.Setuid(65534)))
	_, err = os.ReadFile("/proc/1/mem")
	fmt.Println("still root:", err == nil || os.Getuid() == 0)
	fmt.Println("bus master:", d.SetBusMaster(true))
	for range 3 {
		d.Write32(regIMS, intRXO)
		d.Write32(regICS, intRXO)
		if err := d.WaitInterrupt(context.Background()); err != nil {
			fmt.Println("interrupt:", err)
		}
		d.Read32(regICR)
	}
	fmt.Println("no interrupt:", d.WaitInterrupt(ended()))
	d.Write32(regIMC, 0xFFFFFFFF)
	fmt.Println("close:", d.Close(), memory.Close())
}

// ended returns a context that is over.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// openCard gives the card to uio_pci_generic and opens it.
func openCard(t *testing.T) *uio.Device {
	bind(t, card)
	d, err := uio.Open(card)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	require.Equal(t, [2]uint16{e1000e.Vendor, e1000e.Device}, [2]uint16{d.Info().Vendor, d.Info().Device})
	d.Write32(regIMC, 0xFFFFFFFF)
	d.Read32(regICR)
	return d
}

func bind(t *testing.T, card string) {
	_, err := uio.Bind(card, true)
	require.NoError(t, err)
}

func device(address string, path ...string) string {
	return filepath.Join("/sys/bus/pci/devices", address, filepath.Join(path...))
}

// write writes an attribute behind the package's back.
func write(t *testing.T, path, text string) {
	require.NoError(t, os.WriteFile(path, []byte(text), 0))
}

// isBusMaster reads it in configuration space.
func isBusMaster(t *testing.T, address string) bool {
	config, err := os.ReadFile(device(address, "config"))
	require.NoError(t, err)
	return config[4]&4 != 0
}

func info(t *testing.T, address string) uio.Info {
	cards, err := uio.List()
	require.NoError(t, err)
	for _, c := range cards {
		if c.Address == address {
			return c
		}
	}
	require.Fail(t, "card not listed", "%s is not in %+v", address, cards)
	return uio.Info{}
}

func TestBindTakesAndUnbindGivesBack(t *testing.T) {
	before := info(t, kernelCard)
	require.Equal(t, "e1000e", before.Driver, "these tests run in ferrule-vm --kernel-driver 1")
	require.Len(t, before.Interfaces, 1)
	eth := before.Interfaces[0].Name
	require.False(t, before.Interfaces[0].Up)

	setAddr(t, eth, []byte{192, 0, 2, 1})
	_, err := uio.Bind(kernelCard, false)
	require.ErrorContains(t, err, "its interface "+eth+" has 192.0.2.1/24 (take it out of use first, or use --force)")
	setUp(t, eth, true)
	require.True(t, info(t, kernelCard).Interfaces[0].Up)
	_, err = uio.Bind(kernelCard, false)
	require.ErrorContains(t, err, "its interface "+eth+" is up and has 192.0.2.1/24")
	require.Equal(t, "e1000e", info(t, kernelCard).Driver)
	setUp(t, eth, false)
	setAddr(t, eth, []byte{0, 0, 0, 0})

	c, err := uio.Bind("00:11.0", false)
	require.NoError(t, err)
	require.Equal(t, uio.Change{Address: kernelCard, From: "e1000e", To: "uio_pci_generic", Interfaces: []string{eth}}, c)
	bound := info(t, kernelCard)
	require.Equal(t, "uio_pci_generic", bound.Driver)
	require.Empty(t, bound.Interfaces)
	c, err = uio.Bind(kernelCard, false)
	require.NoError(t, err)
	require.Equal(t, c.From, c.To)

	c, err = uio.Unbind(kernelCard)
	require.NoError(t, err)
	require.Equal(t, uio.Change{Address: kernelCard, From: "uio_pci_generic", To: "e1000e"}, c)
	require.Len(t, info(t, kernelCard).Interfaces, 1)
	override, err := os.ReadFile(device(kernelCard, "driver_override"))
	require.NoError(t, err)
	require.Equal(t, "(null)\n", string(override))
}

func setUp(t *testing.T, iface string, up bool) {
	configure(t, iface, unix.SIOCSIFFLAGS, func(r *unix.Ifreq) error {
		r.SetUint16(0)
		if up {
			r.SetUint16(unix.IFF_UP)
		}
		return nil
	})
}

func setAddr(t *testing.T, iface string, addr []byte) {
	configure(t, iface, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(addr) })
}

func configure(t *testing.T, iface string, request uint, set func(r *unix.Ifreq) error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	r, err := unix.NewIfreq(iface)
	require.NoError(t, err)
	require.NoError(t, set(r))
	require.NoError(t, unix.IoctlIfreq(fd, request, r))
}

// Whatever e1000e did to the card's registers, the NVM has its address.
func TestRegisters(t *testing.T) {
	d := openCard(t)
	require.NotEqual(t, uint32(0xFFFFFFFF), d.Read32(regSTATUS))
	var mac nicring.MAC
	for word := range uint32(3) {
		d.Write32(regEERD, word<<2|1)
		for d.Read32(regEERD)&2 == 0 {
		}
		binary.LittleEndian.PutUint16(mac[2*word:], uint16(d.Read32(regEERD)>>16))
	}
	require.Equal(t, cardMAC, mac.String())
	require.Equal(t, binary.LittleEndian.Uint32(mac[:]), d.Read32(regRAL))
	require.Equal(t, uint32(binary.LittleEndian.Uint16(mac[4:])), d.Read32(regRAH)&0xFFFF)
}

func TestInterrupts(t *testing.T) {
	d := openCard(t)
	for range 3 {
		d.Write32(regIMS, intRXO)
		d.Write32(regICS, intRXO)
		require.NoError(t, d.WaitInterrupt(t.Context()))
		require.NotZero(t, d.Read32(regICR)&intRXO)
		require.Zero(t, d.Read32(regICR)&intRXO, "reading it clears it")
	}

	// Without a cause they end.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	var err error
	for err == nil { // one may have come twice
		err = d.WaitInterrupt(ctx)
	}
	require.Equal(t, context.DeadlineExceeded, err)

	// A wait that was cancelled leaves the next in order.
	done := make(chan error)
	ctx, cancel = context.WithCancel(t.Context())
	go func() { done <- d.WaitInterrupt(ctx) }()
	cancel()
	require.Equal(t, context.Canceled, <-done)
	go func() { done <- d.WaitInterrupt(t.Context()) }()
	d.Write32(regICS, intRXO)
	require.NoError(t, <-done)
}

func TestOnlyOneProcessHasACard(t *testing.T) {
	openCard(t)
	busy := fmt.Sprintf("in use by process %d (", os.Getpid())
	out := tryAs(t, card, &syscall.SysProcAttr{})
	require.Contains(t, out, "bind: <nil>\n", "it is bound already")
	require.Contains(t, out, "open: uio: open 0000:00:10.0: "+busy)
	_, err := uio.Open(card)
	require.ErrorContains(t, err, busy)
	_, err = uio.Unbind(card)
	require.ErrorContains(t, err, busy)
}

func TestWithoutPrivileges(t *testing.T) {
	bind(t, card)
	_, err := uio.Unbind(kernelCard)
	require.NoError(t, err)
	nobody := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out := tryAs(t, card, nobody)
	require.Contains(t, out, "list: 2 <nil>\n")
	require.Contains(t, out, "open: uio: open 0000:00:10.0: open /sys/bus/pci/devices/0000:00:10.0/config: permission denied (run as root)\n")
	require.Contains(t, out, "memory: uio: allocate 2 MiB of 2 MiB pages: /proc/self/pagemap hides physical addresses (run as root, or with CAP_SYS_ADMIN)\n")
	out = tryAs(t, kernelCard, nobody)
	require.Contains(t, out, "bind: uio: bind 0000:00:11.0: open /sys/bus/pci/devices/0000:00:11.0/config: permission denied (run as root)\n")
	require.Contains(t, out, "open: uio: open 0000:00:11.0: e1000e has it, not uio_pci_generic (ferrule bind 0000:00:11.0)\n")
}

// TestPrivilegesDropped has a process give up root once it has opened the card.
func TestPrivilegesDropped(t *testing.T) {
	bind(t, card)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), dropCard+"="+card)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, "memory: <nil>\nopen: <nil>\nbecome nobody: <nil>\nstill root: false\n"+
		"bus master: <nil>\nno interrupt: context canceled\nclose: <nil> <nil>\n", string(out))
	require.False(t, isBusMaster(t, card))
}

func tryAs(t *testing.T, card string, as *syscall.SysProcAttr) string {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), tryCard+"="+card)
	cmd.SysProcAttr = as
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

func TestMemory(t *testing.T) {
	const pages = 4
	m, err := uio.NewMemory(pages * uio.PageSize)
	require.NoError(t, err)
	r := m.Region()
	require.Len(t, r.Bytes, pages*uio.PageSize)
	require.Equal(t, uio.PageSize, r.PageSize)
	require.Len(t, r.Bus, pages)
	seen := map[uint64]bool{}
	for i, bus := range r.Bus {
		require.Zero(t, bus%uio.PageSize, "page %d at %#x", i, bus)
		require.NotZero(t, bus)
		require.False(t, seen[bus], "page %d at %#x, as another", i, bus)
		seen[bus] = true
	}
	require.NoError(t, m.Close())

	_, err = uio.NewMemory(1 << 40)
	require.ErrorContains(t, err, "uio: allocate 1048576 MiB of 2 MiB pages: want 524288 pages, ")
	require.ErrorContains(t, err, " > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)")
}

// The card itself is asked: it finds the descriptor at the bus address, and
// writes there that it is done, as long as it may.
func TestCardReachesMemory(t *testing.T) {
	m, err := uio.NewMemory(2 * uio.PageSize)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	d := openCard(t)
	r := m.Region()

	for page, bus := range r.Bus {
		ring := r.Bytes[page*uio.PageSize:][:8*16]
		for i := range uint64(8) { // legacy descriptors: 64 bytes, EOP, IFCS, RS
			binary.LittleEndian.PutUint64(ring[16*i:], bus+4096)
			binary.LittleEndian.PutUint64(ring[16*i+8:], 64|0xB<<24)
		}
		done := func(i int) bool {
			d.Read32(regSTATUS) // what the card wrote before is in memory
			return ring[16*i+12]&1 != 0
		}
		d.Write32(regTCTL, 0)
		d.Write32(regTDBAL, uint32(bus))
		d.Write32(regTDBAH, uint32(bus>>32))
		d.Write32(regTDLEN, uint32(len(ring)))
		d.Write32(regTDH, 0)
		d.Write32(regTDT, 0)

		require.NoError(t, d.SetBusMaster(true))
		d.Write32(regTCTL, 1<<1|1<<3)
		d.Write32(regTDT, 1)
		require.Eventually(t, func() bool { return done(0) }, 10*time.Second, time.Millisecond)

		require.NoError(t, d.SetBusMaster(false))
		d.Write32(regTDT, 2)
		require.False(t, done(1), "not any more")
		d.Write32(regTCTL, 0)
	}
	require.ErrorContains(t, m.Close(), "card 0000:00:10.0 is open and might write there")
}

// Three ways of losing a card. A wait ends, registers read all ones, and whoever
// has the card then is left alone.
func TestCardGoesAway(t *testing.T) {
	for name, take := range map[string]func(t *testing.T){
		"unbound": func(t *testing.T) {
			write(t, device(card, "driver/unbind"), card)
		},
		"with another driver": func(t *testing.T) {
			write(t, device(card, "driver_override"), "\n")
			write(t, device(card, "driver/unbind"), card)
			write(t, "/sys/bus/pci/drivers_probe", card)
			require.Equal(t, "e1000e", info(t, card).Driver)
		},
		"removed": func(t *testing.T) {
			write(t, device(card, "remove"), "1")
			t.Cleanup(func() { write(t, "/sys/bus/pci/rescan", "1") })
		},
	} {
		for _, waits := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/waits=%v", name, waits), func(t *testing.T) {
				d := openCard(t)
				require.NoError(t, d.SetBusMaster(true))
				lost := make(chan error)
				if waits {
					go func() { lost <- d.WaitInterrupt(t.Context()) }()
				}
				take(t)
				config, _ := os.ReadFile(device(card, "config"))
				if name == "unbound" {
					require.False(t, isBusMaster(t, card), "the kernel saw to it")
				}
				if waits {
					require.ErrorIs(t, <-lost, nicring.ErrRemoved)
				} else if name == "with another driver" {
					require.Equal(t, uint32(0xFFFFFFFF), d.Read32(regSTATUS), "the first access sees it")
				}
				require.ErrorIs(t, d.SetBusMaster(true), nicring.ErrRemoved)
				require.ErrorIs(t, d.WaitInterrupt(t.Context()), nicring.ErrRemoved)
				require.Equal(t, uint32(0xFFFFFFFF), d.Read32(regSTATUS))
				d.Write32(regIMS, 0)
				require.NoError(t, d.Close())
				after, _ := os.ReadFile(device(card, "config"))
				require.Equal(t, config[:min(6, len(config))], after[:min(6, len(after))], "the command register")
			})
		}
	}
}

// A process that is killed leaves a card that cannot write, and the kernel sees
// to that before it frees the memory.
func TestKilledProcessLeavesTheCardOffMemory(t *testing.T) {
	bind(t, card)
	trace := startTrace(t)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), holdCard+"="+card)
	_, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "holding <nil>\n", line)
	require.True(t, isBusMaster(t, card))
	_, err = uio.Open(card)
	require.ErrorContains(t, err, fmt.Sprintf("in use by process %d (", cmd.Process.Pid))

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.False(t, isBusMaster(t, card))
	require.Equal(t, []string{"card", "memory"}, trace(cmd.Process.Pid))

	d, err := uio.Open(card)
	require.NoError(t, err, "and free to be had again")
	require.NoError(t, d.Close())
}

// startTrace has the kernel note when it takes bus mastering away and when it
// frees a file of huge pages. What it returns ends that and says in which order
// they came, in the threads of a process.
func startTrace(t *testing.T) (stop func(pid int) []string) {
	dir := t.TempDir()
	require.NoError(t, unix.Mount("tracefs", dir, "tracefs", 0, ""))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	write(t, dir+"/options/record-tgid", "1")
	write(t, dir+"/kprobe_events", "p:ferrule/card pci_clear_master\np:ferrule/memory hugetlbfs_evict_inode\n")
	write(t, dir+"/events/ferrule/enable", "1")
	t.Cleanup(func() {
		write(t, dir+"/events/ferrule/enable", "0")
		write(t, dir+"/kprobe_events", "\n")
	})
	return func(pid int) (order []string) {
		text, err := os.ReadFile(dir + "/trace")
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, fmt.Sprintf("(%7d)", pid)) {
				continue
			}
			for _, event := range []string{"card", "memory"} {
				if strings.Contains(line, " "+event+": ") {
					order = append(order, event)
				}
			}
		}
		require.NotEmpty(t, order, "%s", text)
		return order
	}
}

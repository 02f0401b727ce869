// Command init is the first process of the machine that ferrule-vm boots. It
// makes the host's root file system the guest's, sets the guest up as its Setup
// says, runs one command with its input and output on the channel to the host,
// and reports how it ended.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
	"golang.org/x/sys/unix"
)

// port is the one port of the one virtio-serial device; its name is what the
// kernel calls it where no udev gives it a better one.
const port = "/dev/vport0p1"

func main() {
	setup, conn, err := connect()
	if err != nil { // the console is all there is to tell it on
		fmt.Fprintf(os.Stderr, "ferrule-vm: guest: %v\n", err)
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	}
	code, err := serve(setup, conn)
	if err != nil {
		_ = conn.Send(guest.Failed, append([]byte{code}, err.Error()...))
	} else {
		_ = conn.Send(guest.Exited, []byte{code})
	}
	// The host ends the machine when it has read this. To power off here would
	// race with the last frame.
	time.Sleep(10 * time.Second)
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
}

// connect reads the Setup and opens the channel.
func connect() (guest.Setup, *guest.Conn, error) {
	var setup guest.Setup
	err := errors.Join(
		mount("devtmpfs", "/dev", "devtmpfs", 0, ""),
		mount("sysfs", "/sys", "sysfs", 0, ""),
	)
	if err != nil {
		return setup, nil, err
	}
	text, err := os.ReadFile(guest.SetupPath)
	if err != nil {
		return setup, nil, err
	}
	if err := json.Unmarshal(text, &setup); err != nil {
		return setup, nil, fmt.Errorf("%s: %w", guest.SetupPath, err)
	}
	if err := loadModules(setup.BootModules); err != nil {
		return setup, nil, err
	}
	f, err := openPort()
	if err != nil {
		return setup, nil, err
	}
	return setup, guest.NewConn(f), nil
}

// openPort opens the channel. The kernel makes its file some milliseconds after
// the driver is loaded, when the device has said that it has a port.
func openPort() (*os.File, error) {
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		f, err := os.OpenFile(port, os.O_RDWR, 0)
		if !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
			return f, err
		}
	}
}

// serve makes the machine what setup says and runs the command in it.
func serve(setup guest.Setup, conn *guest.Conn) (code byte, err error) {
	for _, step := range []func() error{
		func() error { return loadModules(setup.Modules) },
		func() error { return bindToKernel(setup.KernelCards, setup.CardModules) },
		enterHostRoot,
		loopbackUp,
		func() error { return unix.Sethostname([]byte("ferrule-vm")) },
		func() error { return reserveHugePages(setup.HugePages) },
	} {
		if err := step(); err != nil {
			return guest.StatusFailed, err
		}
	}
	return runCommand(setup, conn)
}

func loadModules(files []string) error {
	for _, name := range files {
		f, err := os.Open(filepath.Join(guest.ModulesDir, name))
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	return nil
}

// bindToKernel loads the kernel's own driver and gives it these cards and no
// others.
func bindToKernel(cards, modules []string) error {
	if len(cards) == 0 {
		return nil
	}
	const bus = "/sys/bus/pci/"
	// Off, the driver takes no card when it is loaded.
	if err := os.WriteFile(bus+"drivers_autoprobe", []byte("0"), 0); err != nil {
		return err
	}
	if err := loadModules(modules); err != nil {
		return err
	}
	for _, card := range cards {
		if err := os.WriteFile(bus+"drivers_probe", []byte(card), 0); err != nil {
			return fmt.Errorf("bind %s to the kernel's driver: %w", card, err)
		}
		if _, err := os.Stat(bus + "devices/" + card + "/driver"); err != nil {
			return fmt.Errorf("bind %s to the kernel's driver: it took no interest", card)
		}
	}
	return os.WriteFile(bus+"drivers_autoprobe", []byte("1"), 0)
}

func mount(source, target, fstype string, flags uintptr, data string) error {
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, fstype, flags, data); err != nil {
		return fmt.Errorf("mount %s at %s: %w", source, target, err)
	}
	return nil
}

// enterHostRoot makes the host's root file system the root. The host lets it be
// read only; what is written stays in memory, above it.
func enterHostRoot() error {
	const root = "/new"
	for _, m := range []struct {
		source, target, fstype string
		flags                  uintptr
		data                   string
	}{
		// A request is a trip to the host, so it may be large (msize) and its
		// answer is kept (cache): the host's files are taken to stand still.
		{guest.RootTag, "/lower", "9p", unix.MS_RDONLY, "trans=virtio,version=9p2000.L,msize=512000,cache=loose,access=any"},
		{"tmpfs", "/upper", "tmpfs", 0, ""},
		{"overlay", root, "overlay", 0, "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work"},
		{"proc", root + "/proc", "proc", 0, ""},
		{"sysfs", root + "/sys", "sysfs", 0, ""},
		{"devtmpfs", root + "/dev", "devtmpfs", 0, ""},
		{"devpts", root + "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666"},
		{"tmpfs", root + "/dev/shm", "tmpfs", 0, ""},
		{"hugetlbfs", root + "/dev/hugepages", "hugetlbfs", 0, ""},
		{"tmpfs", root + "/run", "tmpfs", 0, "mode=755"},
		{guest.BinDir, root + guest.Programs, "", unix.MS_BIND, ""},
	} {
		if m.fstype == "overlay" {
			if err := errors.Join(os.Mkdir("/upper/data", 0o755), os.Mkdir("/upper/work", 0o755)); err != nil {
				return err
			}
		}
		if err := mount(m.source, m.target, m.fstype, m.flags, m.data); err != nil {
			return err
		}
	}
	// Moved onto /, not only entered by chroot: `ip netns exec` remounts /, and
	// so / has to be a mount.
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move %s to /: %w", root, err)
	}
	return unix.Chroot(".")
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo); err != nil {
		return fmt.Errorf("bring lo up: %w", err)
	}
	return nil
}

// reserveHugePages wants n pages; the kernel takes fewer without a word.
func reserveHugePages(n int) error {
	const file = "/proc/sys/vm/nr_hugepages"
	if err := os.WriteFile(file, []byte(strconv.Itoa(n)), 0); err != nil {
		return err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if got := strings.TrimSpace(string(text)); got != strconv.Itoa(n) {
		return fmt.Errorf("reserve %d huge pages of 2 MiB: the memory has room for %s (see --memory)", n, got)
	}
	return nil
}

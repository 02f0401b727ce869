//go:build amd64 || arm64

package uio

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// host is the machine, as far as this package has to do with it. Tests put
// another in its place.
type host struct {
	sys, dev, proc string // where these are mounted

	write    func(path, text string) error
	modprobe func(module string) error
	addrs    func(iface string) ([]string, error)
}

var here = host{
	sys: "/sys", dev: "/dev", proc: "/proc",
	write: writeAttr, modprobe: modprobe, addrs: addrs,
}

func (h host) list() ([]Info, error) {
	entries, err := os.ReadDir(h.pci("devices"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // a machine without PCI
	}
	if err != nil {
		return nil, fmt.Errorf("uio: list cards: %w", err)
	}
	var cards []Info
	for _, e := range entries {
		var info Info
		class, err := h.class(e.Name())
		if err == nil && class == classNetwork {
			info, err = h.info(e.Name())
		}
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed since
		case err != nil:
			return nil, fmt.Errorf("uio: list cards: %w", err)
		case class == classNetwork:
			cards = append(cards, info)
		}
	}
	return cards, nil
}

// classNetwork is the PCI base class of network cards.
const classNetwork = 0x02

// class returns the PCI base class of a device.
func (h host) class(address string) (byte, error) {
	class, err := readHex(h.device(address, "class"), 24)
	return byte(class >> 16), err
}

func (h host) info(address string) (Info, error) {
	vendor, err := readHex(h.device(address, "vendor"), 16)
	if err != nil {
		return Info{}, err
	}
	device, err := readHex(h.device(address, "device"), 16)
	if err != nil {
		return Info{}, err
	}
	interfaces, err := h.interfaces(address)
	if err != nil {
		return Info{}, err
	}
	info := Info{
		Address: address,
		Vendor:  uint16(vendor), Device: uint16(device),
		Driver:     h.driver(address),
		IOMMUGroup: linkBase(h.device(address, "iommu_group")),
		Interfaces: interfaces,
	}
	if info.IOMMUGroup != "" {
		info.IOMMUType, _ = readAttr(h.device(address, "iommu_group", "type"))
	}
	return info, nil
}

// interfaces returns the network interfaces below a device. They need not be its
// direct children: those of virtio cards are not.
func (h host) interfaces(address string) ([]Interface, error) {
	card, err := filepath.EvalSymlinks(h.device(address))
	if err != nil {
		return nil, err
	}
	class := filepath.Join(h.sys, "class/net")
	entries, err := os.ReadDir(class)
	if err != nil {
		return nil, err
	}
	var interfaces []Interface
	for _, e := range entries {
		link := filepath.Join(class, e.Name())
		at, err := filepath.EvalSymlinks(link)
		if err != nil || !strings.HasPrefix(at, card+"/") {
			continue
		}
		i := Interface{Name: e.Name()}
		i.MAC, _ = readAttr(filepath.Join(at, "address"))
		flags, _ := readHex(filepath.Join(at, "flags"), 32)
		i.Up = flags&unix.IFF_UP != 0
		carrier, _ := readAttr(filepath.Join(at, "carrier")) // cannot be read of one that is down
		i.Link = carrier == "1"
		i.Addrs, err = h.addrs(e.Name())
		if _, renamed := os.Lstat(link); renamed != nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("addresses of %s: %w", e.Name(), err)
		}
		interfaces = append(interfaces, i)
	}
	return interfaces, nil
}

var address = regexp.MustCompile(`^(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}:[01][0-9a-f]\.[0-7])$`)

// find returns the card with an address as a user may write it.
func (h host) find(name string) (Info, error) {
	m := address.FindStringSubmatch(strings.ToLower(name))
	if m == nil {
		return Info{}, errors.New("not a PCI address (write it as 0000:03:00.0 or 03:00.0)")
	}
	if m[1] == "" {
		m[1] = "0000"
	}
	full := m[1] + ":" + m[2]
	switch class, err := h.class(full); {
	case errors.Is(err, fs.ErrNotExist):
		return Info{}, fmt.Errorf("no such card (%s)", h.present())
	case err != nil:
		return Info{}, err
	case class != classNetwork:
		return Info{}, fmt.Errorf("not a network card, but of PCI class %#02x (%s)", class, h.present())
	}
	return h.info(full)
}

// present tells which cards there are.
func (h host) present() string {
	cards, err := h.list()
	if err != nil || len(cards) == 0 {
		return "there is no PCI network card here"
	}
	var names []string
	for _, c := range cards {
		names = append(names, c.Address)
	}
	return "the network cards here are " + strings.Join(names, ", ")
}

func (h host) pci(path ...string) string {
	return filepath.Join(slices.Concat([]string{h.sys, "bus/pci"}, path)...)
}

func (h host) device(address string, path ...string) string {
	return h.pci(slices.Concat([]string{"devices", address}, path)...)
}

func (h host) driver(address string) string { return linkBase(h.device(address, "driver")) }

// lock opens the configuration space of a card and takes the lock by which
// processes keep out of each other's way.
func (h host) lock(address string) (*os.File, error) {
	config, err := os.OpenFile(h.device(address, "config"), os.O_RDWR, 0)
	if err != nil {
		return nil, privileged(err)
	}
	err = control(config, func(fd int) error { return unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("in use%s", h.holder(config))
	}
	if err != nil {
		config.Close()
		return nil, err
	}
	return config, nil
}

// holder names the process that holds the lock on a file, if it is to be seen
// from here.
func (h host) holder(file *os.File) string {
	var s unix.Stat_t
	err := control(file, func(fd int) error { return unix.Fstat(fd, &s) })
	locks, _ := os.ReadFile(filepath.Join(h.proc, "locks"))
	if err != nil || len(locks) == 0 {
		return ""
	}
	inode := fmt.Sprintf("%02x:%02x:%d", unix.Major(s.Dev), unix.Minor(s.Dev), s.Ino)
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 92 00:14:3082 0 EOF
		f := strings.Fields(line)
		if len(f) > 5 && f[1] == "FLOCK" && f[5] == inode {
			who := " by process " + f[4]
			if name, err := readAttr(filepath.Join(h.proc, f[4], "comm")); err == nil {
				who += " (" + name + ")"
			}
			return who
		}
	}
	return ""
}

// privileged adds to an error what may be done about it.
func privileged(err error) error {
	switch {
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("%w (run as root)", err)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w (run as root, on a kernel that is not locked down: see /sys/kernel/security/lockdown)", err)
	}
	return err
}

// control calls f with the descriptor of a file, which stays open meanwhile.
func control(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = f(int(fd)) }); err != nil {
		return err
	}
	return failed
}

func readAttr(path string) (string, error) {
	text, err := os.ReadFile(path)
	return strings.TrimSpace(string(text)), err
}

func readHex(path string, bits int) (uint64, error) {
	text, err := readAttr(path)
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseUint(strings.TrimPrefix(text, "0x"), 16, bits)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}

func linkBase(path string) string {
	to, err := os.Readlink(path)
	if err != nil {
		return ""
	}
	return filepath.Base(to)
}

// writeAttr writes an attribute, which must be there.
func writeAttr(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

func addrs(iface string) ([]string, error) {
	i, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, err
	}
	list, err := i.Addrs()
	if err != nil {
		return nil, err
	}
	var addrs []string
	for _, a := range list {
		addrs = append(addrs, a.String())
	}
	return addrs, nil
}

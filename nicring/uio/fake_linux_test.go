//go:build amd64 || arm64

package uio

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A fakeHost is a machine made of files, with a kernel behind them that moves
// cards between drivers when it is written to.
type fakeHost struct {
	host
	t *testing.T

	native  map[string]string   // by card, the driver that knows its ids
	iface   map[string]string   // by card, its interface under that driver
	has     map[string][]string // by interface, its addresses
	refuses map[string]bool     // drivers that fail to probe
	broken  map[string]error    // by name, attributes that cannot be written
	once    bool                // they can at the second try
	missing error               // why modprobe fails
	renames bool                // an interface takes another name while it is looked at
	writes  []string            // what was written, in order
}

func newFakeHost(t *testing.T) *fakeHost {
	root := t.TempDir()
	f := &fakeHost{
		t:      t,
		native: map[string]string{}, iface: map[string]string{}, has: map[string][]string{},
		refuses: map[string]bool{}, broken: map[string]error{},
	}
	f.host = host{
		sys: root + "/sys", dev: root + "/dev", proc: root + "/proc",
		write:    f.kernel,
		modprobe: f.load,
		addrs:    f.addrs,
	}
	for _, dir := range []string{f.dev, f.pci("devices"), f.pci("drivers"), f.sys + "/class/net"} {
		require.NoError(t, os.MkdirAll(dir, 0755))
	}
	return f
}

// card is an 82574L that e1000e has, its interface eth1 not in use.
const card = "0000:03:00.0"

func newFakeHostWithCard(t *testing.T) *fakeHost {
	f := newFakeHost(t)
	f.addDriver("e1000e")
	f.addDriver(driver)
	f.addCard(card, "0x020000", "e1000e", "eth1")
	return f
}

// addCard adds a card and has the kernel find its driver, which makes an
// interface of it unless the name of that is empty.
func (f *fakeHost) addCard(address, class, native, iface string) {
	dir := f.sys + "/devices/pci0000:00/" + address
	f.native[address], f.iface[address] = native, iface
	f.put(dir+"/class", class)
	f.put(dir+"/vendor", "0x8086")
	f.put(dir+"/device", "0x10d3")
	f.put(dir+"/driver_override", "(null)")
	config := [64]byte{regCommand: 0x03, regCommand + 1: 0x05}
	require.NoError(f.t, os.WriteFile(dir+"/config", config[:], 0644))
	require.NoError(f.t, os.WriteFile(dir+"/resource0", make([]byte, minBAR), 0644))
	f.link(dir, f.device(address))
	f.attach(address, native)
}

func (f *fakeHost) addDriver(name string) {
	require.NoError(f.t, os.MkdirAll(f.pci("drivers", name), 0755))
}

// attach is what happens when a driver is offered a card.
func (f *fakeHost) attach(address, name string) {
	if _, err := os.Stat(f.pci("drivers", name)); name == "" || err != nil || f.refuses[name] {
		return
	}
	f.link(f.pci("drivers", name), f.device(address, "driver"))
	iface := f.iface[address]
	switch {
	case name == driver:
		require.NoError(f.t, os.MkdirAll(f.device(address, "uio/uio0"), 0755))
		require.NoError(f.t, unix.Mkfifo(f.dev+"/uio0", 0600))
	case iface != "":
		dir, err := filepath.EvalSymlinks(f.device(address))
		require.NoError(f.t, err)
		f.put(dir+"/virtio0/net/"+iface+"/address", "52:54:00:12:34:56")
		f.put(dir+"/virtio0/net/"+iface+"/flags", "0x1002")
		f.link(dir+"/virtio0/net/"+iface, f.sys+"/class/net/"+iface)
	}
}

func (f *fakeHost) detach(address string) {
	gone := []string{f.device(address, "driver"), f.device(address, "virtio0")}
	if f.driver(address) == driver {
		gone = append(gone, f.device(address, "uio"), f.dev+"/uio0")
	} else if f.iface[address] != "" {
		gone = append(gone, f.sys+"/class/net/"+f.iface[address])
	}
	for _, path := range gone {
		require.NoError(f.t, os.RemoveAll(path))
	}
}

// kernel takes what is written to an attribute.
func (f *fakeHost) kernel(path, text string) error {
	name := filepath.Base(path)
	if err := f.broken[name]; err != nil {
		if f.once {
			delete(f.broken, name)
		}
		return &fs.PathError{Op: "open", Path: name, Err: err}
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return err
	}
	if text == "" {
		return nil // it does not reach the kernel
	}
	text = strings.TrimSuffix(text, "\n")
	f.writes = append(f.writes, name+" < "+text)
	switch name {
	case "driver_override":
		if text == "" {
			text = "(null)"
		}
		f.put(path, text)
	case "unbind":
		f.detach(text)
	case "drivers_probe":
		to, _ := readAttr(f.device(text, "driver_override"))
		if to == "(null)" {
			to = f.native[text]
		}
		if f.driver(text) == "" {
			f.attach(text, to)
		}
	default:
		return errors.New("no such attribute: " + path)
	}
	return nil
}

func (f *fakeHost) addrs(iface string) ([]string, error) {
	if f.renames {
		require.NoError(f.t, os.Remove(f.sys+"/class/net/"+iface))
	}
	return f.has[iface], f.broken["addrs"]
}

// load is modprobe.
func (f *fakeHost) load(module string) error {
	if f.missing == nil {
		f.addDriver(module)
	}
	return f.missing
}

func (f *fakeHost) put(path, text string) {
	require.NoError(f.t, os.MkdirAll(filepath.Dir(path), 0755))
	require.NoError(f.t, os.WriteFile(path, []byte(text+"\n"), 0644))
}

func (f *fakeHost) link(to, at string) { require.NoError(f.t, os.Symlink(to, at)) }

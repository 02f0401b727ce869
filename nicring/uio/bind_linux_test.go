//go:build amd64 || arm64

package uio

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestListShowsNetworkCardsOnly(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.addCard("0000:04:00.0", "0x010802", "nvme", "")
	f.addCard("0000:01:00.0", "0x028000", "", "")
	f.has["eth1"] = []string{"192.0.2.1/24"}
	eth1 := f.sys + "/class/net/eth1"
	f.put(eth1+"/flags", "0x1003")
	f.put(eth1+"/carrier", "1")
	f.put(f.sys+"/class/net/bonding_masters", "")
	group := f.sys + "/kernel/iommu_groups/7"
	f.put(group+"/type", "DMA-FQ")
	f.link(group, f.device(card, "iommu_group"))

	cards, err := f.list()
	require.NoError(t, err)
	require.Equal(t, []Info{
		{Address: "0000:01:00.0", Vendor: 0x8086, Device: 0x10D3},
		{
			Address: card, Vendor: 0x8086, Device: 0x10D3, Driver: "e1000e",
			IOMMUGroup: "7", IOMMUType: "DMA-FQ",
			Interfaces: []Interface{{
				Name: "eth1", MAC: "52:54:00:12:34:56", Addrs: []string{"192.0.2.1/24"}, Up: true, Link: true,
			}},
		},
	}, cards)
}

func TestListWithoutPCI(t *testing.T) {
	f := newFakeHost(t)
	require.NoError(t, os.RemoveAll(f.sys+"/bus"))
	cards, err := f.list()
	require.NoError(t, err)
	require.Empty(t, cards)
}

func TestListNamesWhatItCannotRead(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.put(f.device(card, "vendor"), "intel")
	_, err := f.list()
	require.ErrorContains(t, err, "uio: list cards: "+f.device(card, "vendor"))

	f = newFakeHostWithCard(t)
	f.broken["addrs"] = unix.EIO
	_, err = f.list()
	require.EqualError(t, err, "uio: list cards: addresses of eth1: input/output error")
}

// What goes away or changes its name is not there, and no error.
func TestListWhileThingsChange(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.broken["addrs"], f.renames = unix.ENODEV, true
	cards, err := f.list()
	require.NoError(t, err)
	require.Len(t, cards, 1)
	require.Empty(t, cards[0].Interfaces)

	for _, attr := range []string{"device", "class"} {
		require.NoError(t, os.Remove(f.device(card, attr)))
		cards, err = f.list()
		require.NoError(t, err)
		require.Empty(t, cards)
	}
}

func TestAddressAsUsersWriteIt(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.addCard("10000:e1:1f.7", "0x020000", "", "")
	f.addCard("0000:04:00.0", "0x010802", "", "")
	for name, want := range map[string]string{
		card: card, "03:00.0": card, "10000:E1:1F.7": "10000:e1:1f.7",
	} {
		info, err := f.find(name)
		require.NoError(t, err, name)
		require.Equal(t, want, info.Address)
	}
	for _, name := range []string{"", "eth1", "3:00.0", "03:00", "03:00.8", "03:20.0", "../03:00.0", card + "\n"} {
		_, err := f.find(name)
		require.EqualError(t, err, "not a PCI address (write it as 0000:03:00.0 or 03:00.0)", "%q", name)
	}
	_, err := f.find("03:00.1")
	require.EqualError(t, err, "no such card (the network cards here are 0000:03:00.0, 10000:e1:1f.7)")
	_, err = f.find("04:00.0")
	require.EqualError(t, err, "not a network card, but of PCI class 0x01 (the network cards here are 0000:03:00.0, 10000:e1:1f.7)")
	_, err = newFakeHost(t).find("03:00.0")
	require.EqualError(t, err, "no such card (there is no PCI network card here)")
}

func TestBindAndUnbind(t *testing.T) {
	f := newFakeHostWithCard(t)

	c, err := f.bind("03:00.0", false)
	require.NoError(t, err)
	require.Equal(t, Change{Address: card, From: "e1000e", To: driver, Interfaces: []string{"eth1"}}, c)
	require.Equal(t, "0000:03:00.0 went from e1000e to uio_pci_generic and eth1 is gone; undo with: ferrule unbind 0000:03:00.0", c.String())
	require.Equal(t, driver, f.driver(card))

	writes := len(f.writes)
	c, err = f.bind(card, false)
	require.NoError(t, err)
	require.Equal(t, "0000:03:00.0 has been with uio_pci_generic already", c.String())
	require.Len(t, f.writes, writes, "nothing to do")

	c, err = f.unbind(card)
	require.NoError(t, err)
	require.Equal(t, Change{Address: card, From: driver, To: "e1000e"}, c)
	require.Equal(t, "0000:03:00.0 went from uio_pci_generic to e1000e; undo with: ferrule bind 0000:03:00.0", c.String())
	require.Equal(t, "e1000e", f.driver(card))

	writes = len(f.writes)
	c, err = f.unbind(card)
	require.NoError(t, err)
	require.Equal(t, "0000:03:00.0 has been with e1000e already", c.String())
	require.Len(t, f.writes, writes, "nothing to do")

	require.Equal(t, []string{
		"driver_override < uio_pci_generic", "unbind < 0000:03:00.0", "drivers_probe < 0000:03:00.0",
		"driver_override < ", "unbind < 0000:03:00.0", "drivers_probe < 0000:03:00.0",
	}, f.writes)
}

func TestUnbindWhenNoDriverTakesTheCard(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.native[card] = "igb"
	_, err := f.bind(card, true)
	require.NoError(t, err)
	c, err := f.unbind(card)
	require.NoError(t, err)
	require.Equal(t, "0000:03:00.0 went from uio_pci_generic to no driver; undo with: ferrule bind 0000:03:00.0", c.String())
}

func TestUnbindWhenUIOTakesTheCardAgain(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.native[card] = driver
	_, err := f.bind(card, true)
	require.NoError(t, err)
	_, err = f.unbind(card)
	require.ErrorContains(t, err, "uio_pci_generic took it at once again (its ids were written to ")
}

func TestBindRefusesCardInUse(t *testing.T) {
	for text, use := range map[string]func(f *fakeHost){
		"its interface eth1 is up (take it out of use first, or use --force)": func(f *fakeHost) {
			f.put(f.sys+"/class/net/eth1/flags", "0x1003")
		},
		"its interface eth1 has 192.0.2.1/24, fe80::1/64 (take it out of use first, or use --force)": func(f *fakeHost) {
			f.has["eth1"] = []string{"192.0.2.1/24", "fe80::1/64"}
		},
		"its interface eth1 is up and has 192.0.2.1/24 (take it out of use first, or use --force)": func(f *fakeHost) {
			f.put(f.sys+"/class/net/eth1/flags", "0x1003")
			f.has["eth1"] = []string{"192.0.2.1/24"}
		},
		"e1000e has it and shows no interface here: it may serve another network namespace, a program or a virtual machine (use --force to take it nevertheless)": func(f *fakeHost) {
			require.NoError(f.t, os.Remove(f.sys+"/class/net/eth1"))
		},
	} {
		f := newFakeHostWithCard(t)
		use(f)
		_, err := f.bind(card, false)
		require.EqualError(t, err, "uio: bind 0000:03:00.0: "+text)
		require.Empty(t, f.writes)

		c, err := f.bind(card, true)
		require.NoError(t, err, "forced")
		require.Equal(t, driver, c.To)
	}
}

// Whatever write fails, the card is where it was.
func TestBindUndoesWhatItDid(t *testing.T) {
	for _, before := range []string{"", "e1000e"} {
		for _, name := range []string{"driver_override", "unbind", "drivers_probe", "probe"} {
			f := newFakeHostWithCard(t)
			if before == "" {
				f.detach(card)
			}
			f.put(f.device(card, "driver_override"), "e1000e")
			f.broken[name], f.once = unix.EIO, true
			f.refuses[driver] = name == "probe" || before == "" && name == "unbind"
			_, err := f.bind(card, false)
			require.ErrorContains(t, err, "uio: bind 0000:03:00.0: ", name)
			require.NotContains(t, err.Error(), "and back to", name)
			require.Equal(t, before, f.driver(card), name)
			left, err := readAttr(f.device(card, "driver_override"))
			require.NoError(t, err)
			require.Equal(t, "e1000e", left, name)
		}
	}
}

func TestBindLeavesTheDriverAloneIfItCannotBegin(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.broken["driver_override"], f.once = unix.EIO, true
	_, err := f.bind(card, false)
	require.EqualError(t, err, "uio: bind 0000:03:00.0: open driver_override: input/output error")
	require.Equal(t, []string{"driver_override < "}, f.writes)
}

func TestBindSaysThatItCouldNotUndo(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.refuses[driver], f.refuses["e1000e"] = true, true
	_, err := f.bind(card, false)
	require.EqualError(t, err, "uio: bind 0000:03:00.0: uio_pci_generic did not take it; no driver has it (see dmesg); and back to e1000e: no driver has it")

	f = newFakeHostWithCard(t)
	f.broken["drivers_probe"] = unix.EIO
	_, err = f.bind(card, false)
	require.EqualError(t, err, "uio: bind 0000:03:00.0: open drivers_probe: input/output error; and back to e1000e: open drivers_probe: input/output error")
}

func TestBindLoadsTheModule(t *testing.T) {
	f := newFakeHost(t)
	f.addCard(card, "0x020000", "", "")

	f.missing = errors.New("there is no modprobe")
	_, err := f.bind(card, false)
	require.EqualError(t, err, "uio: bind 0000:03:00.0: load module uio_pci_generic: there is no modprobe")
	require.Empty(t, f.writes)

	f.missing = nil
	_, err = f.bind(card, false)
	require.NoError(t, err)
	require.Equal(t, driver, f.driver(card))
}

func TestModprobe(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if _, err := os.Stat("/sbin/modprobe"); err != nil {
		require.EqualError(t, modprobe("uio_x"), "there is no modprobe (install package kmod)")
	}
	script := func(text string) {
		require.NoError(t, os.WriteFile(bin+"/modprobe", []byte("#!/bin/sh\n"+text), 0755))
	}
	script(`echo "Module $1 not found" >&2; exit 1`)
	require.EqualError(t, modprobe("uio_x"), "modprobe: exit status 1: Module uio_x not found "+
		"(the module comes with package linux-image-$(uname -r) on Debian, linux-modules-extra-$(uname -r) on Ubuntu)")
	script("exit 0")
	require.NoError(t, modprobe("uio_x"))
}

func TestBindWithoutPrivilege(t *testing.T) {
	f := newFakeHostWithCard(t)
	f.broken["driver_override"] = unix.EACCES
	_, err := f.bind(card, false)
	require.ErrorContains(t, err, "uio: bind 0000:03:00.0: open driver_override: permission denied (run as root)")
	f.broken["driver_override"] = unix.EPERM
	_, err = f.bind(card, false)
	require.ErrorContains(t, err, "/sys/kernel/security/lockdown")
}

// The real thing, on files: an attribute is never created, nor cut short.
func TestWriteAttr(t *testing.T) {
	f := newFakeHost(t)
	require.ErrorIs(t, writeAttr(f.sys+"/new", "x"), os.ErrNotExist)
	f.put(f.sys+"/old", "abc")
	require.NoError(t, writeAttr(f.sys+"/old", "x"))
	text, err := readAttr(f.sys + "/old")
	require.NoError(t, err)
	require.Equal(t, "xbc", text)
}

package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/uio"
)

var someDevices = []uio.Info{
	{
		Address: "0000:03:00.0", Vendor: 0x8086, Device: 0x10D3, Driver: "e1000e", IOMMUGroup: "12", IOMMUType: "DMA",
		Interfaces: []uio.Interface{{Name: "enp3s0", MAC: "52:54:00:12:34:56", Addrs: []string{"192.0.2.1/24"}, Up: true, Link: true}},
	},
	{
		Address: "0000:04:00.0", Vendor: 0x15B3, Device: 0x1234, Driver: "mlx9_core",
		Interfaces: []uio.Interface{{Name: "p0", Up: true}, {Name: "p1"}},
	},
	{Address: "10000:05:00.1", Vendor: 0x8086, Device: 0x10D3},
}

func TestDevicesTable(t *testing.T) {
	var w strings.Builder
	writeDevices(&w, t.TempDir(), someDevices)
	require.Equal(t, `
ADDRESS        ID         DRIVER     NUMA  IOMMU     INTERFACES               USED BY  CARD
0000:03:00.0   8086:10d3  e1000e     -     12 (DMA)  enp3s0 (link up)         -        Intel 82574L
0000:04:00.0   15b3:1234  mlx9_core  -     -         p0 (no link), p1 (down)  -        -
10000:05:00.1  8086:10d3  -          -     -         -                        -        Intel 82574L
warning: `+iommuWarning(someDevices[0])+"\n", "\n"+w.String())
}

func TestDevicesJSON(t *testing.T) {
	var w strings.Builder
	require.NoError(t, writeDevicesJSON(&w, t.TempDir(), someDevices))
	require.JSONEq(t, `[
		{"address": "0000:03:00.0", "vendor": "8086", "device": "10d3", "name": "Intel 82574L", "driver": "e1000e",
		 "iommu_group": "12", "iommu_type": "DMA", "forwards": true, "warning": "`+iommuWarning(someDevices[0])+`", "numa_node": null, "uio": "", "used_by": [], "interfaces": [
			{"name": "enp3s0", "mac": "52:54:00:12:34:56", "addresses": ["192.0.2.1/24"], "up": true, "link": true}]},
		{"address": "0000:04:00.0", "vendor": "15b3", "device": "1234", "name": "", "driver": "mlx9_core",
		 "iommu_group": "", "iommu_type": "", "forwards": false, "warning": "", "numa_node": null, "uio": "", "used_by": [], "interfaces": [
			{"name": "p0", "mac": "", "addresses": [], "up": true, "link": false},
			{"name": "p1", "mac": "", "addresses": [], "up": false, "link": false}]},
		{"address": "10000:05:00.1", "vendor": "8086", "device": "10d3", "name": "Intel 82574L", "driver": "",
		 "iommu_group": "", "iommu_type": "", "forwards": true, "warning": "", "numa_node": null, "uio": "", "used_by": [], "interfaces": []}
	]`, w.String())

	w.Reset()
	require.NoError(t, writeDevicesJSON(&w, t.TempDir(), nil))
	require.Equal(t, "[]\n", w.String())
}

func TestNoDevices(t *testing.T) {
	require.Equal(t, "There is no PCI network card in this machine.", whyNoCards(t.TempDir()))
	require.Equal(t, "There is no /nowhere: this machine has no PCI bus, or sysfs is not mounted.", whyNoCards("/nowhere"))
}

func TestOnlyCardsWithADriverAreForwarded(t *testing.T) {
	require.NoError(t, checkDriver("forward", someDevices[0]))
	require.EqualError(t, checkDriver("forward", someDevices[1]),
		"forward: 0000:04:00.0 is a 15b3:1234: there is no driver for it here, only for 8086:10d3 (Intel 82574L)")
}

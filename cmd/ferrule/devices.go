package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ferrule-go/ferrule/nicring/uio"
)

func newDevices() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "List the PCI network cards",
		Long: `List the PCI network cards of this machine: address, vendor and device id,
kernel driver, NUMA node, IOMMU group, the interfaces that the driver has made of
the card with their links, or its UIO device and which processes have that open.
It needs no privileges, but only root sees the processes of others.`,
		Example: "  ferrule devices\n  ferrule devices --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cards, err := uio.List()
			if err != nil {
				return err
			}
			if asJSON {
				return writeDevicesJSON(cmd.OutOrStdout(), "/", cards)
			}
			if len(cards) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), whyNoCards("/sys/bus/pci/devices"))
				return err
			}
			return tell(cmd.OutOrStdout(), func(w io.Writer) { writeDevices(w, "/", cards) })
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, of an object for each card")
	return cmd
}

// whyNoCards tells a machine without cards from one that cannot be looked into.
func whyNoCards(sysfs string) string {
	if _, err := os.Stat(sysfs); err != nil {
		return fmt.Sprintf("There is no %s: this machine has no PCI bus, or sysfs is not mounted.", sysfs)
	}
	return "There is no PCI network card in this machine."
}

func writeDevices(w io.Writer, root string, cards []uio.Info) {
	rows := [][]string{{"ADDRESS", "ID", "DRIVER", "NUMA", "IOMMU", "INTERFACES", "USED BY", "CARD"}}
	for _, c := range cards {
		var interfaces []string
		for _, i := range c.Interfaces {
			interfaces = append(interfaces, i.Name+" ("+linkState(i)+")")
		}
		iommu := c.IOMMUGroup
		if c.IOMMUType != "" {
			iommu += " (" + c.IOMMUType + ")"
		}
		around := lookAround(root, c.Address)
		driver, numa := c.Driver, ""
		if around.UIO != "" {
			driver += " (" + around.UIO + ")"
		}
		if around.NUMANode != nil {
			numa = fmt.Sprint(*around.NUMANode)
		}
		var users []string
		for _, p := range around.UsedBy {
			users = append(users, fmt.Sprintf("%s (%d)", p.Name, p.PID))
		}
		row := []string{c.Address, ids(c.Vendor, c.Device), driver, numa, iommu, strings.Join(interfaces, ", "), strings.Join(users, ", "), cardNames[ids(c.Vendor, c.Device)]}
		for i := range row {
			if row[i] == "" {
				row[i] = "-"
			}
		}
		rows = append(rows, row)
	}
	writeTable(w, rows, false)
	for _, c := range cards {
		if warning := iommuWarning(c); warning != "" {
			fmt.Fprintln(w, "warning:", warning)
		}
	}
}

func linkState(i uio.Interface) string {
	switch {
	case i.Link:
		return "link up"
	case i.Up:
		return "no link"
	}
	return "down"
}

// A device is a card in the output of devices --json. Its keys do not change
// their meaning; new ones may be added.
type device struct {
	Address    string         `json:"address"`
	Vendor     string         `json:"vendor"` // hexadecimal, four digits
	Device     string         `json:"device"` // the same
	Name       string         `json:"name"`   // "" if it is not known here
	Driver     string         `json:"driver"` // "" for none
	IOMMUGroup string         `json:"iommu_group"`
	IOMMUType  string         `json:"iommu_type"`
	Forwards   bool           `json:"forwards"` // there is a driver here for it
	Warning    string         `json:"warning"`  // why not nevertheless; "" if it can be driven
	Interfaces []netInterface `json:"interfaces"`
	surroundings
}

type netInterface struct {
	Name      string   `json:"name"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses"`
	Up        bool     `json:"up"`
	Link      bool     `json:"link"`
}

func writeDevicesJSON(w io.Writer, root string, cards []uio.Info) error {
	devices := []device{}
	for _, c := range cards {
		d := device{
			Address:    c.Address,
			Vendor:     fmt.Sprintf("%04x", c.Vendor),
			Device:     fmt.Sprintf("%04x", c.Device),
			Name:       cardNames[ids(c.Vendor, c.Device)],
			Driver:     c.Driver,
			IOMMUGroup: c.IOMMUGroup,
			IOMMUType:  c.IOMMUType,
			Forwards:   hasDriver(c),
			Warning:    iommuWarning(c),

			surroundings: lookAround(root, c.Address),
			Interfaces:   []netInterface{},
		}
		for _, i := range c.Interfaces {
			d.Interfaces = append(d.Interfaces, netInterface{i.Name, i.MAC, append([]string{}, i.Addrs...), i.Up, i.Link})
		}
		devices = append(devices, d)
	}
	return writeJSON(w, devices)
}

// cardNames are cards that one often meets, by their ids.
var cardNames = map[string]string{
	"1022:2000": "AMD PCnet-PCI",
	"10ec:8139": "Realtek RTL8139",
	"10ec:8168": "Realtek RTL8111/8168",
	"14e4:165f": "Broadcom BCM5720",
	"15ad:07b0": "VMware vmxnet3",
	"15b3:1015": "Mellanox ConnectX-4 Lx",
	"15b3:1017": "Mellanox ConnectX-5",
	"1af4:1000": "virtio, transitional",
	"1af4:1041": "virtio",
	"1d0f:ec20": "Amazon ENA",
	"8086:100e": "Intel 82540EM",
	"8086:100f": "Intel 82545EM",
	"8086:10d3": "Intel 82574L",
	"8086:10fb": "Intel 82599",
	"8086:1209": "Intel 8255x",
	"8086:1521": "Intel I350",
	"8086:1533": "Intel I210",
	"8086:1572": "Intel X710",
	"8086:1592": "Intel E810-C",
	"8086:15f3": "Intel I225-V",
}

func ids(vendor, device uint16) string { return fmt.Sprintf("%04x:%04x", vendor, device) }

// describe gives the ids of a card, and its name if it has one here.
func describe(vendor, device uint16) string {
	id := ids(vendor, device)
	if name, ok := cardNames[id]; ok {
		return id + " (" + name + ")"
	}
	return id
}

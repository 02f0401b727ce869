package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ferrule-go/ferrule/nicring/uio"
)

// Surroundings are what Linux knows of a card beside what it is.
type surroundings struct {
	NUMANode *int      `json:"numa_node"` // null where there is one node for all
	UIO      string    `json:"uio"`       // as /dev/uio0, "" without
	UsedBy   []process `json:"used_by"`   // those that have UIO open and may be looked into
}

// A process is one that runs.
type process struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
}

// lookAround reads what is around a card from sysfs and proc, mounted at root.
func lookAround(root, address string) surroundings {
	s := surroundings{UsedBy: []process{}}
	card := filepath.Join(root, "sys/bus/pci/devices", address)
	if node, err := strconv.Atoi(readLine(filepath.Join(card, "numa_node"))); err == nil && node >= 0 {
		s.NUMANode = &node
	}
	if found, _ := filepath.Glob(filepath.Join(card, "uio/uio*")); len(found) > 0 {
		s.UIO = "/dev/" + filepath.Base(found[0])
		s.UsedBy = whoHasOpen(root, s.UIO)
	}
	return s
}

// whoHasOpen returns the processes that have a file open. Those of other users
// only root can see.
func whoHasOpen(root, name string) []process {
	found := []process{}
	links, _ := filepath.Glob(filepath.Join(root, "proc/[0-9]*/fd/*"))
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != name {
			continue
		}
		dir := filepath.Dir(filepath.Dir(link))
		pid, _ := strconv.Atoi(filepath.Base(dir))
		if !slices.ContainsFunc(found, func(p process) bool { return p.PID == pid }) {
			found = append(found, process{pid, readLine(filepath.Join(dir, "comm"))})
		}
	}
	return found
}

func readLine(name string) string {
	text, _ := os.ReadFile(name)
	return strings.TrimSpace(string(text))
}

// iommuWarning says what is wrong with the IOMMU of a card that could be driven
// here; "" if nothing is.
func iommuWarning(c uio.Info) string {
	if !hasDriver(c) || c.IOMMUGroup == "" || c.IOMMUType == "identity" {
		return ""
	}
	return fmt.Sprintf("%s: an IOMMU translates its addresses (group %s, %s), so it cannot be driven from here: boot with iommu=pt, or write identity to /sys/kernel/iommu_groups/%s/type while no driver has it",
		c.Address, c.IOMMUGroup, c.IOMMUType, c.IOMMUGroup)
}

// completeCards offers the addresses of cards that can be driven here, and are not
// on the command line yet.
func completeCards(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		cards, err := uio.List()
		if err != nil || most > 0 && len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return cardCompletions(cards, args), cobra.ShellCompDirectiveNoFileComp
	}
}

func cardCompletions(cards []uio.Info, args []string) (offered []cobra.Completion) {
	for _, c := range cards {
		if hasDriver(c) && !slices.Contains(args, c.Address) {
			driver := c.Driver
			if driver == "" {
				driver = "no driver"
			}
			offered = append(offered, cobra.CompletionWithDesc(c.Address, describe(c.Vendor, c.Device)+", "+driver))
		}
	}
	return offered
}

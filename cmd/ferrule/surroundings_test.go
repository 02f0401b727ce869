package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/uio"
)

func TestLookAround(t *testing.T) {
	root := t.TempDir()
	write := func(name, text string) {
		name = filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	}
	const a, b = "0000:03:00.0", "0000:04:00.0"
	write("sys/bus/pci/devices/"+a+"/numa_node", "1\n")
	write("sys/bus/pci/devices/"+a+"/uio/uio4/name", "uio_pci_generic\n")
	write("sys/bus/pci/devices/"+b+"/numa_node", "-1\n")
	for pid, to := range map[string]string{"77": "/dev/uio4", "78": "/dev/uio40"} {
		write("proc/"+pid+"/comm", "program"+pid+"\n")
		require.NoError(t, os.Mkdir(filepath.Join(root, "proc", pid, "fd"), 0o755))
		for _, fd := range []string{"3", "4"} {
			require.NoError(t, os.Symlink(to, filepath.Join(root, "proc", pid, "fd", fd)))
		}
	}
	require.Equal(t, surroundings{NUMANode: new(1), UIO: "/dev/uio4", UsedBy: []process{{77, "program77"}}}, lookAround(root, a))
	require.Equal(t, surroundings{UsedBy: []process{}}, lookAround(root, b))
	require.Equal(t, surroundings{UsedBy: []process{}}, lookAround(root, "0000:09:00.0"))
}

func TestIOMMUWarning(t *testing.T) {
	require.Equal(t, "0000:03:00.0: an IOMMU translates its addresses (group 12, DMA), so it cannot be driven from here: boot with iommu=pt, or write identity to /sys/kernel/iommu_groups/12/type while no driver has it",
		iommuWarning(someDevices[0]))
	passed := someDevices[0]
	passed.IOMMUType = "identity"
	require.Empty(t, iommuWarning(passed))
	require.Empty(t, iommuWarning(someDevices[2]), "there is no IOMMU")
	other := someDevices[1]
	other.IOMMUGroup, other.IOMMUType = "1", "DMA"
	require.Empty(t, iommuWarning(other), "there is no driver for it anyway")
}

func TestCompletionOfAddresses(t *testing.T) {
	require.Equal(t, []cobra.Completion{
		"0000:03:00.0\t8086:10d3 (Intel 82574L), e1000e",
		"10000:05:00.1\t8086:10d3 (Intel 82574L), no driver",
	}, cardCompletions(someDevices, nil))
	require.Len(t, cardCompletions(someDevices, []string{"0000:03:00.0"}), 1)
	require.Empty(t, cardCompletions([]uio.Info{someDevices[1]}, nil))
}

//go:build amd64 || arm64

package uio

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestMemoryOfNoSizePanics(t *testing.T) {
	for _, size := range []int{0, -PageSize, PageSize - 1} {
		require.Panics(t, func() { NewMemory(size) }, "%d", size)
	}
}

// More than any machine has.
func TestTooFewHugePages(t *testing.T) {
	f := newFakeHost(t)
	pool := f.sys + "/kernel/mm/hugepages/hugepages-2048kB/"
	f.put(pool+"nr_hugepages", "8")
	f.put(pool+"free_hugepages", "4")
	f.put(pool+"resv_hugepages", "1")
	_, err := f.newMemory(32 << 40)
	require.EqualError(t, err, "uio: allocate 33554432 MiB of 2 MiB pages: want 16777216 pages, 3 of 8 are free "+
		"(echo 16777221 > "+pool+"nr_hugepages)")

	f.put(pool+"free_hugepages", "16777217")
	_, err = f.newMemory(32 << 40)
	require.EqualError(t, err, "uio: allocate 33554432 MiB of 2 MiB pages: cannot allocate memory")
}

// putPagemap makes the entry of a page, in a file that is huge and empty but for
// that.
func (f *fakeHost) putPagemap(mem []byte, entry uint64) {
	require.NoError(f.t, os.MkdirAll(f.proc+"/self", 0755))
	file, err := os.OpenFile(f.proc+"/self/pagemap", os.O_RDWR|os.O_CREATE, 0644)
	require.NoError(f.t, err)
	defer file.Close()
	_, err = file.WriteAt(binary.NativeEndian.AppendUint64(nil, entry), int64(addressOf(mem))/int64(os.Getpagesize())*8)
	require.NoError(f.t, err)
}

func TestBusAddresses(t *testing.T) {
	f := newFakeHost(t)
	mem, err := unix.Mmap(-1, 0, 2*PageSize, unix.PROT_NONE, unix.MAP_ANON|unix.MAP_PRIVATE)
	require.NoError(t, err)
	defer unix.Munmap(mem)
	small := uint64(os.Getpagesize())

	_, err = f.busAddresses(mem)
	require.EqualError(t, err, "open "+f.proc+"/self/pagemap: no such file or directory")

	const flags = 0x81 << 56 // present, and a bit that is not of the frame number
	f.putPagemap(mem, flags|0x200)
	f.putPagemap(mem[PageSize:], flags|(1<<55-0x200))
	bus, err := f.busAddresses(mem)
	require.NoError(t, err)
	require.Equal(t, []uint64{0x200 * small, (1<<55 - 0x200) * small}, bus)

	f.putPagemap(mem[PageSize:], flags)
	_, err = f.busAddresses(mem)
	require.EqualError(t, err, f.proc+"/self/pagemap hides physical addresses (run as root, or with CAP_SYS_ADMIN)")

	f.putPagemap(mem[PageSize:], 0x200)
	_, err = f.busAddresses(mem)
	require.EqualError(t, err, "page 1 of 2 is not in memory (is there a limit on huge pages? see hugetlb in cgroups(7))")
}

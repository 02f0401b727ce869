//go:build amd64 || arm64

package uio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// Memory is memory that cards can reach. It stays at its bus addresses: huge
// pages are neither swapped nor, in normal operation, moved.
//
// It is a file without a name. Its pages outlive the mapping, and are freed when
// the descriptor is closed: on a sudden end, after those of the cards. Hence the
// descriptor is a bare number that no finalizer closes.
type Memory struct {
	fd     int
	region pktbuf.Region
}

const pageKiB = PageSize >> 10

func (h host) newMemory(size int) (*Memory, error) {
	m := &Memory{fd: -1}
	if err := m.acquire(h, size); err != nil {
		return nil, fmt.Errorf("uio: allocate %d MiB of %d MiB pages: %w", size>>20, PageSize>>20, err)
	}
	return m, nil
}

// acquire makes the file and maps it, or does nothing.
func (m *Memory) acquire(h host, size int) (err error) {
	defer func() {
		if err != nil {
			m.free()
		}
	}()
	m.fd, err = unix.MemfdCreate("ferrule", unix.MFD_CLOEXEC|unix.MFD_HUGETLB|unix.MFD_HUGE_2MB)
	if err != nil {
		return fmt.Errorf("create a file: %w (the kernel needs huge pages of %d KiB)", err, pageKiB)
	}
	if m.fd >= cardFD {
		return fmt.Errorf("descriptor %d, want less than %d (too many open files)", m.fd, cardFD)
	}
	if err := unix.Ftruncate(m.fd, int64(size)); err != nil {
		return err
	}
	m.region.Bytes, err = unix.Mmap(m.fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if errors.Is(err, unix.ENOMEM) {
		return h.tooFew(size / PageSize)
	}
	if err != nil {
		return err
	}
	m.region.PageSize = PageSize
	m.region.Bus, err = h.busAddresses(m.region.Bytes)
	return err
}

// tooFew says how many huge pages there are, and how to have more.
func (h host) tooFew(want int) error {
	pool := filepath.Join(h.sys, fmt.Sprintf("kernel/mm/hugepages/hugepages-%dkB", pageKiB))
	read := func(name string) int {
		text, _ := readAttr(filepath.Join(pool, name))
		n, _ := strconv.Atoi(text)
		return n
	}
	all := read("nr_hugepages")
	free := read("free_hugepages") - read("resv_hugepages")
	if free >= want {
		return unix.ENOMEM // for another reason
	}
	return fmt.Errorf("want %d pages, %d of %d are free (echo %d > %s/nr_hugepages)", want, free, all, all+want-free, pool)
}

// busAddresses returns the physical address of each huge page.
func (h host) busAddresses(mem []byte) ([]uint64, error) {
	const (
		present = 1 << 63
		frame   = 1<<55 - 1
		entry   = 8
	)
	pagemap, err := os.Open(filepath.Join(h.proc, "self/pagemap"))
	if err != nil {
		return nil, privileged(err)
	}
	defer pagemap.Close()
	small := uint64(os.Getpagesize())
	bus := make([]uint64, len(mem)/PageSize)
	for i := range bus {
		at := uint64(addressOf(mem[i*PageSize:]))
		var e [entry]byte
		if _, err := pagemap.ReadAt(e[:], int64(at/small*entry)); err != nil {
			return nil, err
		}
		switch v := binary.NativeEndian.Uint64(e[:]); {
		case v&present == 0:
			return nil, fmt.Errorf("page %d of %d is not in memory (is there a limit on huge pages? see hugetlb in cgroups(7))", i, len(bus))
		case v&frame == 0:
			return nil, fmt.Errorf("%s hides physical addresses (run as root, or with CAP_SYS_ADMIN)", pagemap.Name())
		default:
			bus[i] = v & frame * small
		}
	}
	return bus, nil
}

// Region describes the memory to the code that cuts it up.
func (m *Memory) Region() pktbuf.Region { return m.region }

// Close frees the memory. It refuses while a Device is open, which might write
// there.
func (m *Memory) Close() error {
	opened.Lock()
	defer opened.Unlock()
	for d := range opened.devices {
		return fmt.Errorf("uio: free memory: card %s is open and might write there (close it first)", d)
	}
	if err := m.free(); err != nil {
		return fmt.Errorf("uio: free memory: %w", err)
	}
	return nil
}

func (m *Memory) free() (err error) {
	if m.region.Bytes != nil {
		err = unix.Munmap(m.region.Bytes)
	}
	if m.fd >= 0 {
		err = errors.Join(err, unix.Close(m.fd))
	}
	m.fd, m.region = -1, pktbuf.Region{}
	return err
}

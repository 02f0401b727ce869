package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Counters are a card's own, of all frames received and sent: its registers TPR
// and TPT (82574L data sheet, 10.2.7.36 and 10.2.7.37), which a read clears. No
// driver needs them while it forwards.
type counters struct{ received, sent *uint32 }

func openCounters(address string) (counters, error) {
	const tpr, tpt, size = 0x40D0, 0x40D4, 0x5000
	f, err := os.OpenFile(filepath.Join("/sys/bus/pci/devices", address, "resource0"), os.O_RDWR, 0)
	if err != nil {
		return counters{}, err
	}
	defer f.Close()
	registers, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return counters{}, fmt.Errorf("map %s: %w", f.Name(), err)
	}
	at := func(register int) *uint32 { return (*uint32)(unsafe.Pointer(&registers[register])) }
	return counters{at(tpr), at(tpt)}, nil
}

// take returns what the card has counted since the last time.
func (c counters) take() (sent, received uint32) {
	return atomic.LoadUint32(c.sent), atomic.LoadUint32(c.received)
}

package sched

// LineSize is that of internal/cpu.
const LineSize = 128

// A Pad is that of internal/cpu.
type Pad [LineSize]byte

// FetchLimit is that of internal/cpu.
const FetchLimit = 16 << 10

// Pause does nothing.
func Pause(uint32) {}

// Prefetch does nothing.
func Prefetch(addr, size uintptr) {}

// PrefetchWrite does nothing.
func PrefetchWrite(addr, size uintptr) {}

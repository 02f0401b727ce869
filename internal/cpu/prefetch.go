package cpu

// FetchLimit is the most that one Prefetch asks for: half of a first-level cache.
const FetchLimit = 16 << 10

// Prefetch asks for the lines of size bytes at addr, all at once, since they will
// be read. It is advice: it waits for none of them, orders nothing, and an address
// that is stale or wrong does no harm. Of more than FetchLimit bytes it asks for
// the first.
func Prefetch(addr, size uintptr) { prefetch(addr, lines(addr, size)) }

// PrefetchWrite is Prefetch for lines that will be written, and takes them from
// the processor that has them.
func PrefetchWrite(addr, size uintptr) { prefetchWrite(addr, lines(addr, size)) }

// lines returns how many lines of 64 bytes, the smallest there are, size bytes at
// addr lie in.
func lines(addr, size uintptr) uintptr {
	if size == 0 {
		return 0
	}
	return (addr%64 + min(size, FetchLimit) + 63) / 64
}

package cpu_test

import (
	"math"
	"testing"
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// Advice changes nothing and faults nowhere: not at an address that nothing is
// mapped at, not over the end of the address space, not for no bytes.
func TestPrefetchIsHarmless(t *testing.T) {
	var block [4096]byte
	for i := range block {
		block[i] = byte(i)
	}
	addr := uintptr(unsafe.Pointer(&block))
	for _, fetch := range []func(addr, size uintptr){cpu.Prefetch, cpu.PrefetchWrite} {
		for _, size := range []uintptr{0, 1, 63, 64, 4096, 1 << 20, math.MaxUint} {
			fetch(addr, size)
			fetch(addr+17, size)
			fetch(0, size)
			fetch(8, size)
			fetch(math.MaxUint-100, size)
		}
	}
	for i := range block {
		if block[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, block[i])
		}
	}
}

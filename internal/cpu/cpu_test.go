package cpu_test

import (
	"runtime"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	syscpu "golang.org/x/sys/cpu"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

func TestLineSize(t *testing.T) {
	require.EqualValues(t, 0, cpu.LineSize&(cpu.LineSize-1), "a power of two")
	require.GreaterOrEqual(t, cpu.LineSize, 64)
	require.GreaterOrEqual(t, cpu.LineSize, int(unsafe.Sizeof(syscpu.CacheLinePad{})))
	if runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64" {
		require.GreaterOrEqual(t, cpu.LineSize, 128, "two lines are fetched together")
	}
}

// A pad keeps its neighbours apart at any base address, and the compiler leaves
// a last one in place.
func TestPadKeepsDistance(t *testing.T) {
	var s struct {
		a uint64
		_ cpu.Pad
		b uint64
		_ cpu.Pad
	}
	require.GreaterOrEqual(t, unsafe.Offsetof(s.b)-unsafe.Offsetof(s.a)-unsafe.Sizeof(s.a), uintptr(cpu.LineSize))
	require.GreaterOrEqual(t, unsafe.Sizeof(s)-unsafe.Offsetof(s.b)-unsafe.Sizeof(s.b), uintptr(cpu.LineSize))
}

// A loop that tested its count too late would go round 2³² times for 0.
func TestPauseComesBack(t *testing.T) {
	for n := range uint32(65) {
		cpu.Pause(n)
	}
}

func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		cpu.Pause(1)
	}
}

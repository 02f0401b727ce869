package spsc

import (
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// Small arrays would lie side by side, and rings that have nothing to do with
// one another would slow each other down.
func TestSlotsKeepDistanceFromForeignMemory(t *testing.T) {
	for _, capacity := range []int{1, 4, 512} {
		var spans [][2]uintptr
		var rings []*Ring[*int] // all alive, or the next would take the place of one collected
		for range 100 {
			rings = append(rings, New[*int](capacity))
			slots := rings[len(rings)-1].slots
			first := uintptr(unsafe.Pointer(&slots[0]))
			spans = append(spans, [2]uintptr{first, first + uintptr(capacity)*unsafe.Sizeof(slots[0])})
		}
		slices.SortFunc(spans, func(a, b [2]uintptr) int { return int(a[0] - b[0]) })
		for i := range len(spans) - 1 {
			require.GreaterOrEqual(t, int(spans[i+1][0]-spans[i][1]), cpu.LineSize)
		}
		runtime.KeepAlive(rings)
	}
}

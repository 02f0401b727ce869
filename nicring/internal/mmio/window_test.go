//go:build amd64 || arm64

package mmio_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/internal/mmio"
)

func TestRegistersAreLittleEndianWords(t *testing.T) {
	mem := []byte{0: 0xEE, 1: 0xEE, 2: 0xEE, 3: 0xEE, 4: 0x78, 5: 0x56, 6: 0x34, 7: 0x82, 8: 0xEE, 11: 0xEE}
	w := mmio.NewWindow(mem)

	require.Equal(t, uint32(0x82345678), w.Read32(4))
	w.Write32(4, 0xFEDCBA98)
	require.Equal(t, []byte{0xEE, 0xEE, 0xEE, 0xEE, 0x98, 0xBA, 0xDC, 0xFE, 0xEE, 0, 0, 0xEE}, mem)
	w.Write32(8, 1)
	require.Equal(t, uint32(1), w.Read32(8), "the last register")
}

func TestMisusePanics(t *testing.T) {
	mem := make([]byte, 16)
	w := mmio.NewWindow(mem[:15])
	for offset, text := range map[uint32]string{
		2:          "mmio: register at offset 0x2: want a multiple of 4 in a window of 0xf bytes",
		12:         "mmio: register at offset 0xc: want a multiple of 4 in a window of 0xf bytes",
		16:         "mmio: register at offset 0x10: want a multiple of 4 in a window of 0xf bytes",
		0xFFFFFFFC: "mmio: register at offset 0xfffffffc: want a multiple of 4 in a window of 0xf bytes",
	} {
		require.PanicsWithValue(t, text, func() { w.Read32(offset) })
		require.PanicsWithValue(t, text, func() { w.Write32(offset, 1) })
	}
	require.Equal(t, make([]byte, 16), mem, "nothing was written")
	require.Panics(t, func() { mmio.Window{}.Read32(0) })
	require.Panics(t, func() { mmio.NewWindow(mem[1:]) })
}

func TestAccessesDoNotAllocate(t *testing.T) {
	w := mmio.NewWindow(make([]byte, 8))
	require.Zero(t, testing.AllocsPerRun(100, func() {
		w.Write32(4, w.Read32(0)+1)
		mmio.WriteBarrier()
		mmio.ReadBarrier()
	}))
}

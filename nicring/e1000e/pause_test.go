package e1000e_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// testPauseRegisters compares what the card was told with what the data sheet
// asks for. That of QEMU keeps the registers, and acts on none of them.
func testPauseRegisters(t *testing.T, r *rig) {
	const (
		ctrl, rfce, tfce             = 0, 1 << 27, 1 << 28
		fcal, fcah, fct              = 0x28, 0x2C, 0x30
		pba                          = 0x1000
		fcttv, fcrtl, fcrth, xone    = 0x170, 0x2160, 0x2168, 1 << 31
		half, lessTwoOfTheLongest    = 16 << 10, 21<<10 - 2*9234
		obey, send                   = nicring.PauseObey, nicring.PauseSend
		addressLow, addressHigh, typ = 0x00C28001, 0x0100, 0x8808
	)
	for _, c := range []struct {
		pause      nicring.Pause
		max        int
		bits, high uint32
	}{
		{0, 0, 0, 0}, {obey, 0, rfce, 0}, {send, 0, tfce, half}, {obey | send, 9230, rfce | tfce, lessTwoOfTheLongest &^ 7},
	} {
		d := r.open(t, func(cfg *e1000e.Config) { cfg.Pause, cfg.MaxFrame = c.pause, c.max })
		read := r.card.Read32
		require.Equal(t, c.bits, read(ctrl)&(rfce|tfce))
		require.Equal(t, map[int]uint32{0: 32, 9230: 21}[c.max], read(pba)&0xFFFF)
		if c.pause != 0 {
			require.Equal(t, []uint32{addressLow, addressHigh, typ, 0xFFFF}, []uint32{read(fcal), read(fcah), read(fct), read(fcttv)})
		}
		if c.high != 0 {
			require.Equal(t, c.high, read(fcrth))
			require.Equal(t, c.high/2&^7|xone, read(fcrtl))
		}
		d.send(r.frame(1, 100))
		d.sent(1)
		d.close()
	}
}

// TestPauseLosesNothing has a card send more than the other's ring holds, while
// nobody receives. The other asks for a pause, and takes it back when it has room.
func TestPauseLosesNothing(t *testing.T) {
	memory := nictest.NewMemory(16 << 20)
	region := memory.Region()
	half := len(region.Bytes) / 2
	var desks [2]*desk
	var cards [2]*nictest.Card
	for i := range desks {
		cards[i] = nictest.New(memory, nictest.Options{Name: "card", MAC: nicring.MAC{0: 2, 5: byte(i)}})
		cards[i].Check(t)
	}
	nictest.Link(cards[0], cards[1])
	for i := range desks {
		part := pktbuf.Region{Bytes: region.Bytes[i*half:][:half], PageSize: region.PageSize, Bus: region.Bus[i*len(region.Bus)/2:][:len(region.Bus)/2]}
		r := &rig{card: cards[i], region: part, mac: nicring.MAC{0: 2, 5: byte(i)}}
		desks[i] = r.open(t, func(c *e1000e.Config) {
			c.RxRing = 8
			c.Pause = nicring.PauseObey | nicring.PauseSend
			c.Filter.Promiscuous = true
		})
	}
	from, to := desks[0], desks[1]
	const n = 80 // of 404 octets: past the mark, and into the whole packet buffer should a pause end early
	var sent [][]byte
	for i := range n {
		sent = append(sent, from.rig.frame(i, 400))
	}
	from.send(sent[:ringSize-1]...)
	from.send(sent[ringSize-1:]...)
	require.EqualValues(t, 1, to.stat("tx_xoff"))
	require.EqualValues(t, 1, from.stat("rx_xoff"))
	require.Equal(t, sent, to.recv(n, 4))
	require.EqualValues(t, 1, to.stat("tx_xon"))
	require.EqualValues(t, 1, from.stat("rx_xon"))
	stats, err := to.port.Stats()
	require.NoError(t, err)
	require.Zero(t, stats.RxMissed)
	require.Zero(t, from.stat("resets"))
}

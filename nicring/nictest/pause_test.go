package nictest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

const (
	FCAL, FCAH, FCT, FCTTV, FCRTL, FCRTH = 0x28, 0x2C, 0x30, 0x170, 0x2160, 0x2168
	XONRXC, XONTXC, XOFFRXC, XOFFTXC     = 0x4048, 0x404C, 0x4050, 0x4054
	FCRUC, IAC                           = 0x4058, 0x4100

	RFCE, TFCE = 0x08000000, 0x10000000
	TXOFF      = 0x10
)

// pauseFrame asks for a pause, as IEEE 802.3 has it.
func pauseFrame(opcode byte, quanta uint16) []byte {
	f := make([]byte, 60)
	copy(f, "\x01\x80\xC2\x00\x00\x01"+mac+"\x88\x08\x00")
	f[15] = opcode
	f[16], f[17] = byte(quanta>>8), byte(quanta)
	return f
}

func (d *tiny) startPause(bits uint32) {
	d.Write32(FCAL, 0x00C28001)
	d.Write32(FCAH, 0x0100)
	d.Write32(FCT, 0x8808)
	d.Write32(FCTTV, 0x1234)
	d.Write32(FCRTH, 1000)
	d.Write32(FCRTL, 500&^7|1<<31)
	d.Write32(CTRL, d.Read32(CTRL)|bits)
}

func TestPauseIsObeyed(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.Deliver(pauseFrame(1, 0xFFFF))
	require.Zero(t, d.Read32(STATUS)&TXOFF, "not without RFCE")
	d.startPause(RFCE)
	for range 3 {
		d.Deliver(pauseFrame(1, 0xFFFF))
		require.NotZero(t, d.Read32(STATUS)&TXOFF)
		d.send(frame(mac, 60, 0))
		d.Deliver(pauseFrame(1, 0))
		require.Zero(t, d.Read32(STATUS)&TXOFF)
	}
	require.Len(t, got(), 3)
	require.EqualValues(t, 3, d.Read32(XOFFRXC))
	require.EqualValues(t, 3, d.Read32(XONRXC))
	d.Deliver(pauseFrame(2, 5))
	require.EqualValues(t, 1, d.Read32(FCRUC))
	require.EqualValues(t, 1, d.Read32(RDH), "the program sees the first one only")

	d.Deliver(pauseFrame(1, 0xFFFF))
	d.send(frame(mac, 60, 0))
	require.Eventually(t, func() bool { return len(got()) == 1 }, 20*time.Second, time.Millisecond, "a pause ends by itself")
}

func TestPauseIsAskedFor(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.startPause(TFCE)
	for i := range 7 + 15 {
		d.Deliver(frame(mac, 60, byte(i)))
	}
	require.Empty(t, got(), "15 frames of 64 octets are less than 1000")
	d.Deliver(frame(mac, 60, 0))
	d.Deliver(frame(mac, 60, 0))
	require.Equal(t, [][]byte{pauseFrame(1, 0x1234)}, got(), "and one request is enough")
	for range 10 {
		require.NotNil(t, d.recv())
	}
	require.Equal(t, [][]byte{pauseFrame(1, 0)}, got())
	require.EqualValues(t, 1, d.Read32(XOFFTXC))
	require.EqualValues(t, 1, d.Read32(XONTXC))
}

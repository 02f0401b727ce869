package nictest_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/nictest"
)

// readNVM reads a word the way a driver must.
func (d *tiny) readNVM(word uint32) uint16 {
	d.Write32(EERD, word<<2|1)
	for range 100 {
		if v := d.Read32(EERD); v&2 != 0 {
			return uint16(v >> 16)
		}
	}
	d.Fatalf("EERD.DONE is not set")
	return 0
}

// reset resets the card the way a driver must.
func (d *tiny) reset() {
	d.Write32(CTRL, d.Read32(CTRL)|1<<26)
	d.until(CTRL, 1<<26, 0)
	d.until(EECD, 1<<9, 1<<9)
}

func (d *tiny) until(reg, mask, want uint32) {
	for range 100 {
		if d.Read32(reg)&mask == want {
			return
		}
	}
	d.Fatalf("register %#x: bits %#x do not become %#x", reg, mask, want)
}

func TestResetState(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{MAC: nicring.MAC{2, 3, 4, 5, 6, 7}})
	d.Check(t)
	d.Write32(IMS, 0xD7)
	d.Deliver(frame("\x02\x03\x04\x05\x06\x07", 60, 0))
	d.reset()
	for reg, want := range map[uint32]uint32{
		CTRL: 0x00100201, CTRLEXT: 0, RCTL: 0, TCTL: 0, RFCTL: 0, PBA: 0x00080020,
		RDBAL: 0, RDBAH: 0, RDLEN: 0, RDH: 0, RDT: 0,
		TDBAL: 0, TDBAH: 0, TDLEN: 0, TDH: 0, TDT: 0,
		ICR: 0, IMS: 0, GPRC: 0, STATUS: 0x00080081,
		RAL: 0x05040302, RAH: 0x80000706, RAL + 8: 0, RAH + 8: 0,
	} {
		require.Equal(t, want, d.Read32(reg), "register %#x", reg)
	}
}

func TestResetTakesTime(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.Write32(CTRL, 1<<26)
	require.NotZero(t, d.Read32(CTRL)&(1<<26), "RST is set at first")
	d.Write32(RCTL, BAM)
	require.Contains(t, d.Violations()[0], "write of 0x8000 to RCTL while CTRL.RST is set")
	d.Read32(IMS)
	require.Contains(t, d.Violations()[1], "read of IMS while CTRL.RST is set")
	d.until(CTRL, 1<<26, 0)
	require.Zero(t, d.Read32(RCTL), "what was written during the reset is lost")

	require.Zero(t, d.Read32(EECD)&(1<<9), "AUTO_RD is clear at first")
	require.Zero(t, d.Read32(RAL))
	require.Contains(t, d.Violations()[2], "read of RAL[0] before EECD.AUTO_RD")
	d.until(EECD, 1<<9, 1<<9)
	require.NotZero(t, d.Read32(RAL))
	require.Len(t, d.Violations(), 3)
}

func TestResetEndsWithAConfigurationCycle(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.Check(t)
	d.Write32(CTRL, 1<<26)
	require.NoError(t, d.SetBusMaster(false))
	require.Zero(t, d.Read32(CTRL)&(1<<26))
}

// TestTablesAreUndefinedAtPowerUp: a driver that forgets to clear MTA receives
// frames for others.
func TestTablesAreUndefinedAtPowerUp(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	require.NotZero(t, d.Read32(MTA))
	d.Write32(MTA, 0)
	d.reset()
	require.Zero(t, d.Read32(MTA), "a reset leaves the table alone")
}

func TestNVM(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{MAC: nicring.MAC{2, 3, 4, 5, 6, 7}})
	require.EqualValues(t, 0x0302, d.readNVM(0))
	require.EqualValues(t, 0x0504, d.readNVM(1))
	require.EqualValues(t, 0x0706, d.readNVM(2))
	require.EqualValues(t, 0x10D3, d.readNVM(0x0D))
	sum := uint16(0)
	for i := range uint32(0x40) {
		sum += d.readNVM(i)
	}
	require.EqualValues(t, 0xBABA, sum)
	require.EqualValues(t, 0xFFFF, d.readNVM(0x3FFF))
	require.Empty(t, d.Violations())

	d.Write32(EERD, 1)
	require.EqualValues(t, 1, d.Read32(EERD), "neither DONE nor data at first")
	d.Write32(EERD, 1)
	require.Contains(t, d.Violations()[0], "the read before is not done")

	given := newStopped(t, 8, nictest.Options{NVM: []uint16{0x1111, 0x2222, 0x3333}})
	require.EqualValues(t, 0x2222, given.readNVM(1))
	require.Equal(t, uint32(0x33332222), given.Read32(RAH)<<16|given.Read32(RAL)>>16)
	require.Panics(t, func() { nictest.New(nictest.NewMemory(2<<20), nictest.Options{NVM: make([]uint16, 1025)}) })
}

func TestLinkNeedsCableAndDriver(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	up := func() bool { return d.Read32(STATUS)&2 != 0 }
	require.False(t, up(), "before SLU")
	d.Write32(CTRL, d.Read32(CTRL)|0x40)
	require.True(t, up())
	require.NotZero(t, d.Read32(ICR)&4, "LSC")
	d.SetLink(false)
	require.False(t, up())
	require.NotZero(t, d.Read32(ICR)&4, "LSC")
	d.SetLink(false)
	require.Zero(t, d.Read32(ICR)&4, "no change, no LSC")
	d.SetLink(true)
	require.True(t, up())
}

func TestLinkGoesDownAtBothEnds(t *testing.T) {
	a, b := newTiny(t, 8, nictest.Options{}), newTiny(t, 8, nictest.Options{})
	nictest.Link(a.Card, b.Card)
	a.SetLink(false)
	require.Zero(t, b.Read32(STATUS)&2)
	b.SetLink(true)
	require.NotZero(t, a.Read32(STATUS)&2)
}

func TestMasterDisable(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	d.Write32(CTRL, d.Read32(CTRL)|4)
	require.NotZero(t, d.Read32(STATUS)&(1<<19), "accesses under way")
	d.until(STATUS, 1<<19, 0)
	d.Deliver(frame(mac, 60, 1))
	require.Nil(t, d.recv(), "no access to memory")
	d.Write32(CTRL, d.Read32(CTRL)&^4)
	require.NotZero(t, d.Read32(STATUS)&(1<<19))
	require.NotNil(t, d.recv(), "the packet buffer kept the frame")
}

func TestInterruptRegisters(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.Write32(ICS, 0x84)
	require.EqualValues(t, 0x84, d.Read32(ICS), "no cause is enabled, so INT_ASSERTED is clear")
	d.Write32(IMS, 0x80)
	d.Write32(IMS, 0x04)
	require.EqualValues(t, 0x84, d.Read32(IMS))
	d.Write32(IMC, 0x04)
	require.EqualValues(t, 0x80, d.Read32(IMS))
	require.Equal(t, uint32(0x80000084), d.Read32(ICS))
	d.Write32(ICR, 0x04)
	require.Equal(t, uint32(0x80000080), d.Read32(ICR), "writing a 1 takes a cause back")
	require.Zero(t, d.Read32(ICR), "reading takes all back")
	require.Zero(t, d.Read32(ICS))
	d.Write32(IMC, 0xFFFFFFFF)
	require.Zero(t, d.Read32(IMS))
	require.Empty(t, d.Violations())

	d.Write32(CTRLEXT, 1<<27) // IAME
	d.Write32(IAM, 0x80)
	d.Write32(IMS, 0x84)
	d.Read32(ICR)
	require.EqualValues(t, 0x84, d.Read32(IMS), "no interrupt, no auto-mask")
	d.Write32(ICS, 0x04)
	d.Read32(ICR)
	require.EqualValues(t, 0x04, d.Read32(IMS), "IAM masks when ICR is read")
}

func TestWaitInterrupt(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	over, cancel := context.WithCancel(t.Context())
	cancel()
	pending := func() bool {
		err := d.WaitInterrupt(over)
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
		return err == nil
	}
	require.False(t, pending())
	d.Deliver(frame(mac, 60, 0))
	require.False(t, pending(), "the cause is not enabled")
	d.Write32(IMS, 0x80)
	require.True(t, pending(), "enabling a pending cause interrupts")
	require.True(t, pending(), "the wire is still up")
	d.Deliver(frame(mac, 60, 0))
	d.Read32(ICR)
	require.False(t, pending(), "the wire is down, and no call was in force while it was up")
	d.Deliver(frame(mac, 60, 0))
	d.Read32(ICR)
	require.True(t, pending(), "it was up while the call before was in force")
	require.False(t, pending())
}

// TestNoInterruptIsLost has each frame sent only when the one before has been
// received, by a driver that looks at its ring only after an interrupt.
func TestNoInterruptIsLost(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	const frames = 3000
	received := make(chan byte)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var driver sync.WaitGroup
	driver.Go(func() {
		defer close(received)
		d.Write32(IMS, 0x80)
		for n := 0; n < frames; {
			if !assert.NoError(t, d.WaitInterrupt(ctx), "after %d frames", n) {
				return
			}
			d.Read32(ICR)
			for f := d.recv(); f != nil; f = d.recv() {
				received <- f[59]
				n++
			}
		}
	})
	for i := range frames {
		d.Deliver(frame(mac, 60, byte(i)))
		got, ok := <-received
		require.True(t, ok, "frame %d", i)
		require.Equal(t, byte(i)+59, got)
	}
	driver.Wait()
}

func TestRemove(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	var waiting sync.WaitGroup
	waiting.Go(func() {
		assert.ErrorIs(t, d.WaitInterrupt(t.Context()), nicring.ErrRemoved)
	})
	d.Remove()
	d.Remove()
	waiting.Wait()
	require.Equal(t, uint32(0xFFFFFFFF), d.Read32(STATUS))
	require.Equal(t, uint32(0xFFFFFFFF), d.Read32(0x1FFFC), "registers that do not exist, too")
	d.Write32(0x1FFFC, 1)
	d.Write32(IMS, 0x80)
	d.Deliver(frame(mac, 60, 0))
	d.send(frame(mac, 60, 0))
	require.Zero(t, d.rxDone(0))
	require.Zero(t, d.txStatus(0))
	require.ErrorIs(t, d.SetBusMaster(false), nicring.ErrRemoved)
	require.ErrorIs(t, d.Run(t.Context()), nicring.ErrRemoved)
	require.ErrorIs(t, d.WaitInterrupt(t.Context()), nicring.ErrRemoved)
	require.Zero(t, d.Step())
}

func TestOffsetsOutsideTheWindow(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	for _, offset := range []uint32{1, 2, 0x1FFFE, 128 << 10, 0xFFFFFFFC} {
		require.Panics(t, func() { d.Read32(offset) }, "%#x", offset)
		require.Panics(t, func() { d.Write32(offset, 0) }, "%#x", offset)
	}
}

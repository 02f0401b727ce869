package nictest_test

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

func TestResetHangs(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.SetFaults(nictest.Faults{ResetHangs: true})
	d.Write32(CTRL, 1<<26)
	require.NoError(t, d.SetBusMaster(false))
	for range 1000 {
		require.NotZero(t, d.Read32(CTRL)&(1<<26))
	}
	d.SetFaults(nictest.Faults{})
	d.until(CTRL, 1<<26, 0)
}

func TestNVMHangs(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.SetFaults(nictest.Faults{NVMHangs: true})
	d.Write32(EERD, 1)
	for range 1000 {
		require.Zero(t, d.Read32(EERD)&2)
	}
	d.Write32(CTRL, 1<<26)
	d.until(CTRL, 1<<26, 0)
	for range 1000 {
		require.Zero(t, d.Read32(EECD)&(1<<9))
	}
}

func TestBadNVM(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.SetFaults(nictest.Faults{BadNVM: true})
	sum := uint16(0)
	for i := range uint32(0x40) {
		sum += d.readNVM(i)
	}
	require.EqualValues(t, 0xBABB, sum)
}

func TestTxStuck(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.SetFaults(nictest.Faults{TxStuck: true})
	d.send(frame(mac, 60, 0))
	require.Zero(t, d.Read32(TDH))
	require.Zero(t, d.txStatus(0))
	d.SetFaults(nictest.Faults{})
	require.Len(t, got(), 1)
	require.EqualValues(t, 1, d.txStatus(0))
}

func TestHeldReceiveDescriptors(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	d.SetFaults(nictest.Faults{HoldRx: 2})
	for i := range 3 {
		d.Deliver(frame(mac, 60, byte(i)))
	}
	require.Zero(t, d.rxDone(0), "late")
	require.Zero(t, d.rxDone(1), "late")
	require.NotZero(t, d.rxDone(2), "before those ahead of it")
	require.EqualValues(t, 3, d.Read32(RDH))
	require.Nil(t, d.recv())
	d.SetFaults(nictest.Faults{})
	for i := range 3 {
		require.Equal(t, frame(mac, 60, byte(i)), d.recv())
	}
}

// TestHeldDescriptorsAreTheCardsOwn uses descriptors again that the card has
// not handed back, though later ones it has.
func TestHeldDescriptorsAreTheCardsOwn(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.SetFaults(nictest.Faults{HoldRx: 1, HoldTx: 1})
	d.Deliver(frame(mac, 60, 0))
	d.Deliver(frame(mac, 60, 0))
	d.arm(1)
	for range 8 {
		d.send(frame(mac, 60, 0))
	}
	require.Len(t, d.Violations(), 2)
	require.Contains(t, d.Violations()[0], "RDT moved from 7 to 0 past descriptor 0")
	require.Contains(t, d.Violations()[1], "TDT moved from 7 to 0 past descriptor 0")
}

func TestHeldTransmitDescriptors(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.SetFaults(nictest.Faults{HoldTx: 1})
	d.send(frame(mac, 60, 0))
	d.send(frame(mac, 60, 1))
	require.Len(t, got(), 2)
	require.Zero(t, d.txStatus(0))
	require.EqualValues(t, 1, d.txStatus(1))
	d.SetFaults(nictest.Faults{})
	require.EqualValues(t, 1, d.txStatus(0))
	for i := range 20 {
		d.send(frame(mac, 60, byte(i)))
	}
}

// TestHeldTransmitDescriptorFreesThoseBehindIt hands a buffer over again that
// reported before one held back ahead of it did.
func TestHeldTransmitDescriptorFreesThoseBehindIt(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	d.SetFaults(nictest.Faults{HoldTx: 1})
	d.send(frame(mac, 60, 0))
	d.send(frame(mac, 60, 1))
	d.SetFaults(nictest.Faults{})
	d.handOver(d.bus + d.bufAt(8+1))
}

func TestHeldDescriptorsGoWithTheRing(t *testing.T) {
	for name, end := range map[string]func(d *tiny){
		"reset":             func(d *tiny) { d.reset() },
		"bus mastering off": func(d *tiny) { require.NoError(t, d.SetBusMaster(false)) },
		"removal":           func(d *tiny) { d.Remove() },
	} {
		t.Run(name, func(t *testing.T) {
			d := newTiny(t, 8, nictest.Options{})
			d.Check(t)
			d.SetFaults(nictest.Faults{HoldRx: 1, HoldTx: 1})
			d.Deliver(frame(mac, 60, 0))
			d.send(frame(mac, 60, 0))
			end(d)
			d.SetFaults(nictest.Faults{})
			require.Zero(t, d.rxDone(0))
			require.Zero(t, d.txStatus(0))
		})
	}
}

func TestReceiveDescriptorsLie(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	var honest nictest.RxDone
	d.SetFaults(nictest.Faults{Rx: func(r nictest.RxDone) nictest.RxDone {
		honest = r
		return nictest.RxDone{Status: 0x80000001, Length: 0xFFFF, VLAN: 0x1234}
	}})
	d.Deliver(frame(mac, 60, 0))
	require.Equal(t, nictest.RxDone{Status: 7, Length: 60}, honest)
	require.Equal(t, uint64(0x1234FFFF80000001), d.rxDone(0))
}

func TestFatesOfAFrame(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	d.SetFaults(nictest.Faults{Wire: func(f []byte) nictest.Fate { return nictest.Fate(f[12]) }})
	for fate := range 3 {
		d.Deliver(frame(mac, 60, byte(fate-12)))
	}
	require.NotNil(t, d.recv())
	require.Nil(t, d.recv())
	require.EqualValues(t, 2, d.Read32(TPR), "the lost one was never there")
	require.EqualValues(t, 1, d.Read32(GPRC))
	require.EqualValues(t, 1, d.Read32(CRCERRS))
}

// TestHeldTransmitDescriptorsComeBackInOrder holds two back and reports one behind
// them. When they are let go, the card owns none of the three, and no more than
// before.
func TestHeldTransmitDescriptorsComeBackInOrder(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	for range 3 {
		d.SetFaults(nictest.Faults{HoldTx: 2})
		for range 3 {
			d.send(frame(mac, 60, 0))
		}
		d.SetFaults(nictest.Faults{})
		for range 4 { // they would not fit if any were held
			d.send(frame(mac, 60, 1))
		}
	}
}

func TestHangsUntilReset(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.SetFaults(nictest.Faults{TxHangs: true, RxHangs: true})
	d.SetFaults(nictest.Faults{})
	d.send(frame(mac, 60, 0))
	d.Deliver(frame(mac, 60, 0))
	require.Empty(t, got())
	require.Zero(t, d.Read32(TDH))
	require.Zero(t, d.Read32(RDH))
	require.EqualValues(t, 1, d.Read32(GPRC), "it is in the card")
	require.NoError(t, d.SetBusMaster(false))
	d.reset()
	d.start()
	d.arm(7)
	d.send(frame(mac, 60, 1))
	d.Deliver(frame(mac, 60, 2))
	require.Len(t, got(), 1)
	require.Equal(t, frame(mac, 60, 2), d.recv())
}

func TestDoorbellsAndInterruptsAreLost(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.SetFaults(nictest.Faults{LostDoorbells: 1, LostInterrupts: 1})
	d.send(frame(mac, 60, 0))
	require.Empty(t, got())
	require.Zero(t, d.Read32(TDT))
	d.send(frame(mac, 60, 1))
	require.Len(t, got(), 2)

	d.Write32(IMS, 0x80)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.WaitInterrupt(ctx) }()
	require.Eventually(t, func() bool {
		d.Deliver(frame(mac, 60, 0))
		d.recv()
		return d.Read32(ICS)&0x80 != 0
	}, 20*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled, "that interrupt was lost")
	d.Read32(IAC)
	require.NoError(t, d.WaitInterrupt(t.Context()), "the wire is still up")
	require.EqualValues(t, 1, d.Read32(IAC))
}

// TestChaosIsTheSameForASeed compares the names of two sequences, and that each
// fault ends.
func TestChaosIsTheSameForASeed(t *testing.T) {
	sequence := func(seed uint64) (names []string) {
		d := newTiny(t, 8, nictest.Options{})
		d.Check(t)
		x := nictest.NewChaos(d.Card, seed)
		for range 50 {
			name, end := x.Next()
			names = append(names, name)
			end()
			require.NotZero(t, d.Read32(STATUS)&2, "the link after %q", name)
		}
		return names
	}
	require.Equal(t, sequence(1), sequence(1))
	require.NotEqual(t, sequence(1), sequence(2))
}

// TestLost has frames be lost in each way that nothing counts. The driver has handed
// over eight descriptors less one and takes nothing.
func TestLost(t *testing.T) {
	lost := func(name string, want nictest.Losses, lose func(d *tiny)) {
		t.Run(name, func(t *testing.T) {
			for _, lax := range []bool{false, true} {
				d := newTiny(t, 8, nictest.Options{Lax: lax})
				lose(d)
				require.Equal(t, want, d.Lost())
			}
		})
	}
	some := func(d *tiny, n int) {
		for i := range n {
			d.Deliver(frame(mac, 60, byte(i)))
		}
	}
	reset := func(d *tiny) {
		require.NoError(d, d.SetBusMaster(false))
		d.Write32(CTRL, 1<<26)
		d.until(CTRL, 1<<26, 0)
	}
	lost("nothing", nictest.Losses{}, func(d *tiny) {
		some(d, 5)
		d.send(frame(mac, 60, 1), frame(mac, 60, 2))
		reset(d)
	})
	lost("link down", nictest.Losses{Received: 3}, func(d *tiny) {
		d.SetLink(false)
		some(d, 3)
		d.SetLink(true)
		some(d, 2)
	})
	lost("reception off", nictest.Losses{Received: 2}, func(d *tiny) {
		d.Write32(RCTL, 0)
		some(d, 2)
	})
	lost("packet buffer", nictest.Losses{Received: 3}, func(d *tiny) {
		some(d, 10) // for seven descriptors
		reset(d)
	})
	lost("packet buffer of another size", nictest.Losses{Received: 3}, func(d *tiny) {
		some(d, 10)
		d.Write32(PBA, 20)
		reset(d)
	})
	lost("held back", nictest.Losses{Received: 2}, func(d *tiny) {
		d.SetFaults(nictest.Faults{HoldRx: 2})
		some(d, 4)
		reset(d)
	})
	lost("missed, and not read", nictest.Losses{Received: 513}, func(d *tiny) {
		some(d, 7+512+1) // the packet buffer holds 512 of the smallest
		d.Remove()
	})
	lost("not sent", nictest.Losses{Sent: 2}, func(d *tiny) {
		d.send(frame(mac, 60, 0))
		d.SetFaults(nictest.Faults{TxStuck: true})
		d.send(frame(mac, 60, 1), frame(mac, 60, 2))
		reset(d)
		reset(d)
	})
	lost("doorbell lost", nictest.Losses{Sent: 1}, func(d *tiny) {
		d.SetFaults(nictest.Faults{LostDoorbells: 1})
		d.send(frame(mac, 60, 1))
		reset(d)
	})
	lost("removed", nictest.Losses{Received: 3, Sent: 4}, func(d *tiny) {
		d.SetFaults(nictest.Faults{TxStuck: true})
		d.send(frame(mac, 60, 0))
		d.Remove()
		d.send(frame(mac, 60, 1), frame(mac, 60, 2))
		d.send(frame(mac, 60, 3))
		some(d, 3)
	})
}

// TestRemovedLeavesMemoryAlone takes a card out that has frames, and descriptors that
// it has not looked at yet. A frame that comes too late moves none of them.
func TestRemovedLeavesMemoryAlone(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{Deferred: true})
	d.Step()
	for i := range 10 { // for seven descriptors
		d.Deliver(frame(mac, 60, byte(i)))
	}
	for range 3 {
		require.NotNil(t, d.recv())
	}
	next := d.rxDesc(7) // the eighth frame's, which was handed over just now
	d.Remove()
	d.Deliver(frame(mac, 60, 10))
	require.Zero(t, binary.LittleEndian.Uint64(next[8:]))
	require.Equal(t, nictest.Losses{Received: 4}, d.Lost())
}

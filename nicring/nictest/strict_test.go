package nictest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

// TestViolations breaks each rule once, with a driver that has started its card
// and handed over seven receive descriptors of eight.
func TestViolations(t *testing.T) {
	deferred := nictest.Options{Deferred: true}
	for _, c := range []struct {
		rule  string
		opts  nictest.Options
		wrong func(d *tiny)
		want  string
	}{
		// Registers.
		{"write reserved register", nictest.Options{}, func(d *tiny) { d.Write32(0x444, 1) },
			"write of 0x1 to register 0x00444, which is reserved or not modelled"},
		{"write beyond the registers", nictest.Options{}, func(d *tiny) { d.Write32(0x1FFFC, 1) },
			"write of 0x1 to register 0x1fffc, which is reserved or not modelled"},
		{"read reserved register", nictest.Options{}, func(d *tiny) { d.Read32(0x444) },
			"read of register 0x00444, which is reserved or not modelled"},
		{"write reserved bit", nictest.Options{}, func(d *tiny) { d.Write32(RDT+8, 1<<16) },
			"write of 0x10000 to RDTR: bits 0x10000 are reserved"},
		{"write bit 29 of CTRL", nictest.Options{}, func(d *tiny) { d.Write32(CTRL, d.Read32(CTRL)|1<<29) },
			"bits 0x20000000 are reserved"},
		{"write read-only register", nictest.Options{}, func(d *tiny) { d.Write32(STATUS, 0) },
			"write of 0x0 to STATUS, which can only be read"},
		{"write counter", nictest.Options{}, func(d *tiny) { d.Write32(PTC64+8, 0) },
			"write of 0x0 to PTC[2], which can only be read"},
		{"read write-only register", nictest.Options{}, func(d *tiny) { d.Read32(IMC) },
			"read of IMC, which can only be written"},
		{"ask for what is not modelled", nictest.Options{}, func(d *tiny) { d.Write32(RCTL, EN|SECRC|1<<10) },
			"write of 0x4000402 to RCTL: nictest has no model of bits 0x400"},
		{"reserved loopback", nictest.Options{}, func(d *tiny) { d.Write32(RCTL, EN|SECRC|0xC0) }, "LBM is reserved"},
		{"reserved buffer size", nictest.Options{}, func(d *tiny) { d.Write32(RCTL, EN|SECRC|0x2000000) },
			"BSIZE 0 with BSEX is reserved"},

		// Rings.
		{"ring misaligned", nictest.Options{}, func(d *tiny) { d.Write32(TCTL, 0); d.Write32(TDBAL, 8) },
			"write of 0x8 to TDBAL: bits 0x8 are reserved"},
		{"ring length no multiple of 128", nictest.Options{}, func(d *tiny) { d.Write32(TCTL, 0); d.Write32(TDLEN, 64) },
			"write of 0x40 to TDLEN: bits 0x40 are reserved"},
		{"ring outside memory", nictest.Options{}, func(d *tiny) { d.stopTx(); d.Write32(TDBAH, 0); d.Write32(TCTL, EN) },
			"TX ring: no memory at bus address 0x"},
		{"ring across the end of a page", nictest.Options{}, func(d *tiny) {
			d.stopTx()
			d.Write32(TDBAL, uint32(d.bus)+2<<20-16)
			d.Write32(TCTL, EN)
		}, "TX ring: 128 bytes at bus address"},
		{"ring changed while enabled", nictest.Options{}, func(d *tiny) { d.Write32(RDLEN, 256) },
			"write of 0x100 to RDLEN: reception is enabled"},
		{"ring moved while enabled", nictest.Options{}, func(d *tiny) { d.Write32(TDBAL, uint32(d.bus)) },
			"to TDBAL: transmission is enabled"},
		{"head written while enabled", nictest.Options{}, func(d *tiny) { d.Write32(TDH, 0) },
			"write of 0x0 to TDH: transmission is enabled"},
		{"receive enabled without ring", nictest.Options{}, func(d *tiny) { d.reset(); d.Write32(RCTL, EN) },
			"write of 0x2 to RCTL: EN without a receive ring"},
		{"transmit enabled without ring", nictest.Options{}, func(d *tiny) { d.reset(); d.Write32(TCTL, EN) },
			"write of 0x2 to TCTL: EN without a transmit ring"},
		{"tail without ring", nictest.Options{}, func(d *tiny) { d.reset(); d.Write32(RDT, 3) },
			"RDT = 3 before its ring has an address and a length"},
		{"tail outside ring", nictest.Options{}, func(d *tiny) { d.Write32(TDT, 8) },
			"TDT = 8: the ring has 8 descriptors"},
		{"rings overlap", nictest.Options{}, func(d *tiny) {
			d.stopTx()
			d.Write32(TDBAL, uint32(d.bus)+64)
			d.Write32(TCTL, EN)
		}, "TX ring of 128 bytes at"},
		{"legacy descriptors", nictest.Options{}, func(d *tiny) {
			d.Write32(RCTL, 0)
			d.Write32(RDH, 0)
			d.Write32(RFCTL, 0)
			d.Write32(RCTL, EN)
		}, "nictest has no model of legacy receive descriptors"},
		{"descriptor format changed", nictest.Options{}, func(d *tiny) { d.Write32(RFCTL, 0) },
			"write of 0x0 to RFCTL: EXTEN changes the format of descriptors that the card owns"},
		{"buffer size changed", nictest.Options{}, func(d *tiny) { d.Write32(RCTL, EN|SECRC|1<<16) },
			"BSIZE changes the size of buffers that the card owns"},

		// Descriptors.
		{"tail past what is handed back", nictest.Options{}, func(d *tiny) { d.arm(1) },
			"RDT moved from 7 to 0 past descriptor 0, which the card has not handed back"},
		{"tail moved back", nictest.Options{}, func(d *tiny) { d.Write32(RDT, 5) },
			"RDT moved from 7 to 5 past descriptor 0"},
		{"transmit slot used before it reported", nictest.Options{}, func(d *tiny) {
			for range 8 { // without RS the driver cannot know
				d.setTx(d.txTail, d.bus+d.bufAt(8+d.txTail), 60|EOP|IFCS)
				d.txTail = (d.txTail + 1) % 8
				d.Write32(TDT, d.txTail)
			}
		}, "TDT moved from 7 to 0 past descriptor 0"},
		{"receive descriptor not cleared", nictest.Options{}, func(d *tiny) {
			d.Deliver(frame(mac, 60, 0))
			d.setRx(7, d.bus+d.bufAt(7))
			d.put64(d.rxDesc(7)[8:], 3)
			d.Write32(RDT, 0)
		}, "RX descriptor 7: its second half is 0x3, not cleared"},
		{"descriptor out of order", nictest.Options{}, func(d *tiny) {
			d.Deliver(frame(mac, 60, 0))
			d.Deliver(frame(mac, 60, 0))
			d.setRx(0, d.bus+d.bufAt(0)) // but 7 comes first
			d.Write32(RDT, 1)
		}, "RX descriptor 7: no memory at bus address 0x0"},
		{"transmit status not cleared", nictest.Options{}, func(d *tiny) {
			d.setTx(0, d.bus+d.bufAt(8), 60|EOP|IFCS)
			d.txDesc(0)[12] = 1
			d.Write32(TDT, 1)
		}, "TX descriptor 0: its last word is 0x1, not cleared"},
		{"length 0", nictest.Options{}, func(d *tiny) { d.send(nil) }, "TX descriptor 0: length 0, want 1 to 16384"},
		{"length over 16 KiB", nictest.Options{}, func(d *tiny) { d.sendCmd(16385 | EOP | IFCS) },
			"TX descriptor 0: length 16385, want 1 to 16384"},
		{"no FCS", nictest.Options{}, func(d *tiny) { d.sendCmd(60 | EOP) },
			"TX descriptor 0: no IFCS"},
		{"reserved command bit", nictest.Options{}, func(d *tiny) { d.sendCmd(60 | EOP | IFCS | 1<<28) },
			"TX descriptor 0: command 0x1300 has reserved bits"},
		{"checksum offset without IC", nictest.Options{}, func(d *tiny) { d.sendCmd(60 | EOP | IFCS | 5<<16) },
			"TX descriptor 0: command 0x305 has reserved bits"},
		{"data descriptor", nictest.Options{}, func(d *tiny) { d.sendCmd(60 | EOP | IFCS | 1<<29 | 2<<20) },
			"TX descriptor 0: type 2 is reserved"},
		{"insertion of a checksum the old way", nictest.Options{}, func(d *tiny) { d.sendCmd(60 | EOP | IFCS | 1<<26) },
			"TX descriptor 0: command 0x7: nictest has no model of IC"},
		{"segmentation without a context", nictest.Options{}, func(d *tiny) { d.sendCmd(60 | EOP | IFCS | 1<<29 | 1<<20 | 1<<26) },
			"TX descriptor 0: it asks for what a context has to say, and there is none"},
		{"tag while tags are off", nictest.Options{}, func(d *tiny) { d.sendCmd(60 | EOP | IFCS | 1<<30) },
			"TX descriptor 0: VLE without CTRL.VME"},
		{"context without payload", nictest.Options{}, func(d *tiny) {
			d.setTx(0, 14|34<<32|50<<40, 1<<29|1<<26|1<<24)
			d.Write32(TDT, 1)
		}, "TX descriptor 0: context: segments of 0 bytes of 0"},
		{"context for UDP segments", nictest.Options{}, func(d *tiny) {
			d.setTx(0, 14|34<<32|40<<40, 1<<29|1<<26|100)
			d.txDesc(0)[13], d.txDesc(0)[14] = 42, 10
			d.Write32(TDT, 1)
		}, "TX descriptor 0: context: segmentation of what is not TCP"},
		{"descriptor changed while owned", nictest.Options{}, func(d *tiny) {
			d.setRx(0, d.bus+d.bufAt(9))
			d.Deliver(frame(mac, 60, 0))
		}, "RX descriptor 0: changed while the card owned it"},
		{"transmit descriptor changed while owned", deferred, func(d *tiny) {
			d.send(frame(mac, 60, 0))
			d.setTx(0, d.bus+d.bufAt(8), 61|EOP|IFCS)
			d.Step()
		}, "TX descriptor 0: changed while the card owned it"},

		// Buffers.
		{"buffer outside memory", nictest.Options{}, func(d *tiny) { d.handOver(uint64(uint32(d.bus))) },
			"RX descriptor 7: no memory at bus address 0x"},
		{"null buffer", nictest.Options{}, func(d *tiny) { d.handOver(0) },
			"RX descriptor 7: no memory at bus address 0x0"},
		{"buffer across the end of a page", nictest.Options{}, func(d *tiny) { d.handOver(d.bus + 2<<20 - 2047) },
			"RX descriptor 7: 2048 bytes at bus address 0x"},
		{"transmit buffer across the end of a page", nictest.Options{}, func(d *tiny) {
			d.setTx(0, d.bus+2<<20-59, 60|EOP|IFCS)
			d.Write32(TDT, 1)
		}, "TX descriptor 0: 60 bytes at bus address 0x"},
		{"buffer handed over twice", nictest.Options{}, func(d *tiny) { d.handOver(d.bus + d.bufAt(3)) },
			"RX descriptor 7: a card owns part of the 2048 bytes at 0x"},
		{"buffers overlap", nictest.Options{}, func(d *tiny) { d.handOver(d.bus + d.bufAt(6) + 2047) },
			"RX descriptor 7: a card owns part of the 2048 bytes at 0x"},
		{"buffer over ring", nictest.Options{}, func(d *tiny) { d.handOver(d.bus + 100) },
			"RX descriptor 7: a card owns part of the 2048 bytes at 0x"},
		{"receive buffer sent", nictest.Options{}, func(d *tiny) {
			d.setTx(0, d.bus+d.bufAt(3), 60|EOP|IFCS)
			d.Write32(TDT, 1)
		}, "TX descriptor 0: a card owns part of the 60 bytes at 0x"},
		{"receive buffer changed while owned", nictest.Options{}, func(d *tiny) {
			d.rxBuf(0)[2047]++
			d.Deliver(frame(mac, 60, 0))
		}, "RX descriptor 0: its buffer at 0x"},
		{"receive buffer changed before a reset", nictest.Options{}, func(d *tiny) {
			d.rxBuf(5)[0]++
			d.reset()
		}, "RX descriptor 5: its buffer at 0x"},
		{"transmit buffer changed while owned", deferred, func(d *tiny) {
			d.send(frame(mac, 60, 0))
			d.txBuf(0)[59]++
			d.Step()
		}, "TX descriptor 0: its buffer at 0x"},

		// Bus mastering.
		{"doorbell with bus mastering off", nictest.Options{}, func(d *tiny) {
			d.SetBusMaster(false)
			d.send(frame(mac, 60, 0))
		}, "access to memory with bus mastering off"},
		{"receive doorbell with bus mastering off", nictest.Options{}, func(d *tiny) {
			d.reset()
			d.start()
			d.SetBusMaster(false)
			d.arm(3)
		}, "access to memory with bus mastering off"},
		{"reception left on with bus mastering off", nictest.Options{}, func(d *tiny) {
			d.SetBusMaster(false)
			d.Deliver(frame(mac, 60, 0))
		}, "access to memory with bus mastering off"},
		{"stale descriptors", nictest.Options{}, func(d *tiny) { d.SetBusMaster(false); d.SetBusMaster(true) },
			"bus mastering on while RX is enabled and owns descriptors from before it was off"},
	} {
		t.Run(c.rule, func(t *testing.T) {
			d := newTiny(t, 8, c.opts)
			require.Empty(t, d.Violations())
			c.wrong(d)
			require.NotEmpty(t, d.Violations())
			require.Contains(t, d.Violations()[0], c.want)
			require.Len(t, d.Violations(), 1, "one mistake, one violation")
		})
	}
}

func (d *tiny) stopTx() {
	d.Write32(TCTL, 0)
	d.Write32(TDH, 0)
}

func (d *tiny) sendCmd(cmd uint32) {
	d.setTx(0, d.bus+d.bufAt(8), cmd)
	d.Write32(TDT, 1)
}

// handOver hands over receive descriptor 7 with a buffer at an address.
func (d *tiny) handOver(addr uint64) {
	d.Deliver(frame(mac, 60, 0))
	d.setRx(7, addr)
	d.Write32(RDT, 0)
}

// TestCardsShareOwnership hands one card a buffer that another still owns.
func TestCardsShareOwnership(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	other := &tiny{TB: t, Card: nictest.New(d.mem, nictest.Options{Deferred: true}), mem: d.mem, bytes: d.bytes[1<<20:], bus: d.bus + 1<<20, n: 8}
	other.start()
	other.arm(7)
	other.setTx(0, d.bus+d.bufAt(8), 60|EOP|IFCS|RS)
	other.Write32(TDT, 1)
	require.Empty(t, other.Violations())
	d.handOver(d.bus + d.bufAt(8))
	require.Contains(t, d.Violations()[0], "RX descriptor 7: a card owns part of the 2048 bytes")

	other.Step()
	require.EqualValues(t, 1, other.txStatus(0))
	d.Deliver(frame(mac, 60, 0))
	d.setRx(0, d.bus+d.bufAt(8))
	d.Write32(RDT, 1)
	require.Len(t, d.Violations(), 1, "when it has been sent, it may be handed over")
}

// TestOwnershipEnds lets everything that ends it do so, after which the memory
// is the driver's to change and to hand over again.
func TestOwnershipEnds(t *testing.T) {
	for name, end := range map[string]func(d *tiny){
		"reset":             func(d *tiny) { d.reset() },
		"bus mastering off": func(d *tiny) { require.NoError(d, d.SetBusMaster(false)); d.reset() },
	} {
		t.Run(name, func(t *testing.T) {
			d := newTiny(t, 8, nictest.Options{})
			d.Check(t)
			d.SetFaults(nictest.Faults{TxStuck: true})
			d.send(frame(mac, 60, 0), frame(mac, 60, 1))
			end(d)
			for i := range d.bytes[:1<<20] {
				d.bytes[i] = 0xDB
			}
			clear(d.bytes[:4096])
			d.SetFaults(nictest.Faults{})
			d.start()
			d.arm(7)
			got := d.collect()
			d.send(frame(mac, 60, 3))
			require.Len(t, got(), 1)
			d.Deliver(frame(mac, 60, 4))
			require.Equal(t, frame(mac, 60, 4), d.recv())
		})
	}
}

func TestRefusedAccess(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	require.NoError(t, d.SetBusMaster(false))
	d.Deliver(frame(mac, 60, 0))
	d.send(frame(mac, 60, 0))
	require.Zero(t, d.rxDone(0))
	require.Zero(t, d.txStatus(0))
	require.Len(t, d.Violations(), 1, "once each time bus mastering goes off")
	require.NoError(t, d.SetBusMaster(false))
	d.Deliver(frame(mac, 60, 0))
	require.Len(t, d.Violations(), 2)
}

// A recorder is a test that may fail without consequence.
type recorder struct {
	testing.TB
	cleanup []func()
	errors  []string
}

func (r *recorder) Cleanup(f func()) { r.cleanup = append(r.cleanup, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestCheckFailsTheTest(t *testing.T) {
	r := &recorder{TB: t}
	d := newStopped(t, 8, nictest.Options{Name: "03:00.0"})
	d.Check(r)
	d.Write32(STATUS, 1)
	require.Empty(t, r.errors, "not before the test ends")
	for _, f := range r.cleanup {
		f()
	}
	require.Equal(t, []string{"03:00.0: driver's violation: write of 0x1 to STATUS, which can only be read"}, r.errors)
}

func TestManyViolations(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	for range 150 {
		d.Write32(STATUS, 1)
	}
	v := d.Violations()
	require.Len(t, v, 101)
	require.Equal(t, "and 50 more", v[100])
}

// TestLaxCardStaysInMemory gives a lax card addresses that lead nowhere.
func TestLaxCardStaysInMemory(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{Lax: true})
	got := d.collect()
	d.setRx(0, 0xDEAD0000)
	d.Deliver(frame(mac, 60, 0))
	require.EqualValues(t, 1, d.rxDone(0)&1)
	d.setTx(0, d.bus+2<<20-1, 60|EOP|IFCS|RS)
	d.Write32(TDT, 1)
	require.EqualValues(t, 1, d.txStatus(0))
	require.Empty(t, got())
	require.Len(t, d.Violations(), 2)
}

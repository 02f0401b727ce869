package nictest_test

import (
	"encoding/binary"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
)

var _ e1000e.Card = (*nictest.Card)(nil)

// Offsets and bits, written down once more and apart from the card's own: an
// error in those shows here.
const (
	CTRL, STATUS, EECD, EERD, CTRLEXT = 0x0, 0x8, 0x10, 0x14, 0x18
	ICR, ICS, IMS, IMC, IAM           = 0xC0, 0xC8, 0xD0, 0xD8, 0xE0
	RCTL, TCTL, PBA                   = 0x100, 0x400, 0x1000
	RDBAL, RDBAH, RDLEN, RDH, RDT     = 0x2800, 0x2804, 0x2808, 0x2810, 0x2818
	TDBAL, TDBAH, TDLEN, TDH, TDT     = 0x3800, 0x3804, 0x3808, 0x3810, 0x3818
	RFCTL, MTA, RAL, RAH              = 0x5008, 0x5200, 0x5400, 0x5404
	CRCERRS, MPC, RNBC, RUC, ROC      = 0x4000, 0x4010, 0x40A0, 0x40A4, 0x40AC
	PRC64, GPRC, BPRC, MPRC           = 0x405C, 0x4074, 0x4078, 0x407C
	GPTC, GORCL, GORCH, GOTCL, GOTCH  = 0x4080, 0x4088, 0x408C, 0x4090, 0x4094
	TORL, TORH, TOTL, TOTH, TPR, TPT  = 0x40C0, 0x40C4, 0x40C8, 0x40CC, 0x40D0, 0x40D4
	PTC64, MPTC, BPTC                 = 0x40D8, 0x40F0, 0x40F4

	EN    = 0x2 // of RCTL and of TCTL
	UPE   = 0x8
	MPE   = 0x10
	LPE   = 0x20
	BAM   = 0x8000
	SECRC = 0x4000000
	PSP   = 0x8

	EOP, IFCS, RS = 0x01000000, 0x02000000, 0x08000000
)

// A tiny is the smallest driver that can be: rings at the start of its memory,
// buffers of 2 KiB behind them, buffer i beside receive descriptor i and buffer
// n+i beside transmit descriptor i.
type tiny struct {
	testing.TB
	*nictest.Card
	mem   *nictest.Memory
	bytes []byte
	bus   uint64 // of bytes[0]; one page is all that is used
	n     uint32 // descriptors a ring
	rctl  uint32 // what start sets beside EN and SECRC

	rxNext, rxTail, txTail uint32
}

// newTiny makes a card and a driver that has started it, with receive
// descriptors handed over.
func newTiny(t testing.TB, n uint32, opts nictest.Options) *tiny {
	d := newStopped(t, n, opts)
	d.start()
	d.arm(n - 1)
	return d
}

func newStopped(t testing.TB, n uint32, opts nictest.Options) *tiny {
	mem := nictest.NewMemory(2 << 20)
	r := mem.Region()
	return &tiny{TB: t, Card: nictest.New(mem, opts), mem: mem, bytes: r.Bytes, bus: r.Bus[0], n: n}
}

func (d *tiny) start() {
	require.NoError(d, d.SetBusMaster(true))
	w := d.Write32
	w(TDBAL, uint32(d.bus+d.txRing()))
	w(TDBAH, uint32(d.bus>>32))
	w(TDLEN, d.n*16)
	w(TDH, 0)
	w(TDT, 0)
	w(TCTL, EN|PSP)
	w(RFCTL, 0x8000)
	w(RDBAL, uint32(d.bus))
	w(RDBAH, uint32(d.bus>>32))
	w(RDLEN, d.n*16)
	w(RDH, 0)
	w(RDT, 0)
	w(RCTL, EN|SECRC|d.rctl)
	w(CTRL, d.Read32(CTRL)|0x40)
	d.rxNext, d.rxTail, d.txTail = 0, 0, 0
}

func (d *tiny) txRing() uint64           { return uint64(d.n) * 16 }
func (d *tiny) bufAt(i uint32) uint64    { return uint64(i+16) * 2048 }
func (d *tiny) rxBuf(i uint32) []byte    { return d.bytes[d.bufAt(i):][:2048] }
func (d *tiny) txBuf(i uint32) []byte    { return d.bytes[d.bufAt(d.n+i):][:2048] }
func (d *tiny) rxDesc(i uint32) []byte   { return d.bytes[i*16:][:16] }
func (d *tiny) txDesc(i uint32) []byte   { return d.bytes[d.txRing()+uint64(i)*16:][:16] }
func (d *tiny) put64(b []byte, v uint64) { binary.LittleEndian.PutUint64(b, v) }
func (d *tiny) rxDone(i uint32) uint64 {
	return atomic.LoadUint64((*uint64)(unsafe.Pointer(&d.rxDesc(i)[8])))
}
func (d *tiny) txStatus(i uint32) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&d.txDesc(i)[12])))
}
func (d *tiny) setRx(i uint32, addr uint64) { d.put64(d.rxDesc(i), addr); d.put64(d.rxDesc(i)[8:], 0) }
func (d *tiny) setTx(i uint32, addr uint64, cmd uint32) {
	d.put64(d.txDesc(i), addr)
	d.put64(d.txDesc(i)[8:], uint64(cmd))
}

// arm hands over the next k receive descriptors.
func (d *tiny) arm(k uint32) {
	for range k {
		d.setRx(d.rxTail, d.bus+d.bufAt(d.rxTail))
		d.rxTail = (d.rxTail + 1) % d.n
	}
	d.Write32(RDT, d.rxTail)
}

// recv returns the next frame, nil if there is none, and hands its descriptor
// back.
func (d *tiny) recv() []byte {
	done := d.rxDone(d.rxNext)
	if done&1 == 0 {
		return nil
	}
	require.EqualValues(d, 3, done&0xFF000003, "descriptor %d: DD and EOP and no error", d.rxNext)
	frame := append([]byte{}, d.rxBuf(d.rxNext)[:done>>32&0xFFFF]...)
	d.rxNext = (d.rxNext + 1) % d.n
	d.arm(1)
	return frame
}

// send transmits frames in one burst, one descriptor each.
func (d *tiny) send(frames ...[]byte) {
	for k, f := range frames {
		copy(d.txBuf(d.txTail), f)
		cmd := uint32(len(f)) | EOP | IFCS
		if k == len(frames)-1 {
			cmd |= RS
		}
		d.setTx(d.txTail, d.bus+d.bufAt(d.n+d.txTail), cmd)
		d.txTail = (d.txTail + 1) % d.n
	}
	d.Write32(TDT, d.txTail)
}

// frame returns a frame to dst of a size, whose bytes tell it from others.
func frame(dst string, size int, mark byte) []byte {
	f := make([]byte, size)
	copy(f, dst)
	for i := 12; i < size; i++ {
		f[i] = mark + byte(i)
	}
	return f
}

const (
	mac       = "\x02\x00\x00\x00\x00\x01"
	stranger  = "\x02\x00\x00\x00\x00\x99"
	multicast = "\x01\x00\x5E\x00\x00\x01"
	broadcast = "\xFF\xFF\xFF\xFF\xFF\xFF"
)

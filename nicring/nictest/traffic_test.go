package nictest_test

import (
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/nictest"
)

func TestFrameArrives(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	for i := range 40 {
		want := frame(mac, 60+i, byte(i))
		d.Deliver(want)
		require.Zero(t, binary.LittleEndian.Uint64(d.rxDesc(d.rxNext)), "the address is gone from the descriptor")
		require.EqualValues(t, (i+1)%8, d.Read32(RDH))
		require.Equal(t, want, d.recv())
		require.Nil(t, d.recv())
	}
}

func TestFrameIsSent(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	for i := range 40 {
		a, b := frame(mac, 60+i, byte(i)), frame(mac, 100+i, byte(i))
		d.send(a, b)
		require.Equal(t, [][]byte{a, b}, got())
		require.EqualValues(t, d.txTail, d.Read32(TDH))
		last := (d.txTail + 7) % 8
		require.EqualValues(t, 1, d.txStatus(last), "DD where RS was asked for")
		require.Zero(t, d.txStatus((last+7)%8), "no DD where it was not")
	}
}

// collect attaches the card and returns a function that returns the frames sent
// since it was last called.
func (d *tiny) collect() func() [][]byte {
	var (
		mu     sync.Mutex // a pause ends on a goroutine of the clock's
		frames [][]byte
	)
	d.Attach(func(f []byte) {
		mu.Lock()
		defer mu.Unlock()
		frames = append(frames, append([]byte{}, f...))
	})
	return func() [][]byte {
		mu.Lock()
		defer mu.Unlock()
		f := frames
		frames = nil
		return f
	}
}

func TestFrameOfSeveralTransmitDescriptors(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	for k := range uint32(5) {
		whole := frame(mac, 300, byte(k))
		for i, part := range [][]byte{whole[:100], whole[100:101], whole[101:]} {
			at := d.txTail
			copy(d.txBuf(at), part)
			cmd := uint32(len(part))
			if i == 2 {
				cmd |= EOP | IFCS | RS
			}
			d.setTx(at, d.bus+d.bufAt(8+at), cmd)
			d.txTail = (at + 1) % 8
			require.Empty(t, got())
			d.Write32(TDT, d.txTail)
		}
		require.Equal(t, [][]byte{whole}, got())
		require.EqualValues(t, 1, d.Read32(TPT))
	}
}

func TestFrameOfSeveralReceiveDescriptors(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.Check(t)
	d.rctl = 3 << 16 // buffers of 256 bytes
	d.start()
	d.arm(2)
	want := frame(mac, 600, 0)
	d.Deliver(want)
	require.Equal(t, uint64(256<<32|1), d.rxDone(0))
	require.Equal(t, uint64(256<<32|1), d.rxDone(1))
	d.arm(1)
	require.Equal(t, uint64(88<<32|7), d.rxDone(2), "DD, EOP and IXSM")
	got := append(append(d.rxBuf(0)[:256:256], d.rxBuf(1)[:256]...), d.rxBuf(2)[:88]...)
	require.Equal(t, want, got)
}

func TestBufferSizes(t *testing.T) {
	for rctl, size := range map[uint32]int{
		0: 2048, 1 << 16: 1024, 2 << 16: 512, 3 << 16: 256,
		0x2000000 | 1<<16: 16384, 0x2000000 | 2<<16: 8192, 0x2000000 | 3<<16: 4096,
	} {
		d := newStopped(t, 8, nictest.Options{})
		d.Check(t)
		d.rctl = rctl | LPE
		d.start()
		for i := range uint32(2) {
			d.setRx(i, d.bus+1<<20+uint64(i)<<16)
		}
		d.Write32(RDT, 2)
		longest := min(size+1, 16380) // 16384 with its FCS
		d.Deliver(frame(mac, longest, 0))
		require.EqualValues(t, min(size, longest), d.rxDone(0)>>32)
		require.EqualValues(t, longest-min(size, longest), d.rxDone(1)>>32)
	}
}

func TestFCSIsStoredUnlessStripped(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	d.Write32(RCTL, EN)
	f := frame(mac, 60, 0)
	d.Deliver(f)
	require.Equal(t, binary.LittleEndian.AppendUint32(f, crc32.ChecksumIEEE(f)), d.recv())
	require.EqualValues(t, 64, d.Read32(GORCL))
}

func TestShortFramesArePadded(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	short := frame(mac, 17, 0)
	d.send(short)
	require.Equal(t, append(short, make([]byte, 43)...), got()[0])
	require.EqualValues(t, 64, d.Read32(GOTCL))
	d.Write32(TCTL, EN)
	d.send(short)
	require.Equal(t, short, got()[0])
}

func TestWhatIsReceived(t *testing.T) {
	const listed, hashed = "\x02\x00\x00\x00\x00\x55", "\x01\x00\x5E\x00\x00\x42"
	all := []string{mac, stranger, listed, multicast, hashed, broadcast}
	for _, c := range []struct {
		rctl uint32
		want []string
	}{
		{0, []string{mac, listed, hashed}},
		{BAM, []string{mac, listed, hashed, broadcast}},
		{UPE, []string{mac, stranger, listed, hashed}},
		{MPE, []string{mac, listed, multicast, hashed, broadcast}},
		{UPE | MPE, all},
	} {
		d := newStopped(t, 16, nictest.Options{})
		d.Check(t)
		for i := range uint32(128) {
			d.Write32(MTA+4*i, 0)
		}
		// Bits 47 to 36 of the address: 0x420.
		d.Write32(MTA+0x420>>5*4, 1<<(0x420&31))
		d.Write32(RAL+8, 0x00000002)
		d.Write32(RAH+8, 0x80005500)
		d.rctl = c.rctl
		d.start()
		d.arm(15)
		for _, dst := range all {
			d.Deliver(frame(dst, 60, 0))
		}
		var got []string
		for f := d.recv(); f != nil; f = d.recv() {
			got = append(got, string(f[:6]))
		}
		require.Equal(t, c.want, got, "RCTL %#x", c.rctl)
		require.EqualValues(t, len(all), d.Read32(TPR))
		require.EqualValues(t, len(c.want), d.Read32(GPRC))
	}
}

func TestNothingIsReceivedUnlessEnabled(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	d.SetLink(false)
	d.Deliver(frame(mac, 60, 0))
	d.SetLink(true)
	d.Write32(RCTL, 0)
	d.Deliver(frame(mac, 60, 0))
	require.Nil(t, d.recv())
	require.Zero(t, d.Read32(TPR))
}

func TestTransmissionWaitsForTheLink(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.SetLink(false)
	d.send(frame(mac, 60, 0))
	require.Empty(t, got())
	require.Zero(t, d.txStatus(0))
	d.SetLink(true)
	require.Len(t, got(), 1)
	d.Write32(TCTL, PSP)
	d.send(frame(mac, 60, 0))
	require.Empty(t, got(), "transmission is disabled")
}

func TestRuntsAndOversize(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	d.Deliver(frame(mac, 59, 0))
	d.Deliver(frame(stranger, 59, 0))
	d.Deliver(frame(mac, 1519, 0))
	require.Nil(t, d.recv())
	require.EqualValues(t, 1, d.Read32(RUC), "only what passes the filter")
	require.EqualValues(t, 1, d.Read32(ROC))
	require.Zero(t, d.Read32(GPRC))
	require.EqualValues(t, 3, d.Read32(TPR))
	require.EqualValues(t, 63+63+1523, d.Read32(TORL))
	d.Deliver(frame(mac, 1518, 0))
	require.Len(t, d.recv(), 1518)
	d.Write32(RCTL, EN|SECRC|LPE)
	d.Deliver(frame(mac, 1519, 0))
	require.Len(t, d.recv(), 1519)
}

// mixture is 26 frames: sizes on both sides of every border between two
// counters, and 1 to 4 of each, of which the second is a broadcast and the third
// and fourth are multicasts.
func mixture() (frames [][]byte) {
	for _, size := range []int{60, 61, 123, 124, 251, 252, 507, 508, 1019, 1020, 1518} {
		for _, dst := range []string{mac, broadcast, multicast, multicast}[:1+size%4] {
			frames = append(frames, frame(dst, size, 0))
		}
	}
	return frames
}

func TestReceiveStatistics(t *testing.T) {
	d := newTiny(t, 32, nictest.Options{})
	d.Check(t)
	d.Write32(RCTL, EN|SECRC|UPE|MPE|BAM)
	octets := uint32(0)
	for _, f := range mixture() {
		d.Deliver(f)
		octets += uint32(len(f)) + 4
	}
	want := map[uint32]uint32{
		PRC64: 1, PRC64 + 4: 6, PRC64 + 8: 5, PRC64 + 12: 5, PRC64 + 16: 5, PRC64 + 20: 4,
		BPRC: 6, MPRC: 9, GPRC: 26, TPR: 26, GORCL: octets, GORCH: 0, TORL: octets, TORH: 0,
	}
	for reg, n := range want {
		if reg != GORCH && reg != TORH {
			require.Equal(t, n, d.Read32(reg), "register %#x", reg)
		}
	}
	require.Equal(t, octets, d.Read32(GORCL), "the low half is not cleared by reading it")
	d.Read32(GORCH)
	d.Read32(TORH)
	for reg := range want {
		require.Zero(t, d.Read32(reg), "register %#x was read before", reg)
	}
}

func TestTransmitStatistics(t *testing.T) {
	d := newTiny(t, 32, nictest.Options{})
	d.Check(t)
	octets := uint32(0)
	for _, f := range mixture() {
		d.send(f)
		octets += uint32(len(f)) + 4
	}
	for reg, n := range map[uint32]uint32{
		PTC64: 1, PTC64 + 4: 6, PTC64 + 8: 5, PTC64 + 12: 5, PTC64 + 16: 5, PTC64 + 20: 4,
		BPTC: 6, MPTC: 9, GPTC: 26, TPT: 26, GOTCL: octets, TOTL: octets,
	} {
		require.Equal(t, n, d.Read32(reg), "register %#x", reg)
	}
	require.Zero(t, d.Read32(GOTCH))
	require.Zero(t, d.Read32(TOTH))
	require.Zero(t, d.Read32(GOTCL))
	require.Zero(t, d.Read32(TOTL))
}

func TestPacketBufferOverflows(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	const stored = 7 + 32<<10/64 // in descriptors, and in 32 KiB
	for i := range stored + 3 {
		d.Deliver(frame(mac, 60, byte(i)))
	}
	require.EqualValues(t, 3, d.Read32(MPC))
	require.EqualValues(t, stored-7+3, d.Read32(RNBC), "arrivals with no descriptor")
	require.EqualValues(t, stored, d.Read32(GPRC), "a missed frame is none that is good")
	require.EqualValues(t, stored+3, d.Read32(TPR))
	require.NotZero(t, d.Read32(ICR)&0x40, "RXO")
	for i := range stored {
		require.Equal(t, frame(mac, 60, byte(i)), d.recv())
	}
	require.Nil(t, d.recv())
	d.Deliver(frame(mac, 60, 77))
	require.Equal(t, frame(mac, 60, 77), d.recv())
}

func TestPacketBufferIsDividedByPBA(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{})
	d.Check(t)
	d.Write32(PBA, 16)
	require.EqualValues(t, 24<<16|16, d.Read32(PBA))
	d.start()
	for range 16<<10/64 + 1 {
		d.Deliver(frame(mac, 60, 0))
	}
	require.EqualValues(t, 1, d.Read32(MPC))
}

func TestInterruptCausesOfTraffic(t *testing.T) {
	d := newTiny(t, 16, nictest.Options{})
	d.Check(t)
	d.Read32(ICR)
	d.Deliver(frame(mac, 60, 0))
	require.EqualValues(t, 0x100080, d.Read32(ICR), "RXT0, RXQ0")
	for range 5 {
		d.Deliver(frame(mac, 60, 0))
	}
	require.Zero(t, d.Read32(ICR)&0x10)
	d.Deliver(frame(mac, 60, 0))
	require.NotZero(t, d.Read32(ICR)&0x10, "RXDMT0: half of the descriptors are used")
	d.send(frame(mac, 60, 0))
	require.EqualValues(t, 0x400003, d.Read32(ICR), "TXDW, TXQE, TXQ0")
}

func TestLoopback(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{})
	d.Check(t)
	got := d.collect()
	d.Write32(RCTL, EN|SECRC|0x40)
	d.SetLink(false)
	d.send(frame(mac, 99, 5))
	require.Equal(t, frame(mac, 99, 5), d.recv())
	require.Empty(t, got())
}

func TestDeferred(t *testing.T) {
	d := newStopped(t, 8, nictest.Options{Deferred: true})
	d.Check(t)
	d.start()
	got := d.collect()
	d.send(frame(mac, 60, 1), frame(mac, 60, 2))
	require.Empty(t, got())
	require.Equal(t, 2, d.Step())
	require.Len(t, got(), 2)
	require.Zero(t, d.Step())

	d.Deliver(frame(mac, 60, 1))
	d.arm(4)
	require.Nil(t, d.recv(), "the doorbell left a note")
	d.Deliver(frame(mac, 60, 2))
	require.Equal(t, frame(mac, 60, 1), d.recv(), "an arrival has everything stored")
	require.Equal(t, frame(mac, 60, 2), d.recv())
}

// TestCallsBack has the function that takes the frames use the card: it sends
// another for each, while those of the same burst still wait for it.
func TestCallsBack(t *testing.T) {
	d := newTiny(t, 64, nictest.Options{})
	d.Check(t)
	sent := byte(4)
	d.Attach(func(f []byte) {
		d.Deliver(f)
		if sent < 40 {
			d.send(frame(mac, 60, sent))
			sent++
		}
	})
	d.send(frame(mac, 60, 0), frame(mac, 60, 1), frame(mac, 60, 2), frame(mac, 60, 3))
	for i := range byte(40) {
		require.Equal(t, frame(mac, 60, i), d.recv())
	}
	require.Nil(t, d.recv())
}

// TestTwoCardsTwoGoroutines sends from both ends of a cable at once. Each end
// has no more than a window under way, so that nothing may be lost.
func TestTwoCardsTwoGoroutines(t *testing.T) {
	for name, opts := range map[string]nictest.Options{
		"within doorbells": {},
		"by Run":           {Deferred: true},
		"lax":              {Lax: true},
	} {
		t.Run(name, func(t *testing.T) {
			var ends [2]*tiny
			for i := range ends {
				ends[i] = newTiny(t, 64, opts)
				ends[i].Check(t)
			}
			nictest.Link(ends[0].Card, ends[1].Card)
			frames := 5_000
			if testing.Short() {
				frames = 1_000
			}
			var drivers, cards sync.WaitGroup
			for i, d := range ends {
				if opts.Deferred {
					cards.Go(func() { d.Run(t.Context()) })
				}
				drivers.Go(func() { d.pingPong(t, i, frames) })
			}
			drivers.Wait()
			for _, d := range ends {
				assert.EqualValues(t, frames, d.Read32(GPRC))
				assert.EqualValues(t, frames, d.Read32(GPTC))
				assert.Zero(t, d.Read32(MPC))
				d.Remove() // ends Run
			}
			cards.Wait()
		})
	}
}

// pingPong sends frames that carry their number and checks those it receives.
func (d *tiny) pingPong(t *testing.T, end, frames int) {
	const window = 24
	f := frame(mac, 60, byte(end))
	for sent, received := 0, 0; sent < frames || received < frames; {
		if sent < frames && sent-received < window && (sent < int(d.n) || d.txStatus(d.txTail)&1 != 0) {
			binary.LittleEndian.PutUint32(f[20:], uint32(sent))
			d.send(f)
			sent++
			continue
		}
		g := d.recv()
		if g == nil {
			runtime.Gosched()
			continue
		}
		if !assert.EqualValues(t, received, binary.LittleEndian.Uint32(g[20:]), "end %d", end) {
			return
		}
		received++
	}
}

// TestDoneIsAllADriverSees has a driver go by nothing but DD before it writes to
// what the card has read.
func TestDoneIsAllADriverSees(t *testing.T) {
	d := newTiny(t, 8, nictest.Options{Deferred: true})
	d.Check(t)
	var card sync.WaitGroup
	card.Go(func() { d.Run(t.Context()) })
	for i := range 1000 {
		slot := d.txTail
		d.send(frame(mac, 60, byte(i)))
		for d.txStatus(slot)&1 == 0 {
			runtime.Gosched()
		}
		clear(d.txBuf(slot)[:60])
		clear(d.txDesc(slot))
	}
	d.Remove()
	card.Wait()
}

func TestNoAllocations(t *testing.T) {
	for _, lax := range []bool{true, false} {
		a, b := newTiny(t, 64, nictest.Options{Lax: lax}), newTiny(t, 64, nictest.Options{Lax: lax})
		nictest.Link(a.Card, b.Card)
		f := frame(mac, 60, 0)
		round := func() {
			a.send(f)
			b.rxNext = (b.rxNext + 1) % b.n
			b.arm(1)
		}
		round()
		require.Zero(t, testing.AllocsPerRun(1000, round), "lax %v", lax)
		require.Empty(t, a.Violations())
		require.Empty(t, b.Violations())
	}
}

func BenchmarkCard(b *testing.B) {
	const ring, burst = 256, 32
	for name, lax := range map[string]bool{"strict": false, "lax": true} {
		b.Run("checks="+name, func(b *testing.B) {
			opts := nictest.Options{Lax: lax, Deferred: true}
			from, to := newTiny(b, ring, opts), newTiny(b, ring, opts)
			nictest.Link(from.Card, to.Card)
			f := frame(mac, 60, 0)
			batch := make([][]byte, burst)
			for i := range batch {
				batch[i] = f
			}
			b.ReportAllocs()
			for b.Loop() {
				from.send(batch...)
				from.Step()
				to.arm(burst)
				to.Step()
			}
			frames := from.Read32(GPTC)
			require.Equal(b, frames, to.Read32(GPRC), "frames sent and received")
			require.Zero(b, to.Read32(MPC))
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
		})
	}
}

package e1000e_test

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// testReset resets the card in the middle of things. It comes back as it was, and
// every buffer is accounted for when the desk closes.
func testReset(t *testing.T, r *rig) {
	rss := nicring.NewRSS(2)
	rss.Key = nicring.SymmetricKey
	group := nicring.MAC{1, 0, 0x5E, 1, 2, 3}
	d, frames := r.twoQueues(t, func(c *e1000e.Config) {
		c.RSS = &rss
		c.Filter.Groups = []nicring.MAC{group}
		c.MaxFrame = 4000
		c.VLAN = true
	})
	require.NoError(t, d.port.SetFilter(nicring.Filter{Groups: []nicring.MAC{group}, Addresses: []nicring.MAC{peer}}))
	toeplitz := nicring.NewToeplitz(rss.Key)
	works := func() {
		t.Helper()
		d.awaitLink()
		stranger := r.frame(1, 80)
		copy(stranger, []byte{2, 0, 0, 0, 0, 77})
		toGroup, toOther, long := r.frame(2, 80), r.frame(3, 80), r.frame(4, 3000)
		copy(toGroup, group[:])
		copy(toOther, peer[:])
		for _, f := range [][]byte{stranger, toGroup, toOther, tagged(r.frame(5, 80), 7)} {
			r.deliver(f)
		}
		require.Equal(t, [][]byte{toGroup, toOther, r.frame(5, 80)}, d.recv(3, 4), "and no frame for a stranger, and no tag")
		r.deliver(long)
		d.take(0, func(b *pktbuf.Buf) { require.Equal(t, 3000, b.PacketLen()) })
		for _, f := range frames {
			hash, _ := toeplitz.Frame(f[0], rss.Hashes)
			r.deliver(f[0])
			d.take(int(rss.Table[hash&127]), func(b *pktbuf.Buf) {
				got, _ := b.Hash()
				require.Equal(t, hash, got)
			})
		}
		f := r.frames(10, 20)
		d.send(f...)
		require.Equal(t, f, d.sent(20))
	}
	works()
	for range 3 {
		r.deliver(r.frames(20, 5)...)
		d.await(func() bool { return d.rx.Wait(t.Context()) == nil }, "frames that are to be lost")
		require.NoError(t, d.port.Reset())
		works()
	}
	require.EqualValues(t, 3, d.stat("resets"))
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.Positive(t, stats.RxDropped)
	require.LessOrEqual(t, stats.RxDropped, uint64(15))
	d.port.Close()
	require.EqualError(t, d.port.Reset(), fmt.Sprintf("e1000e: reset %s: the port is closed", r.card))
}

func (d *desk) awaitLink() {
	d.t.Helper()
	require.NoError(d.t, nicring.WaitLink(d.t.Context(), d.port))
}

// testResetWhileWaiting resets the card under a goroutine that waits for it. It
// waits on, and wakes for the next frame.
func testResetWhileWaiting(t *testing.T, r *rig) {
	d := r.open(t)
	done := make(chan error, 1)
	go func() { done <- d.rx.Wait(t.Context()) }()
	const ims = 0xD0
	d.await(func() bool { return r.card.Read32(ims) != 0 }, "the wait")
	require.NoError(t, d.port.Reset())
	require.NotZero(t, r.card.Read32(ims), "whoever waits is not to be woken by chance")
	d.awaitLink()
	require.Empty(t, done)
	r.deliver(r.frame(1, 80))
	require.NoError(t, <-done)
	d.recv(1, 1)
}

// TestResetInAFrame has a frame that is longer than a buffer half received when
// the card is reset.
func TestResetInAFrame(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t, func(c *e1000e.Config) { c.MaxFrame = 9000 })
	n := 0
	card.SetFaults(nictest.Faults{Rx: func(done nictest.RxDone) nictest.RxDone {
		if n++; n > 2 {
			done.Status = 0 // the third descriptor of five is never done
		}
		return done
	}})
	r.deliver(r.frame(1, 9000))
	require.Zero(t, d.rx.Recv(make([]*pktbuf.Buf, 8)))
	card.SetFaults(nictest.Faults{})
	require.NoError(t, d.port.Reset())
	f := r.frames(0, 10)
	r.deliver(f...)
	require.Equal(t, f, d.recv(10, 3))
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.EqualValues(t, 1, stats.RxDropped)
}

// TestSentComesHome has the card report a burst within the doorbell.
func TestSentComesHome(t *testing.T) {
	r, _ := memoryRig(t)
	d := r.open(t)
	d.send(r.frames(0, 3)...)
	require.Zero(t, d.tx.Send(nil))
	d.cache.Flush()
	require.Equal(t, d.pool.Cap()-ringSize, d.pool.Len(), "all but those to receive with")
}

// TestResetGivesBack has a card that sends nothing be reset. What it was to send
// is counted as dropped, and goes home with the next call.
func TestResetGivesBack(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t)
	card.SetFaults(nictest.Faults{TxStuck: true})
	d.send(r.frames(0, 10)...)
	require.NoError(t, d.port.Reset())
	require.Zero(t, d.tx.Send(nil))
	d.cache.Flush()
	require.Equal(t, d.pool.Cap()-ringSize, d.pool.Len(), "all but those to receive with")
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.EqualValues(t, 10, stats.TxDropped)
}

// testStatisticsByName sends and receives, and compares what the card counts.
func testStatisticsByName(t *testing.T, r *rig) {
	d := r.open(t)
	f := r.frames(1, 30) // the card of QEMU leaves CRCs out, and 60 bytes have no class then
	broadcast := r.frame(50, 100)
	copy(broadcast, []byte{255, 255, 255, 255, 255, 255})
	r.deliver(append(f, broadcast)...)
	d.recv(31, 8)
	d.send(f[:10]...)
	d.sent(10)
	d.send(broadcast)
	d.sent(1)
	require.EqualValues(t, 31, d.stat("rx_good_packets"))
	require.EqualValues(t, 1, d.stat("rx_broadcast_packets"))
	require.EqualValues(t, 31, d.stat("rx_queue_0_packets"))
	require.EqualValues(t, 11, d.stat("tx_good_packets"))
	require.EqualValues(t, 1, d.stat("tx_broadcast_packets"))
	require.EqualValues(t, 11, d.stat("tx_queue_0_packets"))
	require.Zero(t, d.stat("resets"))
	sizes := uint64(0)
	for _, name := range []string{"64", "65_to_127", "128_to_255", "256_to_511", "512_to_1023", "1024_and_more"} {
		sizes += d.stat("rx_size_" + name)
	}
	require.EqualValues(t, 31, sizes)
	seen := map[string]bool{}
	stats, err := d.port.ExtendedStats()
	require.NoError(t, err)
	for name := range stats {
		require.False(t, seen[name], "%s twice", name)
		seen[name] = true
	}
	for range stats {
		break // the iterator takes it
	}
	require.Greater(t, len(seen), 60)
}

// TestCardMended has the card fail in ways that only the port can mend, and sees
// that it does, in a time that depends on nobody calling anything but Recv and Send.
func TestCardMended(t *testing.T) {
	for _, c := range []struct {
		name    string
		faults  nictest.Faults
		counted string
	}{
		{"transmission hangs", nictest.Faults{TxHangs: true}, "tx_hangs"},
		{"reception hangs", nictest.Faults{RxHangs: true}, "rx_hangs"},
		{"a sent descriptor is never done", nictest.Faults{HoldTx: 1}, "tx_hangs"},
		{"a received descriptor is never done", nictest.Faults{HoldRx: 1}, "rx_hangs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, card := memoryRig(t)
			d := r.open(t)
			card.SetFaults(c.faults)
			number := 0
			bufs := make([]*pktbuf.Buf, 8)
			d.await(func() bool {
				r.deliver(r.frame(number, 100))
				d.cache.PutN(bufs[:d.rx.Recv(bufs)])
				if b, ok := d.cache.Get(); ok {
					copy(b.Append(100), r.frame(number, 100))
					bufs[0] = b
					d.cache.PutN(bufs[d.tx.Send(bufs[:1]):1])
				}
				number++
				time.Sleep(time.Millisecond)
				return d.stat(c.counted) == 1
			}, "the hang to be seen")
			d.awaitLink()
			for d.rx.Recv(bufs[:1]) > 0 {
				d.cache.PutN(bufs[:1])
			}
			for r.next() != nil {
			}
			f := r.frames(0, 20)
			r.deliver(f...)
			require.Equal(t, f, d.recv(20, 8))
			d.send(f...)
			require.Equal(t, f, d.sent(20))
		})
	}
}

// TestLostDoorbell has nothing follow the doorbell that is lost: the port repeats
// it, and resets nothing.
func TestLostDoorbell(t *testing.T) {
	t.Parallel()
	r, card := memoryRig(t)
	d := r.open(t)
	card.SetFaults(nictest.Faults{LostDoorbells: 1})
	f := r.frames(0, 3)
	d.send(f...)
	d.await(func() bool { return d.stat("tx_queue_0_doorbells_repeated") == 1 }, "the doorbell")
	require.Equal(t, f, d.sent(3))

	// The card runs out of descriptors, and is told of none.
	f = r.frames(10, ringSize+5)
	r.deliver(f...)
	card.SetFaults(nictest.Faults{LostDoorbells: 1})
	bufs := make([]*pktbuf.Buf, ringSize)
	require.Equal(t, ringSize-1, d.rx.Recv(bufs))
	d.cache.PutN(bufs[:ringSize-1])
	require.Equal(t, f[ringSize-1:], d.recv(6, 8))
	require.EqualValues(t, 1, d.stat("rx_queue_0_doorbells_repeated"))
	require.Zero(t, d.stat("resets"))
}

// TestLostInterrupt has the only interrupt that would have woken somebody be lost.
func TestLostInterrupt(t *testing.T) {
	t.Parallel()
	r, card := memoryRig(t)
	d := r.open(t)
	card.SetFaults(nictest.Faults{LostInterrupts: 1})
	done := make(chan error)
	go func() { done <- d.rx.Wait(t.Context()) }()
	const ims = 0xD0
	d.await(func() bool { return card.Read32(ims) != 0 }, "the wait")
	r.deliver(r.frame(1, 100))
	require.NoError(t, <-done)
	d.recv(1, 1)
	require.Zero(t, d.stat("interrupts_asserted"))
	r.deliver(r.frame(2, 100))
	require.NoError(t, d.rx.Wait(t.Context()))
	d.recv(1, 1)
}

// TestNoFalseAlarm holds a port to leaving a card alone that stands still for a
// reason: nobody polls, the link is down, or the other end has asked for a pause.
func TestNoFalseAlarm(t *testing.T) {
	t.Parallel()
	r, card := memoryRig(t)
	d := r.open(t, func(c *e1000e.Config) { c.Pause = nicring.PauseObey })
	r.deliver(r.frames(0, 3*ringSize)...) // and nobody takes them
	pause := r.frame(1, 60)
	copy(pause, []byte{1, 0x80, 0xC2, 0, 0, 1})
	binary.BigEndian.PutUint16(pause[12:], 0x8808)
	copy(pause[14:], []byte{0, 1, 0xFF, 0xFF})
	r.deliver(pause)
	d.send(r.frames(0, 5)...)
	begin := time.Now()
	d.await(func() bool {
		r.deliver(pause)
		return time.Since(begin) > time.Second // ten looks, of which four would do
	}, "time")
	require.Zero(t, d.stat("resets"))
	card.SetLink(false)
	begin = time.Now()
	d.await(func() bool { return time.Since(begin) > time.Second }, "time")
	require.Zero(t, d.stat("resets"))
	card.SetLink(true)
	require.Equal(t, r.frames(0, 5), d.sent(5))
}

// TestResetHangs has the reset that is to mend the card hang as well. Meanwhile
// nothing moves and nothing breaks; the port tries until it succeeds.
func TestResetHangs(t *testing.T) {
	t.Parallel()
	for _, faults := range []nictest.Faults{{ResetHangs: true}, {NVMHangs: true}} {
		r, card := memoryRig(t)
		d := r.open(t)
		card.SetFaults(faults)
		require.ErrorContains(t, d.port.Reset(), "after 100ms")
		require.Error(t, d.port.Reset())
		bufs := make([]*pktbuf.Buf, 4)
		require.Zero(t, d.rx.Recv(bufs))
		b, _ := d.cache.Get()
		bufs[0] = b
		require.Zero(t, d.tx.Send(bufs[:1]))
		d.cache.PutN(bufs[:1])
		require.NoError(t, d.port.SetFilter(nicring.Filter{Promiscuous: true}))
		_, err := d.port.Stats()
		require.NoError(t, err)
		done := make(chan error)
		go func() { done <- d.rx.Wait(t.Context()) }()

		card.SetFaults(nictest.Faults{})
		d.awaitLink()
		stranger := r.frame(1, 80)
		copy(stranger, []byte{2, 0, 0, 0, 0, 77})
		d.await(func() bool {
			r.deliver(stranger)
			select {
			case err := <-done:
				require.NoError(t, err)
				return true
			default:
				return false
			}
		}, "the wait to end, by a frame that the new filter lets in")
		require.Equal(t, stranger, d.recv(1, 1)[0])
		d.close()
	}
}

// TestCloseWhileDown closes a port whose card does not come back.
func TestCloseWhileDown(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t)
	d.send(r.frames(0, 5)...)
	card.SetFaults(nictest.Faults{ResetHangs: true})
	require.Error(t, d.port.Reset())
	d.close()
}

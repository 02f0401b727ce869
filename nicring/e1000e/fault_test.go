package e1000e_test

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/nicring/nictest"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// TestHostileDescriptors has the card claim what cannot be. Each claim costs the
// frame, is counted, and nothing else.
func TestHostileDescriptors(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*nictest.RxDone)
	}{
		{"empty", func(d *nictest.RxDone) { d.Length = 0 }},
		{"longer than the buffer", func(d *nictest.RxDone) { d.Length = 2049 }},
		{"longest", func(d *nictest.RxDone) { d.Length = 0xFFFF }},
		{"goes on in another", func(d *nictest.RxDone) { d.Status &^= 2 }},
		{"CRC error", func(d *nictest.RxDone) { d.Status |= 1 << 24 }},
		{"data error", func(d *nictest.RxDone) { d.Status |= 1 << 31 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, card := memoryRig(t)
			d := r.open(t)
			f := r.frames(0, 9)
			n := 0
			card.SetFaults(nictest.Faults{Rx: func(done nictest.RxDone) nictest.RxDone {
				if n++; n%3 == 2 {
					c.change(&done)
				}
				return done
			}})
			r.deliver(f...)
			require.Equal(t, [][]byte{f[0], f[2], f[3], f[5], f[6], f[8]}, d.recv(6, 4))
			stats, err := d.port.Stats()
			require.NoError(t, err)
			require.EqualValues(t, 3, stats.RxDropped)
			require.EqualValues(t, 9, stats.RxPackets)

			card.SetFaults(nictest.Faults{})
			more := r.frames(9, 2*ringSize)
			for ; len(more) > 0; more = more[4:] {
				r.deliver(more[:4]...)
				require.Equal(t, more[:4], d.recv(4, 4))
			}
		})
	}
}

// TestTailOfARefusedFrame has a frame be too long from its first descriptor on. What
// follows it up to its end is no frame of its own, unless a reset comes between.
func TestTailOfARefusedFrame(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t)
	tooLong := func() {
		card.SetFaults(nictest.Faults{Rx: func(done nictest.RxDone) nictest.RxDone {
			done.Status, done.Length = 1, 2048
			return done
		}})
		r.deliver(r.frame(0, 100))
		require.Zero(t, d.rx.Recv(make([]*pktbuf.Buf, 1)))
		card.SetFaults(nictest.Faults{})
	}
	f := r.frames(1, 3)
	tooLong()
	r.deliver(f...)
	require.Equal(t, f[1:], d.recv(2, 4))
	require.EqualValues(t, 1, d.stat("rx_queue_0_dropped"))
	tooLong()
	require.NoError(t, d.port.Reset())
	r.deliver(f...)
	require.Equal(t, f, d.recv(3, 4))
	require.EqualValues(t, 2, d.stat("rx_queue_0_dropped"))
}

// TestEveryDescriptorHostile goes round the ring with nothing to hand out.
func TestEveryDescriptorHostile(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t)
	card.SetFaults(nictest.Faults{Rx: func(done nictest.RxDone) nictest.RxDone {
		done.Length = 0
		return done
	}})
	for _, f := range r.frames(0, 3*ringSize) {
		r.deliver(f)
		require.Zero(t, d.rx.Recv(make([]*pktbuf.Buf, 8)))
	}
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.EqualValues(t, 3*ringSize, stats.RxDropped)
}

// TestEveryDescriptorDone has the card, or whoever can write to its memory, say
// that it is done with what it does not own. No buffer is handed out twice.
func TestEveryDescriptorDone(t *testing.T) {
	memory := nictest.NewMemory(8 << 20)
	r := &rig{card: nictest.New(memory, nictest.Options{Lax: true}), region: memory.Region()}
	d := r.open(t)
	const rdbal, done = 0x2800, 60<<32 | 3
	page := slices.IndexFunc(r.region.Bus, func(bus uint64) bool {
		return bus>>32 == uint64(r.card.Read32(rdbal+4))
	})
	ring := r.region.Bytes[page*r.region.PageSize+int(r.card.Read32(rdbal))%r.region.PageSize:]
	for i := range ringSize {
		binary.LittleEndian.PutUint64(ring[16*i+8:], done)
	}
	bufs := make([]*pktbuf.Buf, 4*ringSize)
	n := d.rx.Recv(bufs)
	require.Equal(t, ringSize-1, n)
	seen := map[*pktbuf.Buf]bool{}
	for _, b := range bufs[:n] {
		require.False(t, seen[b], "a buffer handed out twice")
		seen[b] = true
	}
	d.cache.PutN(bufs[:n])
}

// TestLateDescriptor has the card finish descriptors out of order: what comes
// later waits, and the order of frames holds.
func TestLateDescriptor(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t)
	card.SetFaults(nictest.Faults{HoldRx: 2, HoldTx: 1})
	f := r.frames(0, 5)
	r.deliver(f...)
	require.Zero(t, d.rx.Recv(make([]*pktbuf.Buf, 8)))
	d.send(f[:2]...)
	d.send(f[2:]...)
	card.SetFaults(nictest.Faults{})
	require.Equal(t, f, d.recv(5, 8))
	require.Equal(t, f, d.sent(5))
}

// TestTransmitStuck fills the ring of a card that sends nothing. Send takes what
// the ring holds and no more, and Close gets it all back.
func TestTransmitStuck(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t)
	card.SetFaults(nictest.Faults{TxStuck: true})
	bufs := make([]*pktbuf.Buf, ringSize+10)
	require.Equal(t, len(bufs), d.cache.GetN(bufs))
	for i, b := range bufs {
		copy(b.Append(100), r.frame(i, 100))
	}
	n := 0
	for range 10 {
		n += d.tx.Send(bufs[n:])
	}
	require.Equal(t, ringSize-1, n)
	d.cache.PutN(bufs[n:])
}

// TestRemoved takes the card out while frames are under way both ways.
func TestRemoved(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t)
	r.deliver(r.frames(0, 10)...)
	d.send(r.frames(0, 3)...)
	card.Remove()

	d.recv(10, 4) // what had arrived is there
	require.Zero(t, d.rx.Recv(make([]*pktbuf.Buf, 4)))
	d.send(r.frames(0, 3)...)

	_, err := d.port.Link()
	require.ErrorIs(t, err, nicring.ErrRemoved)
	require.EqualError(t, err, "e1000e: link of memory: card removed")
	_, err = d.port.Stats()
	require.ErrorIs(t, err, nicring.ErrRemoved)
	require.ErrorIs(t, d.rx.Wait(t.Context()), nicring.ErrRemoved)
	require.ErrorIs(t, nicring.WaitLink(t.Context(), d.port), nicring.ErrRemoved)
}

func TestOpenFails(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*nictest.Card)
		want  string
	}{
		{"reset hangs", func(c *nictest.Card) { c.SetFaults(nictest.Faults{ResetHangs: true}) },
			"e1000e: open memory: CTRL.RST is still set after 100ms"},
		{"NVM is bad", func(c *nictest.Card) { c.SetFaults(nictest.Faults{BadNVM: true}) },
			"NVM checksum is"},
		{"NVM hangs", func(c *nictest.Card) { c.SetFaults(nictest.Faults{NVMHangs: true}) },
			"e1000e: open memory: EECD.AUTO_RD is still clear after 100ms: the card has not read its NVM"},
		{"removed", func(c *nictest.Card) { c.Remove() }, "card removed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, card := memoryRig(t)
			c.spoil(card)
			arena := pktbuf.NewArena(r.region)
			pool, err := pktbuf.NewPool(arena, 200, 2048)
			require.NoError(t, err)
			cache := pool.NewCache()
			_, err = e1000e.Open(card, arena, e1000e.Config{RxRing: 64, RxCaches: []*pktbuf.Cache{cache}, TxCaches: []*pktbuf.Cache{cache}})
			require.ErrorContains(t, err, c.want)
			cache.Flush()
			require.NoError(t, pool.Close())
			require.Equal(t, len(r.region.Bytes), arena.Room())
		})
	}
}

// A stubborn card cannot be taken off memory.
type stubborn struct {
	*nictest.Card
	refuse bool
}

var errRefused = errors.New("config space is read-only")

func (s *stubborn) SetBusMaster(on bool) error {
	if s.refuse && !on {
		return errRefused
	}
	return s.Card.SetBusMaster(on)
}

// TestCloseKeepsWhatTheCardCanReach has the card keep its access to memory: then
// nothing that it was told of may be given to others.
func TestCloseKeepsWhatTheCardCanReach(t *testing.T) {
	r, card := memoryRig(t)
	s := &stubborn{Card: card}
	r.card = s
	d := r.open(t)
	room := d.arena.Room()
	s.refuse = true
	require.ErrorIs(t, d.port.Close(), errRefused)
	d.cache.Flush()
	require.Equal(t, d.pool.Cap()-ringSize, d.pool.Len())
	require.Error(t, d.pool.Close())
	require.Equal(t, room, d.arena.Room())
	s.refuse = false // and the desk's close, which tries again, frees it all
}

func TestConfigIsChecked(t *testing.T) {
	_, card := memoryRig(t)
	for _, cfg := range []e1000e.Config{
		{RxRing: 7}, {RxRing: 4}, {TxRing: 1 << 16}, {TxRing: 48}, {RxRing: 64, TxRing: 64},
	} {
		require.Panics(t, func() { e1000e.Open(card, nil, cfg) })
	}
}

// TestNoAllocation holds a burst on its way through to no allocation. The card
// works between the calls, with allocations of its own.
func TestNoAllocation(t *testing.T) {
	r, card := memoryRig(t)
	d := r.open(t, func(c *e1000e.Config) { c.RxRing = 256 })
	card.SetFaults(nictest.Faults{TxStuck: true})
	bufs := make([]*pktbuf.Buf, 8)
	const runs = 6
	r.deliver(r.frames(0, 8*(runs+1))...) // and one to warm up
	moved := 0
	require.Zero(t, testing.AllocsPerRun(runs, func() {
		moved += d.tx.Send(bufs[:d.rx.Recv(bufs)])
	}))
	require.Equal(t, 8*(runs+1), moved)
}

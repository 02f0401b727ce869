package e1000e_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/pktbuf"
)

const tcp, udp = 6, 17

// packet makes a frame of TCP or UDP with right checksums.
func (r *rig) packet(src, dst netip.AddrPort, protocol byte, payload int) []byte {
	header := map[byte]int{tcp: 20, udp: 8}[protocol]
	segment := make([]byte, header, header+payload)
	binary.BigEndian.PutUint16(segment, src.Port())
	binary.BigEndian.PutUint16(segment[2:], dst.Port())
	if protocol == tcp {
		segment[12] = 5 << 4
	} else {
		binary.BigEndian.PutUint16(segment[4:], uint16(header+payload))
	}
	for i := range payload {
		segment = append(segment, byte(i))
	}
	addresses := append(src.Addr().AsSlice(), dst.Addr().AsSlice()...)
	pseudo := binary.BigEndian.AppendUint32(bytes.Clone(addresses), uint32(len(segment)))
	pseudo = append(pseudo, 0, 0, 0, protocol)
	binary.BigEndian.PutUint16(segment[map[byte]int{tcp: 16, udp: 6}[protocol]:], ^internetSum(append(pseudo, segment...)))

	f := append(append([]byte{}, r.mac[:]...), peer[:]...)
	if src.Addr().Is4() {
		ip := append([]byte{0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, protocol, 0, 0}, addresses...)
		binary.BigEndian.PutUint16(ip[2:], uint16(20+len(segment)))
		binary.BigEndian.PutUint16(ip[10:], ^internetSum(ip))
		f = append(append(f, 0x08, 0), ip...)
	} else {
		f = append(f, 0x86, 0xDD, 0x60, 0, 0, 0, byte(len(segment)>>8), byte(len(segment)), protocol, 64)
		f = append(f, addresses...)
	}
	f = append(f, segment...)
	return append(f, make([]byte, max(60-len(f), 0))...)
}

// internetSum is what a checksum over data, with itself in it, makes 0xFFFF.
func internetSum(data []byte) uint16 {
	sum := uint32(0)
	for i, b := range data {
		sum += uint32(b) << (8 * (1 - i%2))
	}
	for sum > 0xFFFF {
		sum = sum>>16 + sum&0xFFFF
	}
	return uint16(sum)
}

func tagged(frame []byte, tci uint16) []byte {
	f := append(bytes.Clone(frame[:12]), 0x81, 0, byte(tci>>8), byte(tci))
	return append(f, frame[12:]...)
}

var (
	host4 = netip.MustParseAddrPort("192.0.2.1:1000")
	host6 = netip.MustParseAddrPort("[2001:db8::1]:1000")
)

// port returns the same host with another port.
func port(a netip.AddrPort, n int) netip.AddrPort { return netip.AddrPortFrom(a.Addr(), uint16(n)) }

// take receives one frame of a queue and hands its buffers to look.
func (d *desk) take(queue int, look func(b *pktbuf.Buf)) {
	d.t.Helper()
	bufs := make([]*pktbuf.Buf, 1)
	d.await(func() bool { return d.port.RxQueue(queue).Recv(bufs) == 1 }, "a frame in queue %d", queue)
	look(bufs[0])
	d.cache.PutN(bufs)
}

// testSpread compares the card's hash with ours, and the queue with the table's.
func testSpread(t *testing.T, r *rig) {
	for _, key := range []nicring.RSSKey{nicring.MicrosoftKey, nicring.SymmetricKey, {3: 7, 39: 0xFF}} {
		rss := nicring.NewRSS(2)
		rss.Key = key
		for i := range rss.Table {
			rss.Table[i] = uint8(i/3) & 1
		}
		d := r.open(t, func(c *e1000e.Config) {
			c.RxCaches = append(c.RxCaches, c.RxCaches[0])
			c.RSS = &rss
		})
		toeplitz := nicring.NewToeplitz(key)
		var seen [2]int
		for i := range 40 {
			from := []netip.AddrPort{host4, host6}[i&1]
			f := r.packet(port(from, 2000+i), port(from, 80), []byte{tcp, udp}[i>>1&1], 10*i)
			hash, flow := toeplitz.Frame(f, rss.Hashes)
			queue := int(rss.Table[hash&127])
			seen[queue]++
			r.deliver(f)
			d.take(queue, func(b *pktbuf.Buf) {
				require.Equal(t, f, b.Bytes())
				got, ok := b.Hash()
				require.True(t, ok, "frame %d, flow %d has a hash", i, flow)
				require.Equal(t, hash, got, "hash of frame %d, flow %d", i, flow)
			})
		}
		require.NotZero(t, seen[0])
		require.NotZero(t, seen[1])

		other := r.frame(1, 80)
		r.deliver(other)
		d.take(0, func(b *pktbuf.Buf) {
			_, ok := b.Hash()
			require.False(t, ok, "what is not IP has no hash")
		})
		d.close()
	}
}

func testReceiveChecksums(t *testing.T, r *rig) {
	d := r.open(t)
	type verdict struct{ network, transport pktbuf.Checksum }
	check := func(name string, f []byte, want verdict) {
		t.Helper()
		r.deliver(f)
		d.take(0, func(b *pktbuf.Buf) {
			var got verdict
			got.network, got.transport = b.Checksums()
			require.Equal(t, want, got, name)
			require.Equal(t, f, b.Bytes(), name)
		})
	}
	for _, from := range []netip.AddrPort{host4, host6} {
		network := pktbuf.Unchecked
		if from.Addr().Is4() {
			network = pktbuf.Good
		}
		for _, protocol := range []byte{tcp, udp} {
			name := fmt.Sprint(from, " protocol ", protocol)
			good := r.packet(from, port(from, 80), protocol, 101)
			check(name, good, verdict{network, pktbuf.Good})
			bad := bytes.Clone(good)
			bad[len(bad)-1] ^= 1
			check(name+", payload wrong", bad, verdict{network, pktbuf.Bad})
		}
	}
	bad := r.packet(host4, port(host4, 80), udp, 101)
	bad[14+8]++ // time to live
	r.deliver(bad)
	d.take(0, func(b *pktbuf.Buf) {
		network, _ := b.Checksums()
		require.Equal(t, pktbuf.Bad, network)
	})
	check("neither", r.frame(1, 80), verdict{})
}

func testReceiveVLAN(t *testing.T, r *rig) {
	plain := r.packet(host4, port(host4, 80), udp, 100)
	frame := tagged(plain, 5<<13|7)

	d := r.open(t)
	r.deliver(frame)
	d.take(0, func(b *pktbuf.Buf) {
		require.Equal(t, frame, b.Bytes(), "the tag stays where VLAN is not asked for")
		_, ok := b.VLAN()
		require.False(t, ok)
	})
	d.close()

	d = r.open(t, func(c *e1000e.Config) { c.VLAN = true })
	r.deliver(frame, plain)
	d.take(0, func(b *pktbuf.Buf) {
		require.Equal(t, plain, b.Bytes())
		tci, ok := b.VLAN()
		require.True(t, ok)
		require.EqualValues(t, 5<<13|7, tci)
	})
	d.take(0, func(b *pktbuf.Buf) {
		require.Equal(t, plain, b.Bytes())
		_, ok := b.VLAN()
		require.False(t, ok)
	})

	require.NoError(t, d.port.SetFilter(nicring.Filter{VLANs: []uint16{0, 9, 4094}}))
	for _, id := range []uint16{7, 9, 8, 4094, 41, 0} {
		r.deliver(tagged(plain, id))
	}
	r.deliver(plain)
	for _, want := range []int{9, 4094, 0, -1} {
		d.take(0, func(b *pktbuf.Buf) {
			tci, ok := b.VLAN()
			require.Equal(t, want >= 0, ok, "VLAN %d", want)
			if ok {
				require.EqualValues(t, want, tci)
			}
		})
	}
}

func testSetFilter(t *testing.T, r *rig) {
	d := r.open(t)
	to := func(m nicring.MAC) []byte {
		f := r.frame(int(m[5]), 80)
		copy(f, m[:])
		return f
	}
	broadcast := to(nicring.MAC{255, 255, 255, 255, 255, 255})
	second, stranger := to(nicring.MAC{2, 1, 1, 1, 1, 1}), to(nicring.MAC{2, 1, 1, 1, 1, 2})
	group, others := to(nicring.MAC{1, 0, 0x5E, 1, 2, 3}), to(nicring.MAC{0x33, 0x33, 0, 0, 0, 1})
	mine := to(r.mac)
	all := [][]byte{second, stranger, group, others, broadcast, mine}
	var many []nicring.MAC
	for i := range 15 {
		many = append(many, nicring.MAC{2, 1, 1, 1, 1, byte(0xFF - i)})
	}
	many[14] = nicring.MAC(second)
	for _, c := range []struct {
		name   string
		filter nicring.Filter
		want   [][]byte
	}{
		{"none", nicring.Filter{}, [][]byte{broadcast, mine}},
		{"addresses", nicring.Filter{Addresses: many}, [][]byte{second, broadcast, mine}},
		{"one group", nicring.Filter{Groups: []nicring.MAC{nicring.MAC(group)}}, [][]byte{group, broadcast, mine}},
		{"all groups", nicring.Filter{AllMulticast: true}, [][]byte{group, others, broadcast, mine}},
		{"all", nicring.Filter{Promiscuous: true}, all},
		{"none again", nicring.Filter{}, [][]byte{broadcast, mine}},
	} {
		require.NoError(t, d.port.SetFilter(c.filter))
		r.deliver(all...)
		require.Equal(t, c.want, d.recv(len(c.want), 8), c.name)
	}
	r.deliver(mine)
	d.recv(1, 1)
	for _, c := range []struct {
		filter nicring.Filter
		want   string
	}{
		{nicring.Filter{Addresses: append(many, many[0])}, "16 addresses: the card has room for 15 beside its own; Promiscuous receives them all"},
		{nicring.Filter{Addresses: []nicring.MAC{{1}}}, "address 01:00:00:00:00:00 is a group's: it belongs in Groups"},
		{nicring.Filter{Groups: []nicring.MAC{{2}}}, "group 02:00:00:00:00:00 is a single card's address: it belongs in Addresses"},
		{nicring.Filter{VLANs: []uint16{4095}}, "VLAN 4095: identifiers go to 4094"},
	} {
		require.EqualError(t, d.port.SetFilter(c.filter), fmt.Sprintf("e1000e: set filter of %s: %s", d.port, c.want))
	}
	r.deliver(stranger, mine)
	require.Equal(t, [][]byte{mine}, d.recv(1, 8), "a filter refused changes nothing")
}

func (r *rig) longestFrame() int {
	if r.longest > 0 {
		return r.longest
	}
	return 9230
}

// testJumbo receives frames of all lengths as chains, and drops what is too long
// without losing what comes behind it.
func testJumbo(t *testing.T, r *rig) {
	longest := r.longestFrame()
	d := r.open(t, func(c *e1000e.Config) { c.MaxFrame = 9230 })
	for i, length := range []int{60, 1518, 1519, 2047, 2048, 2049, 4095, 4096, 4097, 6144, 9000, longest} {
		f := r.frame(i, length)
		r.deliver(f, r.frame(100+i, 60))
		d.take(0, func(b *pktbuf.Buf) {
			require.Equal(t, length, b.PacketLen())
			got := make([]byte, length)
			require.Equal(t, length, b.CopyTo(got, 0))
			require.Equal(t, f, got, "length %d", length)
			require.Equal(t, (length+2047)/2048, b.NumSegments())
		})
		require.Equal(t, [][]byte{r.frame(100+i, 60)}, d.recv(1, 1))
	}
	d.close()

	d = r.open(t, func(c *e1000e.Config) { c.MaxFrame = 5000 })
	r.deliver(r.frame(1, 5000), r.frame(2, 5001), r.frame(3, 9000), r.frame(4, 60))
	d.take(0, func(b *pktbuf.Buf) { require.Equal(t, 5000, b.PacketLen()) })
	require.Equal(t, [][]byte{r.frame(4, 60)}, d.recv(1, 1))
	stats, err := d.port.Stats()
	require.NoError(t, err)
	require.EqualValues(t, 2, stats.RxDropped)
}

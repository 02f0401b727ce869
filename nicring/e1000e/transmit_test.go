package e1000e_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring/e1000e"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// buf makes a packet of data, in buffers that hold as many bytes as cuts says, the
// last one the rest.
func (d *desk) buf(data []byte, cuts ...int) *pktbuf.Buf {
	d.t.Helper()
	var head *pktbuf.Buf
	for at := 0; ; {
		b, ok := d.cache.Get()
		require.True(d.t, ok)
		n := len(data) - at
		if len(cuts) > 0 {
			n, cuts = cuts[0], cuts[1:]
		}
		copy(b.Append(n), data[at:at+n])
		at += n
		if head == nil {
			head = b
		} else {
			require.True(d.t, head.Link(b))
		}
		if at == len(data) && len(cuts) == 0 {
			return head
		}
	}
}

// put sends packets as they are.
func (d *desk) put(bufs ...*pktbuf.Buf) {
	d.t.Helper()
	d.await(func() bool {
		bufs = bufs[d.tx.Send(bufs):]
		return len(bufs) == 0
	}, "room for %d packets", len(bufs))
}

func (d *desk) txDropped() int {
	stats, err := d.port.Stats()
	require.NoError(d.t, err)
	return int(stats.TxDropped)
}

func testSendChains(t *testing.T, r *rig) {
	d := r.open(t, func(c *e1000e.Config) { c.TxRing = 16; c.MaxFrame = 9230 })
	random := rand.New(rand.NewPCG(7, 7))
	for i := range 200 {
		f := r.frame(i, 64+random.IntN(1400))
		var cuts []int
		for left := len(f); len(cuts) < random.IntN(8); left -= cuts[len(cuts)-1] {
			cuts = append(cuts, random.IntN(left)) // an empty one now and then
		}
		plain := r.frame(1000+i, 60)
		d.put(d.buf(f, cuts...), d.buf(plain))
		require.Equal(t, [][]byte{f, plain}, d.sent(2), "cut at %v", cuts)
	}
	long := r.frame(1, r.longestFrame())
	d.put(d.buf(long, 2000, 2000, 2000, 2000))
	require.Equal(t, [][]byte{long}, d.sent(1))

	tooMany := make([]int, 16)
	for i := range tooMany {
		tooMany[i] = 4
	}
	d.put(d.buf(r.frame(1, 200), tooMany...), d.buf(r.frame(1, 9231), 2000, 2000, 2000, 2000), d.buf(r.frame(2, 60)))
	require.Equal(t, [][]byte{r.frame(2, 60)}, d.sent(1))
	require.Equal(t, 2, d.txDropped(), "one of 17 buffers in a ring of 16, one of 9231 bytes")
}

// testSendClones sends one packet many times, as a bridge does, and takes the
// memory back once.
func testSendClones(t *testing.T, r *rig) {
	d := r.open(t)
	for _, f := range [][]byte{r.frame(1, 700), r.frame(2, 60), append(r.frame(3, 20), make([]byte, 40)...)} {
		b := d.buf(bytes.TrimRight(f, "\x00"))
		var want [][]byte
		alone := f
		if r.padsNothing {
			f = bytes.TrimRight(f, "\x00") // we do not write to what others share
		}
		for range 5 {
			c, ok := d.cache.Clone(b)
			require.True(t, ok)
			d.put(c)
			want = append(want, f)
		}
		d.put(b)
		require.Equal(t, append(want, alone), d.sent(6))
	}
}

// ask returns the offload of a packet that rig.packet made.
func ask(frame []byte) (o pktbuf.Offload) {
	o.L2Len, o.L3Len, o.IPv4Checksum = 14, 20, true
	protocol := frame[14+9]
	if frame[12] == 0x86 {
		o.L3Len, o.IPv4Checksum = 40, false
		protocol = frame[14+6]
	}
	o.Checksum, o.L4Len = pktbuf.TCP, 20
	if protocol == udp {
		o.Checksum, o.L4Len = pktbuf.UDP, 8
	}
	return o
}

// spoil writes something else where the card is to put the sums.
func spoil(b *pktbuf.Buf, o pktbuf.Offload) {
	data := b.Bytes()
	if o.IPv4Checksum {
		data[int(o.L2Len)+10] ^= 0x55
	}
	at := int(o.L2Len) + int(o.L3Len) + map[pktbuf.Transport]int{pktbuf.TCP: 16, pktbuf.UDP: 6}[o.Checksum]
	data[at] ^= 0x55
	b.SetOffload(o)
}

func testSendChecksums(t *testing.T, r *rig) {
	for _, vlan := range []bool{false, true} {
		d := r.open(t, func(c *e1000e.Config) { c.VLAN = vlan })
		for i, from := range []netip.AddrPort{host4, host6, host4} {
			for _, protocol := range []byte{tcp, udp} {
				for payload := range 70 {
					f := r.packet(from, port(from, 80+payload), protocol, 18+payload)
					b := d.buf(f, min(len(f), 80))
					spoil(b, ask(f))
					if i == 2 {
						b.SetVLAN(5<<13 | 9)
						f = tagged(f, 5<<13|9)
					}
					d.put(b)
					require.Equal(t, [][]byte{f}, d.sent(1), "%s protocol %d payload %d", from, protocol, payload)
				}
			}
		}
		require.Zero(t, d.txDropped())
		d.close()
	}
}

func testSendVLAN(t *testing.T, r *rig) {
	for _, vlan := range []bool{false, true} {
		d := r.open(t, func(c *e1000e.Config) { c.VLAN = vlan })
		var want [][]byte
		for i := range 20 {
			f := r.frame(i, 60+i)
			b := d.buf(f)
			if i%3 > 0 {
				b.SetVLAN(uint16(i))
				f = tagged(f, uint16(i))
			}
			d.put(b)
			want = append(want, f)
		}
		if r.reorders { // frames with a tag and without it
			require.ElementsMatch(t, want, d.sent(20))
		} else {
			require.Equal(t, want, d.sent(20))
		}
		d.close()
	}
}

// testSegments has the card cut a packet up, and puts it together again.
func testSegments(t *testing.T, r *rig) {
	if r.fragments {
		return // QEMU's card makes IP fragments of it: the one made of memory has to do
	}
	d := r.open(t)
	for _, from := range []netip.AddrPort{host4, host6} {
		for _, size := range []int{1, 100, 1000, 1440} {
			for _, payload := range []int{1, size - 1, size, size + 1, 3 * size, 5000} {
				if payload == 0 || payload > 63*size {
					continue
				}
				whole := r.packet(from, port(from, 80), tcp, payload)
				headers := 14 + 20 + 20
				if from == host6 {
					headers += 20
				}
				whole = whole[:headers+payload]
				whole[headers-20+13] = 0x19 // FIN, PSH, ACK
				b := d.buf(whole, min(len(whole), 1000), min(max(len(whole)-1000, 0), 1500), max(len(whole)-2500, 0)/2)
				o := ask(whole)
				o.SegmentSize = uint16(size)
				spoil(b, o)
				d.put(b)
				count := (payload + size - 1) / size
				var got []byte
				for i, f := range d.sent(count) {
					require.Equal(t, len(got), int(binary.BigEndian.Uint32(f[headers-20+4:])), "sequence number")
					n := min(size, payload-len(got))
					last := i == count-1
					require.Equal(t, map[bool]byte{false: 0x10, true: 0x19}[last], f[headers-20+13], "flags of segment %d of %d", i, count)
					got = append(got, f[headers:headers+n]...)
					checkSums(t, f[:headers+n], i)
					require.Len(t, f, max(headers+n, 60))
				}
				require.Equal(t, whole[headers:], got)
			}
		}
	}
	require.Zero(t, d.txDropped())
}

// checkSums checks the lengths and checksums of segment i.
func checkSums(t *testing.T, f []byte, i int) {
	t.Helper()
	ip := f[14:]
	segment, pseudo := ip[40:], ip[8:40]
	if f[12] == 0x08 {
		require.EqualValues(t, len(ip), binary.BigEndian.Uint16(ip[2:]))
		require.EqualValues(t, 1+i, binary.BigEndian.Uint16(ip[4:]), "identification")
		require.EqualValues(t, 0xFFFF, internetSum(ip[:20]))
		segment, pseudo = ip[20:], ip[12:20]
	} else {
		require.EqualValues(t, len(segment), binary.BigEndian.Uint16(ip[4:]))
	}
	sum := binary.BigEndian.AppendUint32(bytes.Clone(pseudo), uint32(len(segment)))
	sum = append(sum, 0, 0, 0, tcp)
	require.EqualValues(t, 0xFFFF, internetSum(append(sum, segment...)))
}

// testSendRefuses sends what a card could not make sense of. It all counts, and
// comes home.
func testSendRefuses(t *testing.T, r *rig) {
	d := r.open(t)
	f := r.packet(host4, port(host4, 80), tcp, 1000)
	n := 0
	for _, change := range []func(b *pktbuf.Buf, o *pktbuf.Offload){
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.L2Len = 15 },             // no IP there
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.L3Len = 19 },             // too short
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.L3Len = 2000 },           // beyond the data
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.Checksum = 3 },           // no such transport
		func(b *pktbuf.Buf, o *pktbuf.Offload) { b.TrimBack(b.Len() - 40) }, // no room for a sum
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.SegmentSize = 1500 },     // segments too long
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.SegmentSize, o.IPv4Checksum = 100, false },
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.SegmentSize, o.Checksum = 100, pktbuf.UDP },
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.SegmentSize, o.L4Len = 100, 19 },
		func(b *pktbuf.Buf, o *pktbuf.Offload) { o.SegmentSize = 100; b.TrimBack(1000) }, // nothing to segment
	} {
		b, o := d.buf(f), ask(f)
		change(b, &o)
		b.SetOffload(o)
		d.put(b)
		n++
		require.Equal(t, n, d.txDropped(), fmt.Sprintf("refusal %d", n))
	}
	b := d.buf(f)
	b.SetOffload(ask(f))
	b.Bytes()[14+10] ^= 1
	c, ok := d.cache.Clone(b)
	require.True(t, ok)
	d.put(c)
	require.Equal(t, n+1, d.txDropped(), "to prepare it would write what a clone shares")
	d.put(b)
	require.Equal(t, [][]byte{f}, d.sent(1))
}

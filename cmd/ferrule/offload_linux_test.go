//go:build vm

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/pktbuf"
)

// The forwarder of these tests is the same, run in this process, but for what is
// done to a packet before it is sent: the card is asked to make its checksums, or to
// cut it up.

// A retouched queue changes packets before it sends them.
type retouched struct {
	nicring.TxQueue
	change func(b *pktbuf.Buf)
}

func (q *retouched) Send(bufs []*pktbuf.Buf) int {
	for _, b := range bufs {
		if b.Offload() == (pktbuf.Offload{}) { // not one that there was no room for
			q.change(b)
		}
	}
	return q.TxQueue.Send(bufs)
}

// A censor notes what the cards say of the checksums of what they received.
type censor struct{ good, other int }

func (c *censor) look(b *pktbuf.Buf) {
	if network, transport := b.Checksums(); network == pktbuf.Good && transport == pktbuf.Good {
		c.good++
	} else {
		c.other++
	}
}

// remake has the card make the checksums of a TCP or UDP packet that the other card
// has found to be right, and leaves nothing of those it had.
func (c *censor) remake(b *pktbuf.Buf) {
	if o := checksums(b); o.Checksum != 0 {
		c.look(b)
		spoil(b, o)
		b.SetOffload(o)
	}
}

// cut has the card make segments for an MTU of 1500 of a longer TCP packet.
func (c *censor) cut(b *pktbuf.Buf) {
	const mtu = 1500
	if o := checksums(b); o.Checksum == pktbuf.TCP && b.PacketLen() > 14+mtu {
		c.look(b)
		spoil(b, o)
		o.SegmentSize = mtu - o.L3Len - uint16(o.L4Len)
		b.SetOffload(o)
	}
}

// checksums returns what asks for the checksums of a TCP or UDP packet over IPv4, and
// asks for none of any other. It takes off what Ethernet has padded the packet with,
// since a checksum is over what is there.
func checksums(b *pktbuf.Buf) (o pktbuf.Offload) {
	data := b.Bytes()
	if len(data) < 14+20+20 || binary.BigEndian.Uint16(data[12:]) != 0x0800 || data[20]&0x3F|data[21] != 0 {
		return o // not IPv4, or a fragment
	}
	o.L2Len, o.L3Len, o.IPv4Checksum = 14, uint16(data[14]&15)*4, true
	switch transport := data[14+int(o.L3Len):]; data[23] {
	case 6:
		o.Checksum, o.L4Len = pktbuf.TCP, transport[12]>>4*4
	case 17:
		o.Checksum, o.L4Len = pktbuf.UDP, 8
	}
	if padding := b.PacketLen() - 14 - int(binary.BigEndian.Uint16(data[16:])); o.Checksum != 0 && padding > 0 {
		b.TrimBack(padding)
	}
	return o
}

func spoil(b *pktbuf.Buf, o pktbuf.Offload) {
	data, sum := b.Bytes(), map[pktbuf.Transport]int{pktbuf.TCP: 16, pktbuf.UDP: 6}[o.Checksum]
	binary.BigEndian.PutUint16(data[14+10:], 0xDEAD)
	binary.BigEndian.PutUint16(data[14+int(o.L3Len)+sum:], 0xDEAD)
}

// newUIOBench is a bench between cards B and C.
func newUIOBench(t *testing.T, set func(*forwardOptions)) (b *bench, closeAll func()) {
	o := options(t, []string{cardB, cardC}, set)
	r, err := o.rig([]string{cardB, cardC})
	require.NoError(t, err)
	b = newBenchOf(t, o, r)
	require.NoError(t, awaitLinks(t.Context(), b.ports[:]))
	return b, func() {
		b.close(t)
		require.NoError(t, r.close())
	}
}

// testChecksums has the cards make every checksum anew.
func testChecksums(t *testing.T) {
	b, closeAll := newUIOBench(t, nil)
	var censors [2]censor
	for i, l := range b.joined {
		l.out = &retouched{l.out, censors[i].remake}
	}
	b.start()
	waitForPing(t, right)
	tcp(t, "left", "right", right, 8<<20)
	tcp(t, "right", "left", left, 8<<20)
	udp(t)
	b.stop()
	for _, c := range censors {
		require.Greater(t, c.good, 5000)
		require.Zero(t, c.other, "packets of which the card that received them did not say that the checksums are right")
	}
	for _, p := range b.ports {
		stats, err := p.Stats()
		require.NoError(t, err)
		require.Zero(t, stats.TxDropped)
	}
	closeAll()
}

// testSegments has large packets from an end with an MTU of 9000 sent to one with
// 1500.
func testSegments(t *testing.T, ends [2]*end) {
	ends[0].mtu(t, 9000)
	ends[1].mtu(t, 1500)
	ends[1].ip(t, "route", "add", left+"/32", "dev", ends[1].iface, "advmss", "8960")
	b, closeAll := newUIOBench(t, func(o *forwardOptions) { o.maxFrame = 9018 })
	var c censor
	b.joined[0].out = &retouched{b.joined[0].out, c.cut}
	b.start()
	waitForPing(t, right)
	before := snmp(t, "right")
	tcp(t, "left", "right", right, 8<<20)
	tcp(t, "right", "left", left, 8<<20)
	after := snmp(t, "right")
	b.stop()
	require.Greater(t, c.good, 8<<20/9000/2, "packets that had to be cut")
	require.Zero(t, c.other)
	// QEMU 7.2 fills in the checksum of the whole packet and then cuts that up into
	// fragments of IP, which Linux puts together. That is no segmentation of TCP, and the
	// bytes are right all the same; testMemorySegments is for the segments.
	if made := after["Ip.ReasmOKs"] - before["Ip.ReasmOKs"]; made > 0 {
		t.Logf("of %d packets to be cut QEMU's card made fragments: Linux put %d of them together into %d",
			c.good, after["Ip.ReasmReqds"]-before["Ip.ReasmReqds"], made)
	}
	closeAll()
}

// snmp returns what a namespace's kernel has counted.
func snmp(t *testing.T, namespace string) map[string]int {
	counts := map[string]int{}
	lines := strings.Split(command(t, "ip", "netns", "exec", namespace, "cat", "/proc/net/snmp"), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		for k := 1; k < len(values); k++ {
			var n int
			fmt.Sscan(values[k], &n)
			counts[strings.TrimSuffix(names[0], ":")+"."+names[k]] = n
		}
	}
	return counts
}

// testMemorySegments has Linux's TCP at both ends of a forwarder between two cards
// made of memory, which keep to the data sheet, with an MTU of 9000 here and of 1500
// there.
func testMemorySegments(t *testing.T) {
	const here, there = "203.0.113.1", "203.0.113.2"
	b := newBench(t, options(t, nil, func(o *forwardOptions) { o.maxFrame = 9018 }))
	var c censor
	b.joined[0].out = &retouched{b.joined[0].out, c.cut}
	var wires sync.WaitGroup
	var longest [2]atomic.Int64
	var taps [2]*os.File
	for i, card := range b.cards {
		name := [2]string{"jumbo", "plain"}[i]
		taps[i] = newTap(t, name, [2]string{here, there}[i], [2]int{9000, 1500}[i])
		card.Attach(func(frame []byte) {
			longest[i].Store(max(longest[i].Load(), int64(len(frame)))) // by one worker
			taps[i].Write(frame)
		})
		wires.Go(func() {
			frame := make([]byte, 16<<10)
			for {
				n, err := taps[i].Read(frame)
				if err != nil {
					return
				}
				for ; n < frameMin; n++ { // as the sender's card would
					frame[n] = 0
				}
				card.Deliver(frame[:n])
			}
		})
	}
	// That end has not the MTU for what it lets the other send.
	command(t, "ip", "-n", "plain", "route", "add", here+"/32", "dev", "tap0", "advmss", "8960")
	b.start()
	const n = 8 << 20
	tcp(t, "jumbo", "plain", there, n)
	tcp(t, "plain", "jumbo", here, n)
	for _, tap := range taps {
		require.NoError(t, tap.Close())
	}
	wires.Wait()
	b.stop()

	require.EqualValues(t, 1514, longest[1].Load(), "the longest frame that came to the end with an MTU of 1500")
	require.Greater(t, c.good, n/9000/2)
	require.Zero(t, c.other)
	require.EqualValues(t, c.good, portStat(b.ports[1], "tx_segmentations"))
	t.Logf("%d packets cut up", c.good)
	b.close(t)
}

// newTap makes a network interface of which we are the other end, in a namespace of
// its own.
func newTap(t *testing.T, namespace, address string, mtu int) *os.File {
	command(t, "ip", "netns", "add", namespace)
	tap, err := inNamespace(namespace, func() (*os.File, error) {
		fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return nil, err
		}
		request, err := unix.NewIfreq("tap0")
		if err != nil {
			return nil, err
		}
		request.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
			return nil, err
		}
		return os.NewFile(uintptr(fd), "tap0"), nil // only now is there something to poll
	})
	require.NoError(t, err)
	for _, args := range []string{
		fmt.Sprintf("link set tap0 mtu %d", mtu),
		fmt.Sprintf("address add %s/24 dev tap0", address),
		"link set tap0 up",
	} {
		command(t, "ip", append([]string{"-n", namespace}, strings.Fields(args)...)...)
	}
	return tap
}

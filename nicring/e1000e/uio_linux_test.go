//go:build vm

package e1000e_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/uio"
)

// In the machine that ferrule-vm boots, the card that we drive is at the end of
// a wire whose other end Linux has, and QEMU's monitor is on a port.
const (
	ourCard   = "0000:00:10.0"
	theirCard = "0000:00:11.0"
	monitor   = "/dev/vport0p2"
)

// TestUIOCard runs the suite on the way that a user's packets take: registers
// and memory that Linux has mapped, and Linux at the other end of the wire.
func TestUIOCard(t *testing.T) {
	_, err := uio.Bind(ourCard, false)
	require.NoError(t, err)
	peer := newLinuxPeer(t, theirCard)
	qmp := newMonitor(t)
	conform(t, func(t *testing.T) *rig {
		memory, err := uio.NewMemory(8 << 20)
		require.NoError(t, err)
		device, err := uio.Open(ourCard)
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, device.Close())
			require.NoError(t, memory.Close())
		})
		peer.drain()
		return &rig{
			card:        device,
			region:      memory.Region(),
			mac:         nicring.MAC{0x52, 0x54, 0, 0x12, 0x34, 0},
			deliver:     peer.send,
			next:        peer.next,
			setLink:     func(up bool) { qmp.setLink("net0", up) },
			padsRunts:   true,
			txBytesBare: true,
			fragments:   true,
			longest:     9226, // Linux's driver keeps room for a VLAN tag
			floorsGap:   true,
			// Frames wait at both ports of QEMU's hub, and those that came
			// later are let go first.
			reorders: true,
		}
	})
}

// linuxPeer is a network interface of the kernel's, used through a packet
// socket.
type linuxPeer struct {
	t  *testing.T
	fd int
}

func newLinuxPeer(t *testing.T, card string) *linuxPeer {
	found, err := filepath.Glob("/sys/bus/pci/devices/" + card + "/net/*")
	require.NoError(t, err)
	require.Len(t, found, 1, "network interfaces of %s", card)
	name := filepath.Base(found[0])
	// A kernel that has nothing to say of its own, and frames that are longer
	// than ours may be.
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0))
	// What we hear of the wire is to be what was on it: not put together, and with
	// no tag taken out by the card.
	for _, line := range []string{
		"ip link set NAME mtu 9212", "ip link set NAME promisc on",
		"ethtool -K NAME gro off rxvlan off", "ip link set NAME up",
	} {
		words := strings.Fields(strings.ReplaceAll(line, "NAME", name))
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
	}
	iface, err := net.InterfaceByName(name)
	require.NoError(t, err)
	const all = unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xFF<<8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, all)
	require.NoError(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	require.NoError(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: iface.Index}))
	require.NoError(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}))
	require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20)) // a ring of frames and more
	require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1))
	require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	require.Eventually(t, func() bool {
		carrier, _ := os.ReadFile("/sys/class/net/" + name + "/carrier")
		return strings.TrimSpace(string(carrier)) == "1"
	}, patience, 10*time.Millisecond, "link of %s", name)
	return &linuxPeer{t: t, fd: fd}
}

func (p *linuxPeer) send(frames ...[]byte) {
	for _, f := range frames {
		_, err := unix.Write(p.fd, f)
		require.NoError(p.t, err)
	}
}

func (p *linuxPeer) next() []byte {
	f, aux := make([]byte, longestFrame), make([]byte, 256)
	for {
		n, auxLen, _, _, err := unix.Recvmsg(p.fd, f[4:], aux, 0)
		switch err {
		case nil:
			return withTag(f[:4+n], aux[:auxLen])
		case unix.EINTR: // the scheduler's signals end a read that has a time limit
		default:
			return nil
		}
	}
}

const longestFrame = 16 << 10

// withTag returns the frame that begins at f[4] with the VLAN tag put in that
// Linux takes out of every frame.
func withTag(f, aux []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(aux)
	if err != nil || len(messages) == 0 {
		return f[4:]
	}
	// struct tpacket_auxdata: status, len, snaplen; mac, net, tci, tpid.
	data := messages[0].Data
	if binary.NativeEndian.Uint32(data)&unix.TP_STATUS_VLAN_VALID == 0 {
		return f[4:]
	}
	copy(f, f[4:16])
	binary.BigEndian.PutUint16(f[12:], binary.NativeEndian.Uint16(data[18:]))
	binary.BigEndian.PutUint16(f[14:], binary.NativeEndian.Uint16(data[16:]))
	return f
}

// drain forgets what an earlier test has left on the wire.
func (p *linuxPeer) drain() {
	f := make([]byte, longestFrame)
	for {
		if _, _, err := unix.Recvfrom(p.fd, f, unix.MSG_DONTWAIT); err != nil {
			return
		}
	}
}

// qemuMonitor is QEMU's machine protocol.
type qemuMonitor struct {
	t       *testing.T
	port    *os.File
	answers *json.Decoder
}

func newMonitor(t *testing.T) *qemuMonitor {
	port, err := os.OpenFile(monitor, os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { port.Close() })
	m := &qemuMonitor{t: t, port: port, answers: json.NewDecoder(port)}
	m.do(`{"execute": "qmp_capabilities"}`) // refused if an earlier run has done it
	return m
}

func (m *qemuMonitor) setLink(netdev string, up bool) {
	refusal := m.do(fmt.Sprintf(`{"execute": "set_link", "arguments": {"name": %q, "up": %t}}`, netdev, up))
	require.Empty(m.t, refusal)
}

// do carries out one command, or returns why QEMU refuses. What it says of its
// own accord in between is passed over.
func (m *qemuMonitor) do(command string) (refusal string) {
	_, err := fmt.Fprintln(m.port, command)
	require.NoError(m.t, err)
	for {
		var answer struct {
			Return *struct{}
			Error  *struct{ Desc string }
		}
		require.NoError(m.t, m.answers.Decode(&answer))
		switch {
		case answer.Error != nil:
			return answer.Error.Desc
		case answer.Return != nil:
			return ""
		}
	}
}

//go:build vm

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The machine has four cards, A to D, and two wires: A to B and C to D. Linux
// has A and D, each in a network namespace of its own; B and C are ours, and the
// forwarder between them is all that joins the two.
const (
	cardA, cardB = "0000:00:10.0", "0000:00:11.0"
	cardC, cardD = "0000:00:12.0", "0000:00:13.0"
	left, right  = "192.0.2.1", "192.0.2.2"
)

const within = time.Minute

// TestTraffic has Linux talk to itself through the forwarder, kills the
// forwarder in the middle of it, and has it talk again.
func TestTraffic(t *testing.T) {
	command(t, "ferrule", "bind", cardB, cardC)
	namespace(t, "left", cardA, left)
	namespace(t, "right", cardD, right)

	f := startForwarder(t)
	waitForPing(t)
	ping(t, 200)
	tcp(t, "left", "right", right, 32<<20)
	tcp(t, "right", "left", left, 32<<20)
	udp(t)

	killWhilePouring(t, f)
	for _, card := range []string{cardB, cardC} {
		config, err := os.ReadFile(filepath.Join("/sys/bus/pci/devices", card, "config"))
		require.NoError(t, err)
		require.Zero(t, config[4]&4, "%s may still write to memory after its owner was killed", card)
	}

	f = startForwarder(t)
	waitForPing(t)
	ping(t, 50)
	tcp(t, "left", "right", right, 4<<20)
	tcp(t, "right", "left", left, 4<<20)
	f.interrupt(t)
	command(t, "ferrule", "unbind", cardB, cardC)
}

// A forwarder is `ferrule forward B C`, running.
type forwarder struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	errors bytes.Buffer
}

func startForwarder(t *testing.T) *forwarder {
	t.Helper()
	f := &forwarder{cmd: exec.Command("ferrule", "forward", cardB, cardC, "--json")}
	f.cmd.Stdout, f.cmd.Stderr = &f.out, &f.errors
	require.NoError(t, f.cmd.Start())
	t.Cleanup(func() { f.cmd.Process.Kill() })
	return f
}

// interrupt is Ctrl-C. The forwarder ends with a summary and no complaint.
func (f *forwarder) interrupt(t *testing.T) {
	t.Helper()
	require.NoError(t, f.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, f.cmd.Wait(), "%s", &f.errors)
	var sum struct {
		RxPackets int64 `json:"rx_packets"`
		TxPackets int64 `json:"tx_packets"`
		Dropped   int64 `json:"dropped"`
	}
	require.NoError(t, json.Unmarshal(f.out.Bytes(), &sum), "%s", &f.out)
	require.Positive(t, sum.RxPackets)
	require.Equal(t, sum.RxPackets, sum.TxPackets+sum.Dropped)
	t.Logf("forwarder: %s", bytes.TrimSpace(f.out.Bytes()))
}

// namespace puts Linux's interface of a card into a network namespace.
func namespace(t *testing.T, name, card, address string) {
	found, err := filepath.Glob("/sys/bus/pci/devices/" + card + "/net/*")
	require.NoError(t, err)
	require.Len(t, found, 1, "network interfaces of %s", card)
	iface := filepath.Base(found[0])
	// QEMU's card cuts a large segment into IP fragments with a bad checksum
	// unless a tap is at its other end.
	command(t, "ethtool", "-K", iface, "tso", "off", "gso", "off")
	command(t, "ip", "netns", "add", name)
	command(t, "ip", "link", "set", iface, "netns", name)
	command(t, "ip", "-n", name, "address", "add", address+"/24", "dev", iface)
	command(t, "ip", "-n", name, "link", "set", iface, "up")
}

// waitForPing waits until the links are up and each end has found the other.
func waitForPing(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(within); ; {
		out, err := exec.Command("ip", "netns", "exec", "left", "ping", "-c", "1", "-W", "1", right).CombinedOutput()
		if err == nil {
			return
		}
		require.True(t, time.Now().Before(deadline), "%s", out)
	}
}

func ping(t *testing.T, n int) {
	t.Helper()
	out := command(t, "ip", "netns", "exec", "left", "ping", "-q", "-i", "0.005", "-c", fmt.Sprint(n), right)
	require.Contains(t, out, fmt.Sprintf("%d packets transmitted, %d received, 0%% packet loss", n, n))
	t.Log(strings.TrimSpace(out[strings.LastIndex(out, "rtt"):]))
}

// tcp sends n random bytes and compares what arrives with what left.
func tcp(t *testing.T, from, to, address string, n int64) {
	t.Helper()
	listener := inNamespace(t, to, func() (net.Listener, error) { return net.Listen("tcp4", address+":0") })
	defer listener.Close()
	sums := make(chan [sha256.Size]byte, 1)
	go func() {
		defer close(sums)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		h := sha256.New()
		io.Copy(h, conn)
		sums <- [sha256.Size]byte(h.Sum(nil))
	}()
	start := time.Now()
	conn := inNamespace(t, from, func() (net.Conn, error) { return net.Dial("tcp4", listener.Addr().String()) })
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	h := sha256.New()
	_, err := io.CopyN(io.MultiWriter(conn, h), rand.NewChaCha8([32]byte{byte(n)}), n)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, [sha256.Size]byte(h.Sum(nil)), <-sums, "SHA-256 of what was sent and of what arrived")
	t.Logf("TCP %s to %s: %d MiB in %v", from, to, n>>20, time.Since(start).Round(time.Millisecond))
}

// udp sends a datagram of every size that fits, and has it sent back.
func udp(t *testing.T) {
	t.Helper()
	const most = 1500 - 20 - 8
	echo := inNamespace(t, "right", func() (net.PacketConn, error) { return net.ListenPacket("udp4", right+":0") })
	defer echo.Close()
	go func() {
		p := make([]byte, 2*most)
		for {
			n, from, err := echo.ReadFrom(p)
			if err != nil {
				return
			}
			echo.WriteTo(p[:n], from)
		}
	}()
	conn := inNamespace(t, "left", func() (net.Conn, error) { return net.Dial("udp4", echo.LocalAddr().String()) })
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(within)))
	random := rand.NewChaCha8([32]byte{1})
	out, in := make([]byte, most), make([]byte, 2*most)
	for size := range most + 1 {
		random.Read(out[:size])
		_, err := conn.Write(out[:size])
		require.NoError(t, err)
		n, err := conn.Read(in)
		require.NoError(t, err, "a datagram of %d bytes", size)
		require.True(t, bytes.Equal(out[:size], in[:n]), "a datagram of %d bytes came back as %d", size, n)
	}
	t.Logf("UDP: %d sizes there and back", most+1)
}

// killWhilePouring kills the forwarder in the middle of a transfer, when both
// cards write to memory.
func killWhilePouring(t *testing.T, f *forwarder) {
	listener := inNamespace(t, "right", func() (net.Listener, error) { return net.Listen("tcp4", right+":0") })
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			io.Copy(io.Discard, conn)
		}
	}()
	conn := inNamespace(t, "left", func() (net.Conn, error) { return net.Dial("tcp4", listener.Addr().String()) })
	defer conn.Close()
	poured := make(chan struct{})
	go func() {
		p := make([]byte, 1<<16)
		for i := 0; ; i++ {
			if i == 32 {
				close(poured)
			}
			if _, err := conn.Write(p); err != nil {
				return
			}
		}
	}()
	<-poured
	require.NoError(t, f.cmd.Process.Kill())
	var exit *exec.ExitError
	require.ErrorAs(t, f.cmd.Wait(), &exit)
	require.Equal(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "%s", &f.errors)
}

// inNamespace makes a socket in a network namespace. A socket stays where it was
// made; the thread that made it is not used again.
func inNamespace[T any](t *testing.T, name string, open func() (T, error)) T {
	t.Helper()
	type result struct {
		v   T
		err error
	}
	results := make(chan result)
	go func() {
		runtime.LockOSThread()
		var r result
		f, err := os.Open("/run/netns/" + name)
		if err == nil {
			defer f.Close()
			err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET)
		}
		if err == nil {
			r.v, err = open()
		}
		r.err = err
		results <- r
	}()
	r := <-results
	require.NoError(t, r.err)
	return r.v
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}

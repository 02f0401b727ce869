//go:build vm

package main

import (
	"bytes"
	"context"
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
	"slices"
	"strconv"
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

// TestTraffic has Linux talk to itself through us, in every way that there is.
func TestTraffic(t *testing.T) {
	command(t, "ferrule", "bind", cardB, cardC)
	ends := [2]*end{newEnd(t, "left", cardA, left), newEnd(t, "right", cardD, right)}
	t.Run("Killed", testKilled)
	t.Run("Queues", testQueues)
	t.Run("VLAN", func(t *testing.T) { testVLAN(t, ends) })
	t.Run("Checksums", testChecksums)
	t.Run("Jumbo", func(t *testing.T) { testJumbo(t, ends) })
	t.Run("Segments", func(t *testing.T) { testSegments(t, ends) })
	t.Run("SegmentsOfAMemoryCard", testMemorySegments)
	command(t, "ferrule", "unbind", cardB, cardC)
}

// testKilled kills the forwarder in the middle of traffic, and starts it again.
func testKilled(t *testing.T) {
	f := startForwarder(t)
	waitForPing(t, right)
	ping(t, 200)
	f.idle(t)
	tcp(t, "left", "right", right, 8<<20)
	tcp(t, "right", "left", left, 8<<20)
	udp(t)

	killWhilePouring(t, f)
	for _, card := range []string{cardB, cardC} {
		config, err := os.ReadFile(filepath.Join("/sys/bus/pci/devices", card, "config"))
		require.NoError(t, err)
		require.Zero(t, config[4]&4, "%s may still write to memory after its owner was killed", card)
	}

	f = startForwarder(t)
	waitForPing(t, right)
	ping(t, 50)
	tcp(t, "left", "right", right, 2<<20)
	tcp(t, "right", "left", left, 2<<20)
	f.interrupt(t)
}

// testQueues has several connections at a time, which the cards spread over two
// queues, a worker to each.
func testQueues(t *testing.T) {
	f := startForwarder(t, "--queues", "2", "--workers", "2")
	waitForPing(t, right)
	several(t, 2<<20)
	sum := f.interrupt(t)
	require.Equal(t, 2, sum.Workers)
	require.Len(t, sum.ByQueue, 4)
	for _, q := range sum.ByQueue {
		require.Greater(t, q.RxPackets, uint64(500), "frames that came by queue %d of %s", q.Queue, q.Port)
	}
}

// testVLAN has two VLANs on the wire and the cards let one of them through. The tag
// goes from card to card beside the frame.
func testVLAN(t *testing.T, ends [2]*end) {
	const left5, right5, right6 = "198.51.100.1", "198.51.100.2", "198.51.100.130"
	for i, e := range ends {
		e.vlan(t, 5, [2]string{left5, right5}[i]+"/25")
		e.vlan(t, 6, [2]string{"198.51.100.129", right6}[i]+"/25")
	}
	command(t, "ip", "-n", "left", "neigh", "add", right6, "lladdr", ends[1].mac(t), "dev", "v6")
	command(t, "ip", "-n", "right", "neigh", "add", "198.51.100.129", "lladdr", ends[0].mac(t), "dev", "v6")

	f := startForwarder(t, "--vlan", "5")
	waitForPing(t, right5)
	tcp(t, "left", "right", right5, 8<<20)
	tcp(t, "right", "left", left5, 8<<20)
	out, err := exec.Command("ip", "netns", "exec", "left", "ping", "-q", "-c", "5", "-i", "0.01", "-W", "1", right6).CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "5 packets transmitted, 0 received")
	f.interrupt(t)

	f = startForwarder(t, "--vlan", "5,6") // nothing but the filter was in the way
	waitForPing(t, right6)
	f.interrupt(t)
}

// testJumbo has frames come and go in chains of buffers.
func testJumbo(t *testing.T, ends [2]*end) {
	ends[0].mtu(t, 9000)
	ends[1].mtu(t, 9000)
	f := startForwarder(t, "--max-frame", "9018")
	waitForPing(t, right)
	out := command(t, "ip", "netns", "exec", "left", "ping", "-q", "-M", "do", "-s", "8972", "-c", "3", "-i", "0.01", right)
	require.Contains(t, out, "3 packets transmitted, 3 received")
	tcp(t, "left", "right", right, 8<<20)
	tcp(t, "right", "left", left, 8<<20)
	sum := f.interrupt(t)
	require.Greater(t, sum.RxBytes/sum.RxPackets, uint64(2*bufferSize), "mean length, acknowledgements counted")
}

// A forwarder is `ferrule forward B C`, running.
type forwarder struct {
	cmd    *exec.Cmd
	out    bytes.Buffer
	errors bytes.Buffer
}

func startForwarder(t *testing.T, flags ...string) *forwarder {
	t.Helper()
	f := &forwarder{cmd: exec.Command("ferrule", append([]string{"forward", cardB, cardC, "--json"}, flags...)...)}
	f.cmd.Stdout, f.cmd.Stderr = &f.out, &f.errors
	require.NoError(t, f.cmd.Start())
	t.Cleanup(func() { f.cmd.Process.Kill() })
	return f
}

// interrupt is Ctrl-C. The forwarder ends with a summary and no complaint.
func (f *forwarder) interrupt(t *testing.T) (sum report) {
	t.Helper()
	require.NoError(t, f.cmd.Process.Signal(os.Interrupt))
	require.NoError(t, f.cmd.Wait(), "%s", &f.errors)
	require.NoError(t, json.Unmarshal(f.out.Bytes(), &sum), "%s", &f.out)
	require.Positive(t, sum.RxPackets)
	require.Equal(t, sum.RxPackets, sum.TxPackets+sum.Dropped)
	t.Logf("forwarder: %d packets, %d dropped, %d missed, %d interrupts, by queue %v", sum.RxPackets, sum.Dropped, sum.Missed, sum.Interrupts, sum.ByQueue)
	return sum
}

// idle tells what the forwarder costs while there is nothing to forward: for the
// log, not for the verdict.
func (f *forwarder) idle(t *testing.T) {
	before := f.processorTime(t)
	time.Sleep(time.Second)
	t.Logf("an idle second costs %v of processor time", f.processorTime(t)-before)
}

func (f *forwarder) processorTime(t *testing.T) time.Duration {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", f.cmd.Process.Pid))
	require.NoError(t, err)
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+2:])) // from the third, the state
	const tick = 10 * time.Millisecond
	var sum time.Duration
	for _, text := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(text)
		require.NoError(t, err)
		sum += time.Duration(n) * tick
	}
	return sum
}

// An end is Linux's interface of a card, in a network namespace.
type end struct{ name, iface string }

// newEnd puts it there.
func newEnd(t *testing.T, name, card, address string) *end {
	found, err := filepath.Glob("/sys/bus/pci/devices/" + card + "/net/*")
	require.NoError(t, err)
	require.Len(t, found, 1, "network interfaces of %s", card)
	e := &end{name, filepath.Base(found[0])}
	// QEMU's card makes IP fragments of a large segment unless a tap is at its
	// other end.
	command(t, "ethtool", "-K", e.iface, "tso", "off", "gso", "off")
	command(t, "ip", "netns", "add", name)
	command(t, "ip", "link", "set", e.iface, "netns", name)
	e.ip(t, "address", "add", address+"/24", "dev", e.iface)
	e.ip(t, "link", "set", e.iface, "up")
	return e
}

func (e *end) ip(t *testing.T, args ...string) string {
	t.Helper()
	return command(t, "ip", append([]string{"-n", e.name}, args...)...)
}

func (e *end) mtu(t *testing.T, n int) { e.ip(t, "link", "set", e.iface, "mtu", fmt.Sprint(n)) }

// vlan adds an interface to a VLAN.
func (e *end) vlan(t *testing.T, id int, address string) {
	name := fmt.Sprint("v", id)
	e.ip(t, "link", "add", "link", e.iface, "name", name, "type", "vlan", "id", fmt.Sprint(id))
	e.ip(t, "address", "add", address, "dev", name)
	e.ip(t, "link", "set", name, "up")
}

func (e *end) mac(t *testing.T) string {
	fields := strings.Fields(e.ip(t, "-o", "link", "show", "dev", e.iface))
	return fields[slices.Index(fields, "link/ether")+1]
}

// waitForPing waits until the links are up and each end has found the other.
func waitForPing(t *testing.T, to string) {
	t.Helper()
	for deadline := time.Now().Add(within); ; {
		out, err := exec.Command("ip", "netns", "exec", "left", "ping", "-c", "1", "-W", "1", to).CombinedOutput()
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
	start := time.Now()
	require.NoError(t, pour(t.Context(), from, to, address, 0, n))
	t.Logf("TCP %s to %s: %d MiB in %v", from, to, n>>20, time.Since(start).Round(time.Millisecond))
}

// several has eight connections at a time, each pouring n bytes, four of them each
// way. Their ports are such that some come to each queue.
func several(t *testing.T, n int64) {
	t.Helper()
	start := time.Now()
	errs := make(chan error, 8)
	for i := range 4 {
		go func() { errs <- pour(t.Context(), "left", "right", right, 6000+i, n) }()
		go func() { errs <- pour(t.Context(), "right", "left", left, 7000+i, n) }()
	}
	for range 8 {
		require.NoError(t, <-errs)
	}
	t.Logf("TCP: 8 times %d MiB in %v", n>>20, time.Since(start).Round(time.Millisecond))
}

// pour sends n random bytes from one namespace to another and compares what arrives
// with what left. If port is 0 the ends have any, and otherwise they have that and
// another which goes with it: the hash of two such that follow each other differs in
// its last bit.
func pour(ctx context.Context, from, to, address string, port int, n int64) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	listener, err := inNamespace(to, func() (net.Listener, error) {
		return net.Listen("tcp4", fmt.Sprintf("%s:%d", address, port))
	})
	if err != nil {
		return err
	}
	defer listener.Close()
	sums := make(chan [sha256.Size]byte, 1)
	go func() {
		defer close(sums)
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		defer context.AfterFunc(ctx, func() { conn.Close() })()
		h := sha256.New()
		io.Copy(h, conn)
		sums <- [sha256.Size]byte(h.Sum(nil))
	}()
	conn, err := inNamespace(from, func() (net.Conn, error) {
		var d net.Dialer
		if port > 0 {
			d.LocalAddr = &net.TCPAddr{Port: 18000 + 2*port}
		}
		return d.DialContext(ctx, "tcp4", listener.Addr().String())
	})
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(conn, h), rand.NewChaCha8([32]byte{byte(n), byte(port)}), n); err != nil {
		return err
	}
	if err := conn.Close(); err != nil {
		return err
	}
	if sent, got := [sha256.Size]byte(h.Sum(nil)), <-sums; sent != got {
		return fmt.Errorf("sent %d bytes with SHA-256 %x, and %x arrived", n, sent, got)
	}
	return nil
}

// udp sends a datagram of every size that fits, and has it sent back.
func udp(t *testing.T) {
	t.Helper()
	const most = 1500 - 20 - 8
	echo, err := inNamespace("right", func() (net.PacketConn, error) { return net.ListenPacket("udp4", right+":0") })
	require.NoError(t, err)
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
	conn, err := inNamespace("left", func() (net.Conn, error) { return net.Dial("udp4", echo.LocalAddr().String()) })
	require.NoError(t, err)
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
	listener, err := inNamespace("right", func() (net.Listener, error) { return net.Listen("tcp4", right+":0") })
	require.NoError(t, err)
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			io.Copy(io.Discard, conn)
		}
	}()
	conn, err := inNamespace("left", func() (net.Conn, error) { return net.Dial("tcp4", listener.Addr().String()) })
	require.NoError(t, err)
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

// inNamespace opens something in a network namespace. A socket stays where it was
// made; the thread that made it is not used again.
func inNamespace[T any](name string, open func() (T, error)) (v T, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		var f *os.File
		if f, err = os.Open("/run/netns/" + name); err != nil {
			return
		}
		defer f.Close()
		if err = unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err == nil {
			v, err = open()
		}
	}()
	<-done
	return v, err
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	require.NoError(t, err, "%s %s: %s", name, strings.Join(args, " "), out)
	return string(out)
}

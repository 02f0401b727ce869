//go:build vm

package main

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestLinuxTrafficMeasured has Linux receive what generate sends, and capture
// what Linux sends. Linux has card A, and we card B at the other end of its wire.
func TestLinuxTrafficMeasured(t *testing.T) {
	const here, there = "192.0.2.65", "192.0.2.66"
	command(t, "ferrule", "bind", cardB)
	found, err := filepath.Glob("/sys/bus/pci/devices/" + cardA + "/net/*")
	require.NoError(t, err)
	require.Len(t, found, 1)
	iface, err := net.InterfaceByName(filepath.Base(found[0]))
	require.NoError(t, err)
	command(t, "ip", "address", "add", here+"/26", "dev", iface.Name)
	command(t, "ip", "link", "set", iface.Name, "up")

	until(t, "Linux has its link", func() bool {
		time.Sleep(10 * time.Millisecond)
		return readLine("/sys/class/net/"+iface.Name+"/operstate") == "up"
	})

	// The discard port is where generate sends to.
	conn, err := net.ListenPacket("udp4", here+":9")
	require.NoError(t, err)
	defer conn.Close()
	raw, err := conn.(*net.UDPConn).SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { // room for all, however late they are read
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20)
	}))
	require.NoError(t, err)
	generate := exec.Command("ferrule", "generate", cardB, "--to-mac", iface.HardwareAddr.String(), "--from", there, "--to", here,
		"--flows", "10", "--rate", "1k", "--count", "2000", "--size", "imix", "--json")
	var out bytes.Buffer
	generate.Stdout, generate.Stderr = &out, t.Output()
	require.NoError(t, generate.Start())
	from, p := map[string]int{}, make([]byte, 2048)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(within)))
	for range 2000 {
		_, a, err := conn.ReadFrom(p)
		require.NoError(t, err, "after %v", from)
		from[a.(*net.UDPAddr).IP.String()]++
	}
	require.Len(t, from, 10)
	require.Equal(t, 200, from[there])
	require.NoError(t, generate.Wait())
	var sent generateReport
	require.NoError(t, json.Unmarshal(out.Bytes(), &sent))
	require.Equal(t, uint64(2000), sent.TxPackets)

	trace := filepath.Join(t.TempDir(), "trace.pcapng")
	cmd := exec.Command("ferrule", "capture", cardB, "--write", trace, "--filter", "udp dst port 4000", "--count", "500", "--json")
	cmd.Stderr = t.Output()
	require.NoError(t, cmd.Start())
	command(t, "ip", "neigh", "replace", there, "lladdr", "02:00:00:00:00:99", "dev", iface.Name)
	to, err := net.Dial("udp4", there+":4000")
	require.NoError(t, err)
	defer to.Close()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for n := 0; ; n++ {
		_, err := to.Write([]byte("a datagram from Linux"))
		require.NoError(t, err)
		select {
		case err := <-ended:
			require.NoError(t, err)
			data, err := os.ReadFile(trace)
			require.NoError(t, err)
			all, _ := readCapture(t, data)
			require.Len(t, all, 500)
			for _, c := range all {
				require.Contains(t, string(c.frame), "a datagram from Linux")
			}
			command(t, "ferrule", "unbind", cardB)
			return
		case <-time.After(2 * time.Millisecond):
			require.Less(t, n, 20_000)
		}
	}
}

//go:build vm

package main

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
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

	// The discard port is where generate sends to.
	conn, err := net.ListenPacket("udp4", here+":9")
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.(*net.UDPConn).SetReadBuffer(8<<20))
	out := command(t, "ferrule", "generate", cardB, "--to-mac", iface.HardwareAddr.String(), "--from", there, "--to", here,
		"--flows", "10", "--rate", "2k", "--count", "4000", "--size", "imix", "--json")
	var sent generateReport
	require.NoError(t, json.Unmarshal([]byte(out), &sent))
	require.Equal(t, uint64(4000), sent.TxPackets)
	from, p := map[string]int{}, make([]byte, 2048)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*time.Second)))
	for range 4000 {
		_, a, err := conn.ReadFrom(p)
		require.NoError(t, err, "after %v", from)
		from[a.(*net.UDPAddr).IP.String()]++
	}
	require.Len(t, from, 10)
	require.Equal(t, 400, from[there])

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

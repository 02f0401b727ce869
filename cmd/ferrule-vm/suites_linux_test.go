//go:build vm

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What needs a card runs in the machine: the tests of other packages, compiled
// here and run there.

func TestSuiteUIO(t *testing.T) {
	runSuite(t, "nicring/uio", Config{Cards: 2, KernelCards: []int{1}})
}

// TestSuiteConformance runs the driver's suite on a card behind uio_pci_generic, with
// Linux at the other end of its wire.
func TestSuiteConformance(t *testing.T) {
	runSuite(t, "nicring/e1000e", Config{Cards: 2, KernelCards: []int{1}, Monitor: true}, "-test.run", "UIOCard")
}

// TestSuiteTraffic runs real traffic through a forwarder between two cards, to
// and from Linux's.
func TestSuiteTraffic(t *testing.T) {
	runSuite(t, "cmd/ferrule", Config{Cards: 4, KernelCards: []int{0, 3}, Modules: []string{"8021q", "tun"}}, "-test.run", "^TestTraffic$")
}

// TestSuiteMeasured has Linux receive what generate sends, and capture what Linux
// sends.
func TestSuiteMeasured(t *testing.T) {
	runSuite(t, "cmd/ferrule", Config{Cards: 2, KernelCards: []int{0}}, "-test.run", "Measured")
}

// TestForwardRate has two cards, wired to each other, pass frames round through
// the forwarder. How fast is for the log, not for the verdict.
func TestForwardRate(t *testing.T) {
	var out, errors bytes.Buffer
	code, err := run(t.Context(), Config{
		Cards:     2,
		HugePages: 64,
		Command: []string{"sh", "-c", "ferrule bind 00:10.0 00:11.0 >&2 && " +
			"ferrule forward 00:10.0 00:11.0 --tx-first 256 --duration 5s --json"},
		Stdout: &out,
		Stderr: &errors,
	})
	require.NoError(t, err)
	require.Zero(t, code, "%s", &errors)
	var sum struct {
		RxPackets        int64   `json:"rx_packets"`
		TxPackets        int64   `json:"tx_packets"`
		Dropped          int64   `json:"dropped"`
		PacketsPerSecond float64 `json:"packets_per_second"`
	}
	require.NoError(t, json.Unmarshal(out.Bytes(), &sum), "%s", &out)
	require.Positive(t, sum.RxPackets)
	require.Zero(t, sum.Dropped)
	t.Logf("%.0f packets/s, half of them each way", sum.PacketsPerSecond)
}

// runSuite compiles a package's tests and runs them in a machine.
func runSuite(t *testing.T, pkg string, cfg Config, args ...string) {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "suite.test")
	build := exec.Command("go", "test", "-c", "-tags", "vm", "-o", binary, "./"+pkg)
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cfg.HugePages = 64
	cfg.Dir, err = filepath.Abs("../../" + pkg)
	require.NoError(t, err)
	cfg.Command = append([]string{binary, "-test.v", "-test.timeout", "4m"}, args...)
	cfg.Stdout, cfg.Stderr = t.Output(), t.Output()
	code, err := run(ctx, cfg)
	require.NoError(t, err)
	require.Zero(t, code, "exit status of %s in the machine", pkg)
}

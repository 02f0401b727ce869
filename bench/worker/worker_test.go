package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cases has one of each shape, with every parameter that the shape knows.
var cases = map[string]string{
	"SPSC":        "SPSC/batch=8/producers=1/consumers=1/cap=64",
	"MPMC":        "MPMC/batch=1/producers=3/consumers=2/cap=64",
	"RoundTrip":   "RoundTrip/cap=64",
	"BlockSPSC":   "BlockSPSC/producers=1/consumers=1/cap=64",
	"BlockMPMC":   "BlockMPMC/producers=3/consumers=2/cap=64",
	"Lock":        "Lock/contenders=1",
	"Read":        "Read/readers=2",
	"Synchronize": "Synchronize/readers=2",
	"Call":        "Call/readers=0",
	"Lookup":      "Lookup/readers=2/entries=1024",
	"Pool":        "Pool/goroutines=2/batch=8",
	"Packet":      "Packet/ring=64/size=64/burst=8",
	"Latency":     "Latency/rate=10000/size=64/ring=1024",
}

// TestEverythingIsMeasured runs the worker for each that it lists, so that none
// rots, and wants a line that benchstat reads.
func TestEverythingIsMeasured(t *testing.T) {
	worker := filepath.Join(t.TempDir(), "worker")
	build := exec.Command("go", "build", "-o", worker, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		t.Fatal(err)
	}
	list, err := exec.Command(worker).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		shape, impl, _ := strings.Cut(line, " ")
		t.Run(shape+"/"+impl, func(t *testing.T) {
			var problems bytes.Buffer
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, worker, impl, cases[shape], "1")
			cmd.Stderr = &problems
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err, problems.String())
			}
			if want := "Benchmark" + cases[shape] + "/impl=" + impl; !strings.HasPrefix(string(out), want) || !strings.Contains(string(out), " ns/op") {
				t.Errorf("printed %q", out)
			}
		})
	}
}

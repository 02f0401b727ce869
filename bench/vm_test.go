package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestWhatIsNotSureIsNotMeasured gives readings that are, and some that are not.
func TestWhatIsNotSureIsNotMeasured(t *testing.T) {
	begin := time.Now()
	at := func(asked, took time.Duration, sent, received uint64) reading {
		return reading{sent, received, begin.Add(asked), begin.Add(asked + took)}
	}
	const ms = time.Millisecond
	first := at(0, 2*ms, 0, 0)
	took, err := between(first, at(1000*ms, 4*ms, 5000, 5064))
	if err != nil || took != 1001*ms {
		t.Errorf("%v and %v, want 1.001s", took, err)
	}
	for name, second := range map[string]reading{
		"a slow answer":      at(1000*ms, 30*ms, 5000, 5000),
		"no frames":          at(1000*ms, 2*ms, 0, 0),
		"frames that vanish": at(1000*ms, 2*ms, 5000, 3000),
	} {
		if took, err := between(first, second); err == nil {
			t.Errorf("%s: took for sure %v", name, took)
		}
	}
}

// guest answers as the real one does, and fails to start a peer.
const guest = `
echo a kernel >> "$0.boots"
echo a kernel
while read word impl rest; do
	case $word in
	start) case $impl in broken) echo "failed: broken: exit status 1" ;; *) echo running ;; esac ;;
	count) echo 5000 5064 ;;
	stop) echo stopped ;;
	esac
done`

// TestOneMachineForAll measures, has somebody fail, and measures in another machine.
func TestOneMachineForAll(t *testing.T) {
	script := filepath.Join(t.TempDir(), "guest")
	if err := os.WriteFile(script, []byte(guest), 0o600); err != nil {
		t.Fatal(err)
	}
	v := &vm{command: []string{"sh", script}}
	defer v.end()
	for _, c := range []struct {
		impl, line, err string
		boots           int
	}{
		{"one", "BenchmarkForward/burst=1/impl=one-", "", 1},
		{"two", "BenchmarkForward/burst=1/impl=two-", "", 1},
		{"broken", "", "Forward/burst=1/impl=broken: broken: exit status 1", 1},
		{"one", "BenchmarkForward/burst=1/impl=one-", "", 2},
	} {
		line, err := v.measure(c.impl, "Forward/burst=1", 1)
		if c.err != "" && (err == nil || err.Error() != c.err) || c.err == "" && err != nil {
			t.Fatalf("%s: %v, want %q", c.impl, err, c.err)
		}
		if !strings.HasPrefix(line, c.line) || c.line != "" && !strings.Contains(line, "\t5000\t") {
			t.Errorf("%s: printed %q", c.impl, line)
		}
		boots, err := os.ReadFile(script + ".boots")
		if err != nil || strings.Count(string(boots), "\n") != c.boots {
			t.Errorf("%s: booted %d times (%v), want %d", c.impl, strings.Count(string(boots), "\n"), err, c.boots)
		}
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const raw = `cpu: a processor
commit: 0123456
BenchmarkSPSC/batch=1/producers=1/consumers=1/cap=1024/impl=ferrule.spsc-2	100	4 ns/op	0 lost	50 line-ns
BenchmarkSPSC/batch=1/producers=1/consumers=1/cap=1024/impl=go.chan-2	100	40 ns/op	0 lost	60 line-ns
# failed: SPSC/batch=1/impl=lost: not done after 10s
BenchmarkSPSC/batch=1/producers=1/consumers=1/cap=1024/impl=ferrule.spsc-2	100	12 ns/op	400 line-ns
BenchmarkSPSC/batch=1/producers=1/consumers=1/cap=1024/impl=go.chan-2	100	60 ns/op	350 line-ns
BenchmarkSPSC/batch=1/producers=1/consumers=1/cap=1024/impl=ferrule.spsc-2	100	6 ns/op	55 line-ns
BenchmarkSPSC/batch=1/producers=1/consumers=1/cap=1024/impl=go.chan-2	100	120 ns/op	330 line-ns
`

func read(t *testing.T, dir string) *results {
	t.Helper()
	file := filepath.Join(dir, "0123456.a-processor-2cpu.2026-01-02.spsc.txt")
	if err := os.WriteFile(file, []byte(raw), 0o644); err != nil {
		t.Fatal(err)
	}
	r, err := readResults(file)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestNearAndFarAreKeptApart wants no figure of one distance compared with one of
// the other.
func TestNearAndFarAreKeptApart(t *testing.T) {
	views := read(t, t.TempDir()).apart()
	if len(views) != 2 {
		t.Fatalf("%d distances, want 2", len(views))
	}
	const name = "SPSC/batch=1/producers=1/consumers=1/cap=1024"
	for i, want := range []struct {
		ours, ratio float64
		n           int
	}{{5, 0.1, 1}, {12, 0.2, 1}} {
		v := views[i]
		if got := spreadOf(v.values[figure{"ferrule.spsc", name, "ns/op"}]).median; got != want.ours {
			t.Errorf("distance %d: median %v, want %v", i, got, want.ours)
		}
		if got, n := v.ratio("ferrule.spsc", "go.chan", name, "ns/op"); got.median != want.ratio || n != want.n {
			t.Errorf("distance %d: ratio %v of %d, want %v of %d", i, got.median, n, want.ratio, want.n)
		}
	}
}

func TestReportNamesWhatFailed(t *testing.T) {
	dir := t.TempDir()
	r := read(t, dir)
	if err := writeReport(dir, []string{r.file}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "summary.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SPSC/batch=1/impl=lost: not done after 10s", "| go.chan | 40.0 (40.0 to 40.0) |", "| cpu | a processor |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the summary does not say %q", want)
		}
	}
	if strings.Contains(string(text), "NaN") {
		t.Error("the summary divides by zero")
	}
	if _, err := os.Stat(filepath.Join(dir, "spsc-by-batch.svg")); err != nil {
		t.Error(err)
	}
}

// TestEveryCaseHasAShape wants no case that nobody measures.
func TestEveryCaseHasAShape(t *testing.T) {
	files := []string{filepath.Join("guest", "main.go")}
	worker, err := filepath.Glob("worker/*.go")
	if err != nil || len(worker) == 0 {
		t.Fatal(worker, err)
	}
	var source strings.Builder
	for _, file := range append(files, worker...) {
		s, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(s)
	}
	for _, g := range groups {
		for _, c := range g.cases {
			shape, _, _ := strings.Cut(c, "/")
			if !strings.Contains(source.String(), `("`+shape+`"`) {
				t.Errorf("%s: nothing has the shape %s", g.name, shape)
			}
		}
	}
}

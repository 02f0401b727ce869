package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A machine is what has to be known of it beside the figures.
type machine struct {
	cpu, kernel, commit string
	changed             bool // the tree was not that of the commit
	processors          int
	date                time.Time
	notBuilt            []string
}

func machineHere(notBuilt []string) (m machine, err error) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m, err
	}
	if name := regexp.MustCompile(`model name\s*: (.*)`).FindSubmatch(info); name != nil {
		m.cpu = string(name[1])
	}
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return m, err
	}
	m.kernel = unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
	m.processors = runtime.NumCPU()
	m.date = time.Now().UTC()
	m.notBuilt = notBuilt
	m.commit = "unknown"
	if out, err := exec.Command("git", "rev-parse", "--short=7", "HEAD").Output(); err == nil {
		m.commit = strings.TrimSpace(string(out))
		// Results that are not committed yet do not count.
		out, _ := exec.Command("git", "status", "--porcelain", "--", ":/", ":!/docs").Output()
		m.changed = len(out) > 0
	}
	return m, nil
}

// stem begins the name of a raw file: commit, processor, date.
func (m machine) stem() string {
	cpu := strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(m.cpu), "-"), "-")
	return fmt.Sprintf("%s.%s-%dcpu.%s", m.commit, cpu, m.processors, m.date.Format(time.DateOnly))
}

// file returns the name of the raw file of a group.
func (m machine) file(g group) string {
	return filepath.Join(*out, m.stem()+"."+g.name+".txt")
}

// header is the head of a raw file, in benchstat's form.
func (m machine) header() string {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s: %s\n", key, value) }
	line("cpu", m.cpu)
	line("processors", strconv.Itoa(m.processors))
	line("kernel", m.kernel)
	line("goos", runtime.GOOS)
	line("goarch", runtime.GOARCH)
	line("go", strings.TrimPrefix(runtime.Version(), "go"))
	line("commit", m.commit)
	if m.changed {
		line("tree", "changed since the commit")
	}
	line("date", m.date.Format(time.DateOnly))
	for _, p := range packages {
		if v := version(p); v != "" {
			line(p, v)
		}
	}
	for _, p := range m.notBuilt {
		line(p, "not built")
	}
	return strings.ReplaceAll(b.String(), "g++:", "gxx:")
}

// stolenTicks returns for how many hundredths of a second the host has had this
// machine's processors do something else.
func stolenTicks() int64 {
	stat, _ := os.ReadFile("/proc/stat")
	fields := strings.Fields(strings.SplitN(string(stat), "\n", 2)[0])
	if len(fields) < 9 {
		return 0
	}
	ticks, _ := strconv.ParseInt(fields[8], 10, 64)
	return ticks
}

// stolenShare returns ticks in percent of what all processors had.
func stolenShare(ticks int64, of time.Duration) float64 {
	return float64(ticks) / of.Seconds() / float64(runtime.NumCPU())
}

func loadAverage() string {
	load, _ := os.ReadFile("/proc/loadavg")
	one, _, _ := strings.Cut(string(load), " ")
	return one
}

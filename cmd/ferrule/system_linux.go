package main

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// stopSignals end a command in good order.
var stopSignals = []os.Signal{os.Interrupt, unix.SIGTERM}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// clockMHz returns the speed of the processor that Linux tells of, or 0: not
// every architecture has one.
func clockMHz() float64 {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "cpu MHz" {
			mhz, _ := strconv.ParseFloat(strings.TrimSpace(value), 64)
			return mhz
		}
	}
	return 0
}

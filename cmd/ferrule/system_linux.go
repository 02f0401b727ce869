package main

import (
	"errors"
	"os"
	"os/signal"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// stopSignals end a command in good order. The end of its terminal is one, unless
// whoever started us has us ignore it, as nohup does.
func stopSignals() []os.Signal {
	all := []os.Signal{os.Interrupt, unix.SIGTERM}
	if !signal.Ignored(unix.SIGHUP) {
		all = append(all, unix.SIGHUP)
	}
	return all
}

// ignoreBrokenPipe has a write to a pipe that nobody reads fail, and not kill.
func ignoreBrokenPipe() { signal.Ignore(unix.SIGPIPE) }

func isBrokenPipe(err error) bool { return errors.Is(err, unix.EPIPE) }

// isRefused tells that nobody listens at an address, isReset that whoever did has
// gone.
func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
func isReset(err error) bool   { return errors.Is(err, unix.ECONNRESET) }

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

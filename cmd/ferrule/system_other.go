//go:build !linux

package main

import (
	"errors"
	"net"
	"os"
)

// stopSignals end a command in good order.
func stopSignals() []os.Signal { return []os.Signal{os.Interrupt} }

// ignoreBrokenPipe leaves a write to a pipe that nobody reads as it is here.
func ignoreBrokenPipe() {}

func isBrokenPipe(error) bool { return false }

// isRefused tells that nobody listens at an address, isReset that whoever did has
// gone, of which nothing is known here.
func isRefused(err error) bool {
	var dial *net.OpError
	return errors.As(err, &dial) && dial.Op == "dial" && !dial.Timeout()
}

func isReset(error) bool { return false }

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// clockMHz returns 0: the speed of the processor is not known.
func clockMHz() float64 { return 0 }

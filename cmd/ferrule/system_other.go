//go:build !linux

package main

import "os"

// stopSignals end a command in good order.
var stopSignals = []os.Signal{os.Interrupt}

// ignoreBrokenPipe leaves a write to a pipe that nobody reads as it is here.
func ignoreBrokenPipe() {}

func isBrokenPipe(error) bool { return false }

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// clockMHz returns 0: the speed of the processor is not known.
func clockMHz() float64 { return 0 }

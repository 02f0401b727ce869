//go:build !linux

package main

import "os"

// stopSignals end a command in good order.
var stopSignals = []os.Signal{os.Interrupt}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// clockMHz returns 0: the speed of the processor is not known.
func clockMHz() float64 { return 0 }

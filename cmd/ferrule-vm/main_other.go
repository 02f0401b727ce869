//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "ferrule-vm: Linux only")
	os.Exit(125)
}

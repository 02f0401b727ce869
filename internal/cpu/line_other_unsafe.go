//go:build !(amd64 || arm64 || ppc64 || ppc64le)

package cpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// 64 is the floor: some ports report 32 for cores whose later models have 64.
const lineSize = max(64, int(unsafe.Sizeof(cpu.CacheLinePad{})))

//go:build amd64 || arm64

package mmio

import "unsafe"

func address(mem []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(mem))) }

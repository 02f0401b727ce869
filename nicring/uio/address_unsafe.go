//go:build linux && (amd64 || arm64)

package uio

import "unsafe"

func addressOf(mem []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(mem))) }

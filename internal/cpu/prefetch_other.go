//go:build !(amd64 || arm64)

package cpu

func prefetch(addr, lines uintptr) {}

func prefetchWrite(addr, lines uintptr) {}

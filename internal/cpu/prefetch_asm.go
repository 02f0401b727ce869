//go:build amd64 || arm64

package cpu

//go:noescape
func prefetch(addr, lines uintptr)

//go:noescape
func prefetchWrite(addr, lines uintptr)

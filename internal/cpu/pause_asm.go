//go:build amd64 || arm64 || 386

package cpu

//go:noescape
func pause(n uint32)

//go:build amd64 || arm64

package mmio

func readBarrier()

func writeBarrier()

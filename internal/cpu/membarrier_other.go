//go:build amd64 && !linux && !race && !ferrule_strict

package cpu

func membarrier() bool { return false }

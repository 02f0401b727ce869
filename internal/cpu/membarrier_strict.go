//go:build !amd64 || race || ferrule_strict

package cpu

func membarrier() bool { return true }

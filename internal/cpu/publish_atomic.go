//go:build !amd64 || race || ferrule_strict

package cpu

import "sync/atomic"

func publish(p *atomic.Uint64, v uint64) { p.Store(v) }

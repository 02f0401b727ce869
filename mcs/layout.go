package mcs

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// What others use of a place or of a waiter is a full line from either end.
const (
	linksEnd  = unsafe.Offsetof(place{}.links) + unsafe.Sizeof(place{}.links)
	inLineEnd = unsafe.Offsetof(waiter{}.inLine) + unsafe.Sizeof(waiter{}.inLine)

	_ = unsafe.Offsetof(place{}.links) - cpu.LineSize
	_ = unsafe.Sizeof(place{}) - linksEnd - cpu.LineSize
	_ = unsafe.Offsetof(waiter{}.inLine) - cpu.LineSize
	_ = unsafe.Sizeof(waiter{}) - inLineEnd - cpu.LineSize
)

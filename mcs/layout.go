package mcs

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// The words others use are a full line from either end of a Node.
const (
	linksEnd = unsafe.Offsetof(Node{}.links) + unsafe.Sizeof(Node{}.links)

	_ = unsafe.Offsetof(Node{}.links) - cpu.LineSize
	_ = unsafe.Sizeof(Node{}) - linksEnd - cpu.LineSize
)

package rcu

import (
	"unsafe"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// What readers load and what each of them stores is a full line from anything
// else.
const (
	graceEnd   = unsafe.Offsetof(Domain{}.grace) + unsafe.Sizeof(Domain{}.grace)
	sectionEnd = unsafe.Offsetof(Reader{}.section) + unsafe.Sizeof(Reader{}.section)

	_ = unsafe.Offsetof(Domain{}.grace) - cpu.LineSize
	_ = unsafe.Offsetof(Domain{}.periods) - graceEnd - cpu.LineSize
	_ = unsafe.Offsetof(Reader{}.section) - cpu.LineSize
	_ = unsafe.Sizeof(Reader{}) - sectionEnd - cpu.LineSize
)

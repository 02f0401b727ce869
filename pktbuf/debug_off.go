//go:build !ferrule_debug

package pktbuf

// guard is how many bytes of no use lie before and behind each buffer.
const guard = 0

type debugPool struct{}

func (debugPool) init(*Pool)    {}
func (debugPool) leaks() string { return "" }

func (*Buf) assertOut()        {}
func (*Buf) assertNoLoop(*Buf) {}
func assertOwn(*Pool, []*Buf)  {}
func assertGot([]*Buf)         {}
func assertPut([]*Buf)         {}
func assertFree([]*Buf)        {}
func assertUntouched(*Pool)    {}

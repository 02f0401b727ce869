//go:build ferrule_debug

package pktbuf

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/ferrule-go/ferrule/internal/cpu"
)

// guard is how many bytes lie before and behind each buffer that nobody may
// write to.
const guard = cpu.LineSize

const (
	cookie = 0xC7 // in the guards, always
	poison = 0xDB // in a buffer, while it is free
)

// debugPool is what a Pool remembers of its buffers.
type debugPool struct {
	mu      sync.Mutex
	records []record // by number of the buffer
}

// A record says where a buffer was last got and last given back, and whether it
// is out.
type record struct {
	out      bool
	got, put stack
}

type stack [24]uintptr

func (d *debugPool) init(p *Pool) {
	d.records = make([]record, p.count)
	for _, block := range p.blocks {
		for i := range block.Bytes {
			block.Bytes[i] = cookie
		}
	}
}

// here returns the stack of whoever called into the package.
func here() (s stack) {
	runtime.Callers(2, s[:])
	return s
}

// String returns the first place in s that is outside of the package.
func (s stack) String() string {
	if s[0] == 0 {
		return "nowhere yet"
	}
	frames := runtime.CallersFrames(s[:])
	for {
		f, more := frames.Next()
		if inside := strings.Contains(f.Function, "/pktbuf."); !inside || !more {
			return fmt.Sprintf("%s:%d (%s)", f.File, f.Line, f.Function)
		}
	}
}

// locked calls do with what is remembered of b. A panic in it leaves the pool
// unlocked.
func (b *Buf) locked(do func(r *record)) {
	if b.name.line() == 0 {
		panic("pktbuf: a Buf that no Pool made")
	}
	p := b.Pool()
	p.mu.Lock()
	defer p.mu.Unlock()
	do(&p.records[p.index(b.name)])
}

// blame panics with what happened to b and where it was got and given back.
func (b *Buf) blame(r *record, what string) {
	panic(fmt.Sprintf("pktbuf: buffer %d of a pool of %d %s; got at %v; given back at %v",
		b.Pool().index(b.name), b.Pool().count, what, r.got, r.put))
}

func (b *Buf) assertOut() {
	b.locked(func(r *record) {
		if !r.out {
			b.blame(r, "is used while it is free")
		}
	})
}

func (b *Buf) assertNoLoop(next *Buf) {
	for s := next; s != nil; s = s.Next() {
		for mine := b; mine != nil; mine = mine.Next() {
			if s == mine {
				s.locked(func(r *record) { s.blame(r, "is linked to the packet that it is a part of") })
			}
		}
	}
}

// assertGot notes that bufs are handed out. Until then nobody may have written
// to them.
func assertGot(bufs []*Buf) {
	for _, b := range bufs {
		at := here()
		b.locked(func(r *record) {
			if r.out {
				b.blame(r, "is handed out twice")
			}
			b.check(r, "while it was free", poison)
			r.out, r.got = true, at
		})
	}
}

// assertOwn wants bufs to be of p.
func assertOwn(p *Pool, bufs []*Buf) {
	for _, b := range bufs {
		if b.name.line() == 0 || b.Pool() != p {
			b.locked(func(r *record) { b.blame(r, fmt.Sprintf("is put to another pool, of %d buffers", p.count)) })
		}
	}
}

// assertPut notes that the packets of bufs are given back.
func assertPut(bufs []*Buf) {
	at := here()
	for _, b := range bufs {
		for s := b; s != nil; s = s.Next() {
			s.locked(func(r *record) {
				if !r.out {
					s.blame(r, "is given back twice")
				}
				r.out, r.put = false, at
			})
		}
	}
}

// assertFree notes that nobody holds the memory of bufs any more.
func assertFree(bufs []*Buf) {
	for _, b := range bufs {
		b.locked(func(r *record) {
			b.check(r, "past its ends", cookie)
			memory := b.memory()
			for i := range memory {
				memory[i] = poison
			}
		})
	}
}

// assertUntouched wants the memory of all free buffers as it was left.
func assertUntouched(p *Pool) {
	for _, c := range p.seat.chunks {
		for i := range c.bufs {
			if b := &c.bufs[i]; b.name != 0 {
				b.locked(func(r *record) { b.check(r, "while it was free", poison) })
			}
		}
	}
}

// memory returns the buffer from end to end, without its guards.
func (b *Buf) memory() []byte {
	return b.around()[guard : guard+int(b.chunk().room)]
}

func (b *Buf) around() []byte {
	return b.chunk().region[int(b.line)<<lineShift-guard:][:b.Pool().stride]
}

// check wants nothing written where nothing may be: with poison anywhere, with
// cookie in the guards.
func (b *Buf) check(r *record, what string, inside byte) {
	all := b.around()
	end := len(all) - guard
	for i, v := range all {
		want := byte(cookie)
		if i >= guard && i < end {
			if want = inside; inside == cookie {
				continue
			}
		}
		if v != want {
			b.blame(r, fmt.Sprintf("was written to %s (%#02x at byte %d)", what, v, i-guard))
		}
	}
}

// leaks says where the buffers were got that are out.
func (p *Pool) leaks() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	sites := map[string]int{}
	out := 0
	for _, r := range p.records {
		if r.out {
			sites[r.got.String()]++
			out++
		}
	}
	var lines []string
	for site, n := range sites {
		lines = append(lines, fmt.Sprintf("\n\t%d got at %s", n, site))
	}
	slices.Sort(lines)
	if cached := p.count - p.Len() - out; cached > 0 && out > 0 {
		lines = append(lines, fmt.Sprintf("\n\t%d in caches", cached))
	}
	return strings.Join(lines, "")
}

//go:build ferrule_debug

package pktbuf_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// caught runs mistake and returns what it panics with.
func caught(t *testing.T, mistake func()) (message string) {
	t.Helper()
	defer func() { message = fmt.Sprint(recover()) }()
	mistake()
	t.Fatal("the mistake went unnoticed")
	return
}

// here returns the place of its caller as the messages have it.
func here() string {
	_, file, n, _ := runtime.Caller(1)
	return fmt.Sprintf("%s:%d ", file, n)
}

// poolOfOne returns a pool of one buffer, a cache over it, and that buffer.
func poolOfOne(t *testing.T) (*pktbuf.Pool, *pktbuf.Cache, *pktbuf.Buf) {
	p := newPool(t, 1, 64)
	c := p.NewCache()
	b, _ := c.Get()
	return p, c, b
}

func TestDebugDoubleFree(t *testing.T) {
	for _, viaCache := range []bool{false, true} {
		p, c, b := poolOfOne(t)
		put := p.PutN
		if viaCache {
			put = c.PutN
		}
		first := func() string { put([]*pktbuf.Buf{b}); return here() }()
		message := caught(t, func() { put([]*pktbuf.Buf{b}) })
		require.Contains(t, message, "pktbuf: buffer 0 of a pool of 1 is given back twice; got at ")
		require.Contains(t, message, "given back at "+first, "where it was given back before")
	}

	p := newPool(t, 4, 64)
	head, tail := get(t, p, "a"), get(t, p, "b")
	head.Link(tail)
	p.PutN([]*pktbuf.Buf{head})
	require.Contains(t, caught(t, func() { p.PutN([]*pktbuf.Buf{tail}) }), "given back twice", "it went with its chain")

	b := get(t, p, "c")
	twin, _ := p.NewCache().Clone(b)
	p.PutN([]*pktbuf.Buf{b})
	require.Contains(t, caught(t, func() { p.PutN([]*pktbuf.Buf{b}) }), "given back twice", "it has a clone, and one holder less")
	require.Equal(t, "c", text(twin))
	p.PutN([]*pktbuf.Buf{twin})
}

func TestDebugUseAfterFree(t *testing.T) {
	uses := map[string]func(b *pktbuf.Buf){
		"Bytes":        func(b *pktbuf.Buf) { b.Bytes() },
		"Append":       func(b *pktbuf.Buf) { b.Append(1) },
		"Prepend":      func(b *pktbuf.Buf) { b.Prepend(1) },
		"TrimFront":    func(b *pktbuf.Buf) { b.TrimFront(0) },
		"TrimBack":     func(b *pktbuf.Buf) { b.TrimBack(0) },
		"Reset":        func(b *pktbuf.Buf) { b.Reset() },
		"Slice":        func(b *pktbuf.Buf) { b.Slice(0, 0) },
		"Link":         func(b *pktbuf.Buf) { b.Link(b) },
		"Unlink":       func(b *pktbuf.Buf) { b.Unlink() },
		"Shared":       func(b *pktbuf.Buf) { b.Shared() },
		"SetHash":      func(b *pktbuf.Buf) { b.SetHash(1) },
		"SetVLAN":      func(b *pktbuf.Buf) { b.SetVLAN(1) },
		"ClearVLAN":    func(b *pktbuf.Buf) { b.ClearVLAN() },
		"SetTime":      func(b *pktbuf.Buf) { b.SetTime(1) },
		"SetChecksums": func(b *pktbuf.Buf) { b.SetChecksums(0, 0) },
		"SetOffload":   func(b *pktbuf.Buf) { b.SetOffload(pktbuf.Offload{}) },
		"Bus":          func(b *pktbuf.Buf) { b.Bus() },
		"Clone":        func(b *pktbuf.Buf) { b.Pool().NewCache().Clone(b) },
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			p, _, b := poolOfOne(t)
			p.PutN([]*pktbuf.Buf{b})
			require.Contains(t, caught(t, func() { use(b) }), "buffer 0 of a pool of 1 is used while it is free; got at ")
		})
	}
}

// A slice that outlives its buffer, or a card that was not stopped, writes to
// memory that is another's by now, or nobody's.
func TestDebugWriteAfterFree(t *testing.T) {
	finders := map[string]func(p *pktbuf.Pool){
		"Get":   func(p *pktbuf.Pool) { p.Get() },
		"Close": func(p *pktbuf.Pool) { p.Close() },
	}
	for name, find := range finders {
		p, _, b := poolOfOne(t)
		stale := b.Append(10)
		p.PutN([]*pktbuf.Buf{b})
		stale[3]++
		message := caught(t, func() { find(p) })
		require.Contains(t, message, "buffer 0 of a pool of 1 was written to while it was free", name)
		require.Contains(t, message, "at byte 131", name)
	}

	p := newPool(t, 4, 64)
	b := get(t, p, "shared")
	twin, _ := p.NewCache().Clone(b)
	data := twin.Bytes()
	p.PutN([]*pktbuf.Buf{b})
	data[0] = 'S' // no mistake for the pool: the clone holds the memory
	p.PutN([]*pktbuf.Buf{twin})
	data[0] = 's'
	require.Contains(t, caught(t, func() { p.GetN(make([]*pktbuf.Buf, 4)) }), "was written to while it was free")
}

// A card writes past the end, or before the beginning, of what it was told of.
func TestDebugOverrun(t *testing.T) {
	for _, at := range []int{-1, -128, 256, 256 + 127} {
		r := region(1, 1<<16)
		a := pktbuf.NewArena(r)
		p, err := pktbuf.NewPool(a, 10, 128)
		require.NoError(t, err)
		b, _ := p.Get()
		b.Prepend(b.Headroom())
		offset := int(b.Bus() - r.Bus[0])
		r.Bytes[offset+at] = 1
		message := caught(t, func() { p.PutN([]*pktbuf.Buf{b}) })
		require.Contains(t, message, fmt.Sprintf("was written to past its ends (0x01 at byte %d)", at))
	}
}

func TestDebugWrongPool(t *testing.T) {
	a := pktbuf.NewArena(region(2, 1<<16))
	p, err := pktbuf.NewPool(a, 10, 64)
	require.NoError(t, err)
	other, err := pktbuf.NewPool(a, 20, 64)
	require.NoError(t, err)
	b, _ := other.Get()
	require.Contains(t, caught(t, func() { p.PutN([]*pktbuf.Buf{b}) }), "buffer 0 of a pool of 20 is put to another pool, of 10 buffers")
	require.Contains(t, caught(t, func() { p.PutN([]*pktbuf.Buf{new(pktbuf.Buf)}) }), "a Buf that no Pool made")
	p.NewCache().PutN([]*pktbuf.Buf{b}) // a cache collects what was sent, whosever it is
	require.NoError(t, other.Close())
}

func TestDebugLeak(t *testing.T) {
	p := newPool(t, 300, 64)
	c := p.NewCache()
	var lost []*pktbuf.Buf
	for range 3 {
		b, _ := c.Get()
		lost = append(lost, b)
	}
	b, _ := p.Get()
	err := p.Close()
	require.ErrorContains(t, err, "pktbuf: close pool of 300 buffers: 257 are still out")
	require.Regexp(t, `(?m)^\t1 got at \S+debug_test\.go:\d+ \(.*TestDebugLeak\)$`, err.Error())
	require.Regexp(t, `(?m)^\t3 got at \S+debug_test\.go:\d+ \(.*TestDebugLeak\)$`, err.Error())
	require.Contains(t, err.Error(), "\n\t253 in caches")
	c.PutN(append(lost, b))
	c.Flush()
	require.NoError(t, p.Close())
}

func TestDebugLoop(t *testing.T) {
	p := newPool(t, 4, 64)
	head, tail := get(t, p, "a"), get(t, p, "b")
	head.Link(tail)
	for _, b := range []*pktbuf.Buf{head, tail} {
		require.Contains(t, caught(t, func() { head.Link(b) }), "is linked to the packet that it is a part of")
	}
}

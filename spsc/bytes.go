package spsc

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"math/bits"

	"github.com/ferrule-go/ferrule/internal/cpu"
	"github.com/ferrule-go/ferrule/internal/slots"
)

// A Bytes is a FIFO of records of any size between one producer and one consumer,
// each contiguous in memory. The producer claims room, fills it in place, and
// commits as much as it has filled, or aborts; the consumer reads in place, and
// releases.
//
// Progress. What does not wait by its name is wait-free.
//
// Order. A Commit synchronizes before the Peek that returns its record, and a
// Release before the Claim that next uses its room.
//
// Ownership. The consumer owns bytes [head, tail), the producer the rest. They
// change hands at the store of the counter that moves past them: A to the consumer,
// B back to the producer.
//
// Layout. Records begin at multiples of 8: a header of 8 bytes, whose low 32 bits
// are the length, then the record. One that would go past the end of the array
// begins it anew, and a header with the highest bit set says so where it does not
// fit. The producer's words, the consumer's and the others are cpu.LineSize bytes
// apart, and the array as far from foreign memory.
//
// A Bytes must not be copied. Make one with NewBytes.
type Bytes struct {
	_    cpu.Pad
	tail counter // bytes filled so far; the producer writes it
	_    cpu.Pad

	// prod is the producer's alone.
	prod struct {
		head  uint64 // cons.head when last read; never ahead of it
		start uint64 // where the claimed record begins
		claim int    // its size, or -1
	}
	_    cpu.Pad
	head counter // bytes emptied so far; the consumer writes it
	_    cpu.Pad

	// cons is the consumer's alone.
	cons struct {
		tail uint64 // prod.tail when last read; never ahead of it
		next uint64 // where the record after the one peeked at begins, or head
	}
	_ cpu.Pad

	data    []byte
	pushers sleepers
	poppers sleepers
	_       cpu.Pad
}

const (
	headerSize = 8
	skipped    = 1 << 63 // this header is no record's: go on at the beginning
)

// span is how many bytes a record of n takes.
func span(n int) uint64 { return headerSize + (uint64(n)+7)&^7 }

// NewBytes returns an empty Bytes of size bytes, headers included. The size must be
// a power of two, and 32 at least. It panics if it is not.
func NewBytes(size int) *Bytes {
	if size < 32 || bits.OnesCount(uint(size)) != 1 {
		panic(fmt.Sprintf("spsc: size %d is not a power of two from 32 on", size))
	}
	b := &Bytes{data: slots.Make[byte](size, cpu.LineSize)}
	b.prod.claim = -1
	return b
}

// Max returns the size of the largest record: half of all, less its header, so that
// there is room for it wherever the last one ended.
func (b *Bytes) Max() int { return len(b.data)/2 - headerSize }

// Claim returns room for a record of n bytes, for the producer to fill before
// Commit or Abort; ok is false if there is none now. Claimed anew, what was claimed
// before is forgotten. Producer only. It panics if n is less than none or more than
// Max.
func (b *Bytes) Claim(n int) (record []byte, ok bool) {
	if n < 0 || n > b.Max() {
		panic(fmt.Sprintf("spsc: Claim of %d bytes, of which the most is %d", n, b.Max()))
	}
	tail := b.tail.Load() // our own word
	start := tail
	if left := b.left(tail); span(n) > left {
		start += left
	}
	if end := start + span(n); end-b.prod.head > uint64(len(b.data)) {
		b.prod.head = b.head.Load() // B: acquire
		if end-b.prod.head > uint64(len(b.data)) {
			return nil, false
		}
	}
	b.prod.start, b.prod.claim = start, n
	return b.bytes(start, n), true
}

// Commit appends the first n bytes of what was claimed. Producer only. It panics if
// they are not that many.
func (b *Bytes) Commit(n int) {
	if n < 0 || n > b.prod.claim {
		panic(fmt.Sprintf("spsc: Commit of %d bytes, of which %d are claimed", n, b.prod.claim))
	}
	if tail := b.tail.Load(); tail != b.prod.start {
		b.setHeader(tail, skipped)
	}
	b.setHeader(b.prod.start, uint64(n))
	b.prod.claim = -1
	b.tail.publish(b.prod.start + span(n)) // A: release
	b.poppers.wake()
}

// Abort gives up what was claimed. Producer only.
func (b *Bytes) Abort() { b.prod.claim = -1 }

// TryPush appends a copy of record and reports whether there was room. Producer
// only. It panics if the record is larger than Max.
func (b *Bytes) TryPush(record []byte) bool {
	room, ok := b.Claim(len(record))
	if ok {
		b.Commit(copy(room, record))
	}
	return ok
}

// ClaimContext is Claim that waits for room as long as the context allows, and
// returns its error otherwise.
func (b *Bytes) ClaimContext(ctx context.Context, n int) (record []byte, err error) {
	err = b.pushers.Await(ctx, func() (ok bool) {
		record, ok = b.Claim(n)
		return ok
	})
	return record, err
}

// Peek returns the oldest record where it is, until Release; ok is false if there
// is none. Peek again, and it returns it again. Consumer only.
func (b *Bytes) Peek() (record []byte, ok bool) {
	head := b.head.Load() // our own word
	if head == b.cons.tail {
		b.cons.tail = b.tail.Load() // A: acquire
		if head == b.cons.tail {
			return nil, false
		}
	}
	if b.header(head) == skipped {
		head += b.left(head) // a record follows, or nothing would have been skipped
	}
	n := int(b.header(head))
	b.cons.next = head + span(n)
	return b.bytes(head, n), true
}

// Release removes the record that Peek returned. Consumer only. It panics if there
// is none.
func (b *Bytes) Release() {
	if b.cons.next == b.head.Load() {
		panic("spsc: Release of a record that was not peeked")
	}
	b.head.publish(b.cons.next) // B: release
	b.pushers.wake()
}

// PeekContext is Peek that waits for a record as long as the context allows, and
// returns its error otherwise.
func (b *Bytes) PeekContext(ctx context.Context) (record []byte, err error) {
	err = b.poppers.Await(ctx, func() (ok bool) {
		record, ok = b.Peek()
		return ok
	})
	return record, err
}

// All yields the oldest record, and removes it after the body of the loop, until
// there is none or the loop ends. The record is the caller's within the body.
// Consumer only.
func (b *Bytes) All() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			record, ok := b.Peek()
			if !ok {
				return
			}
			more := yield(record)
			b.Release()
			if !more {
				return
			}
		}
	}
}

// PopReady returns a channel that is closed once there is a record, for use in a
// select. The next time ask for another channel. Anyone may ask.
func (b *Bytes) PopReady() <-chan struct{} {
	return b.poppers.Ready(func() bool { return b.head.Load() != b.tail.Load() })
}

// Size returns the size that NewBytes was given.
func (b *Bytes) Size() int { return len(b.data) }

// left returns how many bytes there are from number n to the end of the array.
func (b *Bytes) left(n uint64) uint64 { return uint64(len(b.data)) - n&uint64(len(b.data)-1) }

// bytes returns the n bytes of the record at start.
func (b *Bytes) bytes(start uint64, n int) []byte {
	i := int(start&uint64(len(b.data)-1)) + headerSize
	return b.data[i : i+n : i+n]
}

func (b *Bytes) header(start uint64) uint64 {
	return binary.NativeEndian.Uint64(b.data[start&uint64(len(b.data)-1):])
}

func (b *Bytes) setHeader(start, h uint64) {
	binary.NativeEndian.PutUint64(b.data[start&uint64(len(b.data)-1):], h)
}

package spsc_test

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/spsc"
)

func TestNewBytesRefusesOtherThanPowersOfTwo(t *testing.T) {
	require.PanicsWithValue(t, "spsc: size 48 is not a power of two from 32 on", func() { spsc.NewBytes(48) })
	require.PanicsWithValue(t, "spsc: size 16 is not a power of two from 32 on", func() { spsc.NewBytes(16) })
}

// Random calls of a Bytes and of a slice of records give the same answers.
func TestBytesModel(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, size := range []int{32, 64, 512} {
		for _, start := range []uint64{0, 8, math.MaxUint64 - 127, math.MaxUint32 - 127} {
			ops := make([]byte, 6000)
			for i := range ops {
				ops[i] = byte(random.Uint32())
			}
			followBytes(t, spsc.NewBytesAt(size, start), ops)
		}
	}
}

func FuzzBytes(f *testing.F) {
	f.Add(uint64(math.MaxUint64), []byte("\x00\x14\x01\x02\x03\x28\x01\x01"))
	f.Fuzz(func(t *testing.T, start uint64, ops []byte) {
		followBytes(t, spsc.NewBytesAt(64, start&^7), ops)
	})
}

// followBytes makes one call for each byte of ops. Whether there is room depends on
// where the records lie, so the model keeps that, too.
func followBytes(t *testing.T, b *spsc.Bytes, ops []byte) {
	var held [][]byte
	fill := byte(0)
	for i, op := range ops {
		n := int(op>>2) % (b.Max() + 1)
		switch op & 3 {
		case 0, 1:
			record, ok := b.Claim(n)
			require.True(t, ok || len(held) > 0, "op %d: no room for %d bytes in an empty one", i, n)
			if !ok {
				break
			}
			require.Len(t, record, n)
			require.Equal(t, n, cap(record))
			fill++
			copy(record, bytes.Repeat([]byte{fill}, n))
			if fill%5 == 0 {
				b.Abort()
				break
			}
			keep := n - int(fill%3)%(n+1)
			b.Commit(keep)
			held = append(held, bytes.Repeat([]byte{fill}, keep))
		case 2:
			record, ok := b.Peek()
			require.Equal(t, len(held) > 0, ok, "op %d", i)
			if ok {
				require.Equal(t, held[0], record, "op %d", i)
			}
		case 3:
			record, ok := b.Peek()
			require.Equal(t, len(held) > 0, ok, "op %d", i)
			if ok {
				require.Equal(t, held[0], record, "op %d", i)
				b.Release()
				held = held[1:]
			}
		}
	}
	left := [][]byte{}
	for record := range b.All() {
		left = append(left, slices.Clone(record))
	}
	require.Equal(t, append([][]byte{}, held...), left)
}

// Records of all sizes, in order and whole, and the ring full and empty.
func TestBytesStress(t *testing.T) {
	each := 20_000
	if testing.Short() {
		each /= 10
	}
	b := spsc.NewBytesAt(128, math.MaxUint64&^7-1<<12)
	ctx := t.Context()
	go func() {
		for i := range each {
			record, err := b.ClaimContext(ctx, i%(b.Max()+1))
			if err != nil {
				return
			}
			for k := range record {
				record[k] = byte(i + k)
			}
			b.Commit(len(record))
		}
	}()
	for i := range each {
		record, err := b.PeekContext(ctx)
		require.NoError(t, err)
		if len(record) != i%(b.Max()+1) {
			t.Fatalf("record %d has %d bytes", i, len(record))
		}
		for k, v := range record {
			if v != byte(i+k) {
				t.Fatalf("record %d: byte %d is %d", i, k, v)
			}
		}
		b.Release()
		if i%128 == 0 {
			runtime.Gosched()
		}
	}
}

func TestBytesMisuse(t *testing.T) {
	b := spsc.NewBytes(64)
	require.Equal(t, 24, b.Max())
	require.Equal(t, 64, b.Size())
	require.PanicsWithValue(t, "spsc: Claim of 25 bytes, of which the most is 24", func() { b.Claim(25) })
	require.PanicsWithValue(t, "spsc: Commit of 0 bytes, of which -1 are claimed", func() { b.Commit(0) })
	_, ok := b.Claim(3)
	require.True(t, ok)
	require.PanicsWithValue(t, "spsc: Commit of 4 bytes, of which 3 are claimed", func() { b.Commit(4) })
	b.Abort()
	require.PanicsWithValue(t, "spsc: Commit of 0 bytes, of which -1 are claimed", func() { b.Commit(0) })
	require.PanicsWithValue(t, "spsc: Release of a record that was not peeked", b.Release)
}

func TestBytesContextEnds(t *testing.T) {
	b := spsc.NewBytes(32)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.PeekContext(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, b.TryPush(make([]byte, 8)))
	<-b.PopReady()
	require.True(t, b.TryPush(make([]byte, 8)))
	_, err = b.ClaimContext(ctx, 8)
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, b.TryPush(nil))
}

package guest

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A loop reads what was written to it.
type loop struct {
	bytes.Buffer
	writes int
}

func (l *loop) Write(p []byte) (int, error) {
	l.writes++
	return l.Buffer.Write(p)
}

func TestFramesArriveAsSent(t *testing.T) {
	l := new(loop)
	c := NewConn(l)
	longest := bytes.Repeat([]byte{0xff}, MaxPayload)
	require.NoError(t, c.Send(Ready, nil))
	require.NoError(t, c.Send(Exited, []byte{42}))
	require.NoError(t, c.Send(Stdout, longest))
	require.Equal(t, 3, l.writes, "one write a frame")

	for _, want := range []struct {
		kind    Kind
		payload []byte
	}{{Ready, []byte{}}, {Exited, []byte{42}}, {Stdout, longest}} {
		kind, payload, err := c.Receive()
		require.NoError(t, err)
		require.Equal(t, want.kind, kind)
		require.Equal(t, want.payload, payload)
	}
	_, _, err := c.Receive()
	require.ErrorIs(t, err, io.EOF)
}

func TestWriterCutsIntoFrames(t *testing.T) {
	l := new(loop)
	c := NewConn(l)
	sent := make([]byte, 3*MaxPayload+1)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	n, err := c.Writer(Stderr).Write(sent)
	require.NoError(t, err)
	require.Equal(t, len(sent), n)
	require.Equal(t, 4, l.writes)

	var got []byte
	for range 4 {
		kind, payload, err := c.Receive()
		require.NoError(t, err)
		require.Equal(t, Stderr, kind)
		got = append(got, payload...)
	}
	require.Equal(t, sent, got)
}

func TestStreamThatEndsInsideAFrame(t *testing.T) {
	whole := new(loop)
	require.NoError(t, NewConn(whole).Send(Stdout, []byte("some output")))
	for n := 1; n < whole.Len(); n++ {
		cut := new(loop)
		cut.Buffer.Write(whole.Bytes()[:n])
		_, _, err := NewConn(cut).Receive()
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut after %d bytes", n)
	}
}

func TestFrameOfTheWrongLength(t *testing.T) {
	require.PanicsWithValue(t, "guest: frame of 32769 bytes, want at most 32768", func() {
		_ = NewConn(new(loop)).Send(Stdout, make([]byte, MaxPayload+1))
	})
	for _, c := range []struct {
		frame []byte
		want  string
	}{
		{[]byte{'o', 0, 0, 0x80, 1}, `guest: malformed frame 'o': 32769 bytes, want 0 to 32768`},
		{[]byte{'x', 0, 0, 0, 0}, `guest: malformed frame 'x': 0 bytes, want 1 to 32768`},
		{[]byte{'t', 0, 0, 0, 3, 1, 2, 3}, `guest: malformed frame 't': 3 bytes, want 4 to 32768`},
	} {
		l := new(loop)
		l.Buffer.Write(c.frame)
		_, _, err := NewConn(l).Receive()
		require.EqualError(t, err, c.want)
	}
}

func TestSizeReadsBack(t *testing.T) {
	s := Size{Rows: 0x1234, Columns: 0xfedc}
	require.Equal(t, []byte{0x12, 0x34, 0xfe, 0xdc}, s.Bytes())
	require.Equal(t, s, SizeOf(s.Bytes()))
}

// TestSendersDoNotMix has two goroutines send on one stream, as standard output
// and standard error do.
func TestSendersDoNotMix(t *testing.T) {
	const frames = 1000
	r, w := io.Pipe()
	c := NewConn(struct {
		io.Reader
		io.Writer
	}{r, w})

	var wg sync.WaitGroup
	for _, kind := range []Kind{Stdout, Stderr} {
		wg.Go(func() {
			for i := range frames {
				if err := c.Send(kind, bytes.Repeat([]byte{byte(kind)}, i)); err != nil {
					t.Errorf("send %c: %v", kind, err)
				}
			}
		})
	}
	next := map[Kind]int{}
	for range 2 * frames {
		kind, payload, err := c.Receive()
		require.NoError(t, err)
		require.Equal(t, bytes.Repeat([]byte{byte(kind)}, next[kind]), payload)
		next[kind]++
	}
	wg.Wait()
}

package shm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/spsc/shm"
)

const limit = 20 * time.Second

// The test binary, run anew, is the other process; the environment says which.
func TestMain(m *testing.M) {
	if role := os.Getenv("FERRULE_SHM_ROLE"); role != "" {
		if err := other(role); err != nil {
			fmt.Fprintln(os.Stderr, role, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// record returns what is the nth record, of many sizes.
func record(n, most int) []byte {
	r := make([]byte, n%(most+1))
	for i := range r {
		r[i] = byte(n + i)
	}
	return r
}

func other(role string) error {
	files := []*os.File{os.NewFile(3, "memory"), os.NewFile(4, "event"), os.NewFile(5, "event")}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch role {
	case "hostile":
		return hostile(files[0])
	case "example":
		return produce()
	}
	r, err := shm.Open(files)
	if err != nil {
		return err
	}
	p, err := r.Producer()
	if err != nil {
		return err
	}
	for n := 0; role == "endless" || n < 20_000; n++ {
		if err := p.Push(ctx, record(n, p.Max())); err != nil {
			return err
		}
	}
	return errors.Join(p.Close(), r.Close())
}

// hostile writes anything anywhere, for as long as it lives.
func hostile(memory *os.File) error {
	info, err := memory.Stat()
	if err != nil {
		return err
	}
	page, err := unix.Mmap(int(memory.Fd()), 0, int(info.Size()), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if memory.Truncate(0) == nil {
		return errors.New("the memory can be taken away")
	}
	for {
		binary.NativeEndian.PutUint64(page[128:], rand.Uint64N(300)) // tail, now and then where it can be
		for range 16 {
			at := 4096 + 8*rand.IntN((len(page)-4096)/8)
			binary.NativeEndian.PutUint64(page[at:], rand.Uint64()>>rand.IntN(64))
		}
	}
}

func start(t *testing.T, r *shm.Ring, role string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.Command(self)
	c.Env = append(os.Environ(), "FERRULE_SHM_ROLE="+role)
	c.ExtraFiles = r.Files()
	c.Stderr = os.Stderr
	require.NoError(t, c.Start())
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

func create(t *testing.T, size int) *shm.Ring {
	r, err := shm.Create(size)
	require.NoError(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// Two processes: every record comes over, whole and in order, and then the end.
func TestTwoProcesses(t *testing.T) {
	r := create(t, 1024)
	other := start(t, r, "producer")
	c, err := r.Consumer()
	require.NoError(t, err)
	ctx := within(t)
	var buf []byte
	for n := range 20_000 {
		buf, err = c.Pop(ctx, buf)
		require.NoError(t, err)
		if want := record(n, 504); !slices.Equal(want, buf) {
			t.Fatalf("record %d is %v, want %v", n, buf, want)
		}
	}
	_, err = c.Pop(ctx, buf)
	require.ErrorIs(t, err, shm.ErrClosed)
	require.NoError(t, other.Wait())
	require.NoError(t, c.Close())
}

// kill -9: what the dead one published comes out, then it is known to be gone, and
// another can take its place.
func TestPeerIsKilled(t *testing.T) {
	r := create(t, 1024)
	other := start(t, r, "endless")
	c, err := r.Consumer()
	require.NoError(t, err)
	ctx := within(t)
	var buf []byte
	n := 0
	for ; n < 1000; n++ {
		buf, err = c.Pop(ctx, buf)
		require.NoError(t, err)
		require.True(t, slices.Equal(record(n, 504), buf), "record %d", n)
	}
	require.NoError(t, other.Process.Kill())
	for ; err == nil; n++ {
		if buf, err = c.Pop(ctx, buf); err == nil {
			require.True(t, slices.Equal(record(n, 504), buf), "record %d", n)
		}
	}
	require.ErrorIs(t, err, shm.ErrGone)

	p, err := r.Producer()
	require.NoError(t, err)
	require.NoError(t, p.Push(ctx, []byte("again")))
	buf, err = c.Pop(ctx, buf)
	require.NoError(t, err)
	require.Equal(t, "again", string(buf))
}

// A peer that writes random counters, headers and records is found out, again and
// again, and nothing else happens.
func TestPeerIsHostile(t *testing.T) {
	r := create(t, 256)
	start(t, r, "hostile")
	ctx := within(t)
	var buf []byte
	for broken := 0; broken < 200; {
		c, err := r.Consumer()
		require.NoError(t, err)
		for err == nil {
			var ok bool
			if buf, ok, err = c.TryPop(buf); ok {
				require.Less(t, len(buf), 256)
			}
			require.NoError(t, ctx.Err(), "found out %d times", broken)
		}
		require.ErrorIs(t, err, shm.ErrCorrupt)
		_, _, err = c.TryPop(buf)
		require.ErrorIs(t, err, shm.ErrCorrupt, "for good")
		require.NoError(t, c.Close())
		broken++
	}
}

// poke is what a peer could write, one wrong thing at a time.
func TestWhatCannotBe(t *testing.T) {
	const tail, head, header = 128, 256, 4096
	const skip = 1 << 63
	for name, words := range map[string]map[int64]uint64{
		"tail too far":                {tail: 72},
		"tail behind head":            {tail: ^uint64(7)},
		"tail within a word":          {tail: 12, header: 1},
		"record longer than the held": {tail: 16, header: 9},
		"record longer than anything": {tail: 64, header: 1 << 40},
		"length that overflows":       {tail: 64, header: ^uint64(0) >> 1},
		"nothing after what is left":  {tail: 64, header: skip},
		"mark past what is held":      {tail: 56, header: skip},
		"flag and length":             {tail: 64, header: skip | 5},
	} {
		t.Run(name, func(t *testing.T) {
			r := create(t, 64)
			c, err := r.Consumer()
			require.NoError(t, err)
			poke(t, r, words)
			_, ok, err := c.TryPop(nil)
			require.ErrorIs(t, err, shm.ErrCorrupt)
			require.False(t, ok)
		})
	}
	for name, at := range map[string]uint64{"head ahead of tail": 8, "head too far behind": ^uint64(63), "head within a word": ^uint64(3)} {
		t.Run(name, func(t *testing.T) {
			r := create(t, 64)
			p, err := r.Producer()
			require.NoError(t, err)
			poke(t, r, map[int64]uint64{head: at})
			ok, err := p.TryPush([]byte{1})
			if at == ^uint64(63) { // a full ring, which can be
				require.NoError(t, err)
				require.False(t, ok)
				return
			}
			require.ErrorIs(t, err, shm.ErrCorrupt)
			require.False(t, ok)
		})
	}
}

func poke(t *testing.T, r *shm.Ring, words map[int64]uint64) {
	for at, v := range words {
		_, err := r.Files()[0].WriteAt(binary.NativeEndian.AppendUint64(nil, v), at)
		require.NoError(t, err)
	}
}

// Random calls of the two sides and of a slice give the same answers.
func TestModel(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	for _, size := range []int{32, 64, 512} {
		r := create(t, size)
		p, err := r.Producer()
		require.NoError(t, err)
		c, err := r.Consumer()
		require.NoError(t, err)
		var held [][]byte
		full := 0
		for n := range 5000 {
			if random.IntN(2) == 0 {
				rec := record(random.IntN(1000), p.Max())
				ok, err := p.TryPush(rec)
				require.NoError(t, err)
				require.True(t, ok || len(held) > 0)
				if ok {
					held = append(held, rec)
				} else {
					full++
				}
				continue
			}
			rec, ok, err := c.TryPop(nil)
			require.NoError(t, err)
			require.Equal(t, len(held) > 0, ok, "call %d", n)
			if ok {
				require.True(t, slices.Equal(held[0], rec), "call %d", n)
				held = held[1:]
			}
		}
		require.NotZero(t, full)
	}
}

func TestRolesAreTakenOnce(t *testing.T) {
	r := create(t, 64)
	p, err := r.Producer()
	require.NoError(t, err)
	_, err = r.Producer()
	require.ErrorContains(t, err, "held by another")
	c, err := r.Consumer()
	require.NoError(t, err)
	require.NoError(t, p.Close())
	require.NoError(t, p.Close())
	_, err = c.Pop(within(t), nil)
	require.ErrorIs(t, err, shm.ErrClosed)
	require.NoError(t, c.Close())
}

// Who waits wakes when there is something to do, and when the context ends.
func TestWaiting(t *testing.T) {
	r := create(t, 64)
	p, err := r.Producer()
	require.NoError(t, err)
	c, err := r.Consumer()
	require.NoError(t, err)
	ctx := within(t)
	results := make(chan error, 1)
	go func() {
		for n := range 200 {
			rec, err := c.Pop(ctx, nil)
			if err == nil && !slices.Equal(rec, record(n, 20)) {
				err = fmt.Errorf("record %d is %v", n, rec)
			}
			if err != nil {
				results <- err
				return
			}
		}
		results <- nil
	}()
	for n := range 200 {
		for i := 0; n%50 == 0 && i < 3000; i++ { // so that the consumer sleeps
			runtime.Gosched()
		}
		require.NoError(t, p.Push(ctx, record(n, 20)))
	}
	require.NoError(t, <-results)

	short, cancel := context.WithCancel(ctx)
	go func() { _, err := c.Pop(short, nil); results <- err }()
	cancel()
	require.ErrorIs(t, <-results, context.Canceled)

	for err == nil {
		var ok bool
		if ok, err = p.TryPush(make([]byte, 8)); !ok {
			break
		}
	}
	require.NoError(t, err)
	require.ErrorIs(t, p.Push(short, make([]byte, 8)), context.Canceled)
	require.NoError(t, c.Close())
	require.ErrorIs(t, p.Push(ctx, nil), shm.ErrClosed)
}

func TestOpenRefusesWhatIsNoRing(t *testing.T) {
	_, err := shm.Open(nil)
	require.ErrorContains(t, err, "0 files, want 3")
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	require.NoError(t, file.Truncate(4096+64))
	null := func() *os.File { f, err := os.Open(os.DevNull); require.NoError(t, err); return f }
	_, err = shm.Open([]*os.File{file, null(), null()})
	require.ErrorIs(t, err, shm.ErrCorrupt)
	require.PanicsWithValue(t, "shm: size 48 is not a power of two from 32 on", func() { shm.Create(48) })
}

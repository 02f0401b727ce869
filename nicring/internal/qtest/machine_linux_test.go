//go:build qtest

package qtest

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/nicring"
	"github.com/ferrule-go/ferrule/nicring/e1000e"
)

var _ e1000e.Card = (*Card)(nil)

// patience bounds every wait; running out of it fails the test.
const patience = 20 * time.Second

func start(t testing.TB, cfg Config) *Machine {
	t.Helper()
	m, err := Start(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.Close()) })
	return m
}

// What the tests need of an 82574L.
const (
	regCTRL   = 0x0000
	regSTATUS = 0x0008
	regEERD   = 0x0014
	regICR    = 0x00C0
	regICS    = 0x00C8
	regIMS    = 0x00D0
	regRCTL   = 0x0100
	regTCTL   = 0x0400
	regRDBAL  = 0x2800 // then RDBAH and RDLEN
	regRDH    = 0x2810
	regRDT    = 0x2818
	regTDBAL  = 0x3800
	regTDT    = 0x3818
	regRFCTL  = 0x5008
	regRAL    = 0x5400

	ctrlSetLinkUp, ctrlReset = 1 << 6, 1 << 26
	statusLinkUp             = 1 << 1
	rctlEnable, rctlAll      = 1 << 1, 1<<3 | 1<<26 // unicast whatever its address, without CRC
	rfctlExtended            = 1 << 15
	tctlEnable, tctlPad      = 1 << 1, 1 << 3
	causeLink, causeReceived = 1 << 2, 1 << 7
	done                     = 1 << 0
)

// A driver is as small as one can be: rings of eight descriptors, and a buffer
// of 2 KiB for each.
type driver struct {
	t          testing.TB
	card       *Card
	memory     []byte // from bus
	bus        uint64
	rxTail     uint32
	rxAt, txAt int
}

const (
	ring     = 8
	bufBytes = 2048
	rxRing   = 0
	txRing   = 4096
	rxBufs   = 8192
	txBufs   = rxBufs + ring*bufBytes
	workArea = txBufs + ring*bufBytes
)

// drive starts the card and waits for its link.
func drive(t testing.TB, m *Machine, card int) *driver {
	t.Helper()
	region := m.Memory()
	page := region.Bytes[card*region.PageSize:][:workArea]
	d := &driver{t: t, card: m.Card(card), memory: page, bus: region.Bus[card]}
	for i := range ring {
		d.arm(i)
	}
	c := d.card
	require.NoError(t, c.SetBusMaster(true))
	c.Write32(regRFCTL, rfctlExtended)
	for base, at := range map[uint32]uint64{regRDBAL: d.bus + rxRing, regTDBAL: d.bus + txRing} {
		c.Write32(base, uint32(at))
		c.Write32(base+4, uint32(at>>32))
		c.Write32(base+8, 16*ring)
	}
	c.Write32(regTCTL, tctlEnable|tctlPad)
	c.Write32(regRCTL, rctlEnable|rctlAll)
	c.Write32(regCTRL, c.Read32(regCTRL)|ctrlSetLinkUp)
	d.rxTail = ring - 1
	c.Write32(regRDT, d.rxTail)
	d.waitLink(true)
	return d
}

func (d *driver) waitLink(up bool) {
	d.t.Helper()
	require.Eventually(d.t, func() bool { return d.card.Read32(regSTATUS)&statusLinkUp != 0 == up },
		patience, time.Millisecond, "link up: %v", up)
}

// arm writes receive descriptor i; the card writes over it.
func (d *driver) arm(i int) {
	desc := d.memory[rxRing+16*i:]
	binary.LittleEndian.PutUint64(desc, d.bus+rxBufs+uint64(i*bufBytes))
	binary.LittleEndian.PutUint64(desc[8:], 0)
}

func (d *driver) word(at int) uint32 {
	return atomic.LoadUint32((*uint32)(unsafe.Pointer(&d.memory[at])))
}

// send transmits one frame, and checks that the card reports it as sent.
func (d *driver) send(frame []byte) {
	d.t.Helper()
	i := d.txAt
	d.txAt = (i + 1) % ring
	at, buf := txRing+16*i, txBufs+i*bufBytes
	copy(d.memory[buf:], frame)
	binary.LittleEndian.PutUint64(d.memory[at:], d.bus+uint64(buf))
	const eop, ifcs, rs = 1 << 24, 1 << 25, 1 << 27
	binary.LittleEndian.PutUint32(d.memory[at+8:], uint32(len(frame))|eop|ifcs|rs)
	binary.LittleEndian.PutUint32(d.memory[at+12:], 0)
	d.card.Write32(regTDT, uint32(d.txAt))
	require.EqualValues(d.t, done, d.word(at+12)&done, "descriptor %d is done", i)
}

// recv polls for the next frame.
func (d *driver) recv() []byte {
	d.t.Helper()
	i := d.rxAt
	for deadline := time.Now().Add(patience); d.word(rxRing+16*i+8)&done == 0; {
		require.True(d.t, time.Now().Before(deadline), "no frame in descriptor %d", i)
	}
	d.rxAt = (i + 1) % ring
	length := int(binary.LittleEndian.Uint16(d.memory[rxRing+16*i+12:]))
	frame := append([]byte(nil), d.memory[rxBufs+i*bufBytes:][:length]...)
	d.arm(i)
	d.rxTail = (d.rxTail + 1) % ring
	d.card.Write32(regRDT, d.rxTail)
	return frame
}

// onWire returns the next frame that the card has put on its wire.
func (d *driver) onWire() []byte {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	frame, err := d.card.Recv(ctx)
	require.NoError(d.t, err)
	return frame
}

// frame makes a frame that is known by its number.
func frame(number, length int) []byte {
	f := make([]byte, length)
	copy(f, []byte{0x52, 0x54, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 0x88, 0xB5})
	for i := 14; i < length; i++ {
		f[i] = byte(number*31 + i)
	}
	return f
}

func TestMAC(t *testing.T) {
	t.Parallel()
	m := start(t, Config{Cards: maxCards})
	for i := range maxCards {
		c := m.Card(i)
		var words [3]uint16
		for w := range words {
			c.Write32(regEERD, uint32(w)<<2|1)
			v := c.Read32(regEERD)
			require.NotZero(t, v&2, "EERD.DONE")
			words[w] = uint16(v >> 16)
		}
		var got nicring.MAC
		for w, word := range words {
			binary.LittleEndian.PutUint16(got[2*w:], word)
		}
		require.Equal(t, nicring.MAC{0x52, 0x54, 0, 0, 0, byte(1 + i)}, got)
		require.Equal(t, got, c.MAC())
		require.Equal(t, fmt.Sprintf("qtest 0000:00:%02x.0", 4+i), c.String())
	}
}

// TestSendAndRecv sends each way, many times round the rings, frames of every
// kind of length.
func TestSendAndRecv(t *testing.T) {
	t.Parallel()
	d := drive(t, start(t, Config{Cards: 1}), 0)
	for i := range 20 * ring {
		f := frame(i, 60+i*37%1455)
		d.send(f)
		require.Equal(t, f, d.onWire())
		require.True(t, d.card.Send(f))
		require.Equal(t, f, d.recv())
	}
}

// TestWireHoldsFrames sends until the wire is full, and then has the card take
// what the wire has taken.
func TestWireHoldsFrames(t *testing.T) {
	t.Parallel()
	d := drive(t, start(t, Config{Cards: 1}), 0)
	n := 0
	for f := frame(0, 60); d.card.Send(f); f = frame(n, 60+n%256) {
		clear(f) // the wire has its own
		n++
	}
	require.GreaterOrEqual(t, n, wireFrames)
	for i := range n {
		require.Equal(t, frame(i, 60+i%256), d.recv(), "frame %d of %d", i, n)
	}
	require.True(t, d.card.Send(frame(0, 60)))
}

// TestLinked has two cards talk to each other.
func TestLinked(t *testing.T) {
	t.Parallel()
	m := start(t, Config{Cards: 3, Linked: true})
	a, b := drive(t, m, 0), drive(t, m, 1)
	for i := range 3 * ring {
		a.send(frame(i, 64))
		b.send(frame(1000+i, 1000))
		require.Equal(t, frame(i, 64), b.recv())
		require.Equal(t, frame(1000+i, 1000), a.recv())
	}
	require.PanicsWithValue(t, "qtest: the wire of qtest 0000:00:04.0 ends at another card", func() { m.Card(0).Send(frame(0, 60)) })
	require.True(t, m.Card(2).Send(frame(0, 60)), "the third has a wire of its own")
}

func TestInterrupt(t *testing.T) {
	t.Parallel()
	m := start(t, Config{Cards: maxCards})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for i := range maxCards {
		c := m.Card(i)
		c.Read32(regICR)
		requireQuiet(t, c, "at first")
		c.Write32(regICS, causeReceived)
		requireQuiet(t, c, "the cause is masked")

		c.Write32(regIMS, causeReceived)
		require.NoError(t, c.WaitInterrupt(ctx))
		require.NoError(t, c.WaitInterrupt(ctx), "the cause has not been read, so the line is still high")
		require.NotZero(t, c.Read32(regICR)&causeReceived)
		requireQuiet(t, c, "reading the cause has lowered the line")

		woken := make(chan error)
		go func() { woken <- c.WaitInterrupt(ctx) }()
		c.Write32(regICS, causeReceived)
		require.NoError(t, <-woken)
		c.Read32(regICR)
	}
}

// requireQuiet arms the interrupt of a card and wants none.
func requireQuiet(t *testing.T, c *Card, when string) {
	t.Helper()
	require.ErrorIs(t, c.WaitInterrupt(cancelled(t)), context.Canceled, when)
	require.Empty(t, c.interrupt.fired, when)
}

func cancelled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

// TestInterruptOnReceive has the card raise its line on its own, between the
// replies to whatever else is asked of it.
func TestInterruptOnReceive(t *testing.T) {
	t.Parallel()
	d := drive(t, start(t, Config{Cards: 1}), 0)
	d.card.Read32(regICR)
	d.card.Write32(regIMS, causeReceived)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tail := d.card.Read32(regTDT)
	var others sync.WaitGroup
	defer others.Wait()
	stop := make(chan struct{})
	defer close(stop)
	others.Go(func() {
		for d.card.Read32(regTDT) == tail {
			select {
			case <-stop:
				return
			default:
			}
		}
		t.Error("TDT has changed by itself")
	})
	for i := range 50 {
		require.True(t, d.card.Send(frame(i, 64)))
		require.NoError(t, d.card.WaitInterrupt(ctx))
		require.NotZero(t, d.card.Read32(regICR)&causeReceived)
		require.Equal(t, frame(i, 64), d.recv())
	}
}

func TestLink(t *testing.T) {
	t.Parallel()
	m := start(t, Config{Cards: 2})
	d := drive(t, m, 0)
	d.card.Read32(regICR)
	d.card.Write32(regIMS, causeLink)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()

	require.NoError(t, d.card.SetLink(false))
	require.NoError(t, d.card.WaitInterrupt(ctx))
	require.NotZero(t, d.card.Read32(regICR)&causeLink)
	d.waitLink(false)
	require.NoError(t, d.card.SetLink(true))
	require.NoError(t, d.card.WaitInterrupt(ctx))
	d.waitLink(true)
	d.card.Send(frame(1, 64))
	require.Equal(t, frame(1, 64), d.recv())
	require.Zero(t, m.Card(1).Read32(regICR)&causeLink, "the other card has nothing to do with it")
}

func TestReset(t *testing.T) {
	t.Parallel()
	c := start(t, Config{Cards: 1}).Card(0)
	address := c.Read32(regRAL)
	require.EqualValues(t, 0x00005452, address)
	c.Write32(regRAL, ^address)
	require.Equal(t, ^address, c.Read32(regRAL))
	c.Write32(regCTRL, ctrlReset)
	require.Zero(t, c.Read32(regCTRL)&ctrlReset)
	require.Equal(t, address, c.Read32(regRAL))
}

// TestBusMaster takes memory away from the card while frames arrive.
func TestBusMaster(t *testing.T) {
	t.Parallel()
	d := drive(t, start(t, Config{Cards: 1}), 0)
	require.NoError(t, d.card.SetBusMaster(false))
	require.NotEqual(t, ^uint32(0), d.card.Read32(regSTATUS), "registers are still there")
	for i := range ring {
		d.card.Send(frame(i, 64))
	}
	before := append([]byte(nil), d.memory...)
	d.card.Write32(regTDT, 1)
	require.Zero(t, d.card.Read32(regRDH))
	require.Equal(t, before, d.memory, "the card reaches memory")
	require.NoError(t, d.card.SetBusMaster(true))
	require.Equal(t, frame(0, 64), d.recv(), "what waited on the wire")
}

func TestRemove(t *testing.T) {
	t.Parallel()
	m := start(t, Config{Cards: 2})
	d, other := drive(t, m, 0), m.Card(1)
	woken := make(chan error)
	go func() { woken <- d.card.WaitInterrupt(context.Background()) }()
	d.card.Remove()
	require.ErrorIs(t, <-woken, nicring.ErrRemoved)
	d.requireGone()
	d.card.Remove()

	require.NotEqual(t, ^uint32(0), other.Read32(regSTATUS), "the other card is still there")
	require.EqualValues(t, commandINTxOff, command(d.card))
	require.NotEqual(t, command(d.card), command(other))
}

// command reads the command register of a card, whether or not it has gone.
func command(c *Card) uint32 {
	m := c.machine
	m.mu.Lock()
	defer m.mu.Unlock()
	m.write("outl", portAddress, 1<<31|uint32(c.slot)<<11|cfgCommand)
	value, _ := m.read("inl", portData)
	return value & 0xFFFF
}

func (d *driver) requireGone() {
	d.t.Helper()
	require.Equal(d.t, ^uint32(0), d.card.Read32(regSTATUS))
	d.card.Write32(regRDT, 0)
	require.ErrorIs(d.t, d.card.SetBusMaster(true), nicring.ErrRemoved)
	require.ErrorIs(d.t, d.card.WaitInterrupt(context.Background()), nicring.ErrRemoved)
	_, err := d.card.Recv(context.Background())
	require.ErrorIs(d.t, err, nicring.ErrRemoved)
}

// TestQEMUDies kills QEMU, which takes all cards with it.
func TestQEMUDies(t *testing.T) {
	t.Parallel()
	m, err := Start(t.Context(), Config{Cards: 1})
	require.NoError(t, err)
	defer m.Close()
	d := &driver{t: t, card: m.Card(0)}
	require.NoError(t, m.cmd.Process.Kill())
	require.ErrorIs(t, d.card.WaitInterrupt(t.Context()), nicring.ErrRemoved)
	d.requireGone()
	require.Error(t, d.card.SetLink(false))
	<-m.exited
	require.EqualError(t, m.Close(), "qtest: QEMU has ended by itself: signal: killed: ")
}

// TestQEMUDiesUnderACommand kills a QEMU that owes a reply.
func TestQEMUDiesUnderACommand(t *testing.T) {
	t.Parallel()
	m, err := Start(t.Context(), Config{Cards: 1})
	require.NoError(t, err)
	defer m.Close()
	require.NoError(t, m.cmd.Process.Signal(syscall.SIGSTOP))
	answer := make(chan uint32)
	go func() { answer <- m.Card(0).Read32(regSTATUS) }()
	require.Eventually(t, func() bool {
		free := m.mu.TryLock()
		if free {
			m.mu.Unlock()
		}
		return !free
	}, patience, time.Millisecond, "nobody waits for a reply")
	require.NoError(t, m.cmd.Process.Kill())
	require.Equal(t, ^uint32(0), <-answer)
}

func TestUseAfterClose(t *testing.T) {
	t.Parallel()
	m, err := Start(t.Context(), Config{Cards: 1})
	require.NoError(t, err)
	require.NoError(t, m.Close())
	require.NoError(t, m.Close())
	d := &driver{t: t, card: m.Card(0)}
	d.requireGone()
	require.Error(t, d.card.SetLink(false))
}

// TestNothingIsLeft counts what a machine takes of the system.
func TestNothingIsLeft(t *testing.T) {
	held := func() string {
		files, err := os.ReadDir("/proc/self/fd")
		require.NoError(t, err)
		maps, err := os.ReadFile("/proc/self/maps")
		require.NoError(t, err)
		return fmt.Sprintf("%d files, %d maps of memory", len(files), strings.Count(string(maps), "memfd:qtest"))
	}
	require.NoError(t, start(t, Config{Cards: 1}).Close()) // what the runtime opens once
	before := held()
	for range 3 {
		m := start(t, Config{Cards: 4, Linked: true})
		require.NotEqual(t, before, held())
		require.NoError(t, m.Close())
		require.ErrorIs(t, syscall.Kill(m.cmd.Process.Pid, 0), syscall.ESRCH)
		require.Equal(t, before, held())
	}
	_, err := Start(cancelled(t), Config{Cards: 2})
	require.EqualError(t, err, "qtest: start QEMU: context canceled")
	require.Equal(t, before, held(), "after a start that failed")
}

// TestNoOrphan kills a process that has a machine: itself, run again.
func TestNoOrphan(t *testing.T) {
	const asChild = "QTEST_ORPHAN"
	if os.Getenv(asChild) != "" {
		m, err := Start(context.Background(), Config{Cards: 1})
		require.NoError(t, err)
		fmt.Printf("pid %d\n", m.cmd.Process.Pid)
		select {} // until killed
	}
	child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	child.Env = append(os.Environ(), asChild+"=1")
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "pid ")))
	require.NoError(t, err)
	require.True(t, running(pid))
	require.NoError(t, child.Process.Kill())
	child.Wait()
	require.Eventually(t, func() bool { return !running(pid) }, patience, time.Millisecond, "QEMU lives on")
}

// running reports whether there is a process that is more than a zombie.
func running(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestNoQEMU(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Start(t.Context(), Config{Cards: 1})
	require.ErrorIs(t, err, exec.ErrNotFound)
	require.EqualError(t, err, `qtest: start QEMU: exec: "qemu-system-x86_64": executable file not found in $PATH: `+
		"install qemu-system-x86 (apt-get install qemu-system-x86)")
}

// TestAnotherProgram finds something that is not QEMU, and passes on its words.
func TestAnotherProgram(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\necho no such device >&2\nexit 3\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, program), []byte(script), 0o755))
	t.Setenv("PATH", dir)
	_, err := Start(t.Context(), Config{Cards: 1})
	require.ErrorContains(t, err, "qtest: start QEMU: qmp_capabilities: ") // how it hung up
	require.ErrorContains(t, err, ": exit status 3: no such device")
}

func TestMisuse(t *testing.T) {
	for _, n := range []int{0, -1, 5} {
		require.PanicsWithValue(t, fmt.Sprintf("qtest: %d cards: want 1 to 4", n), func() { Start(t.Context(), Config{Cards: n}) })
	}
	c := start(t, Config{Cards: 1}).Card(0)
	for _, offset := range []uint32{2, barSize, barSize + 2, 1<<32 - 4} {
		require.PanicsWithValue(t, fmt.Sprintf("qtest: no register at %#x in BAR0 of qtest 0000:00:04.0", offset), func() { c.Read32(offset) })
		require.Panics(t, func() { c.Write32(offset, 0) })
	}
	require.Panics(t, func() { c.Send(nil) })
	require.Panics(t, func() { c.Send(make([]byte, maxFrame+1)) })
}

// TestManyCallers has goroutines ask two cards for words of their own. A reply
// that went to another is another's word.
func TestManyCallers(t *testing.T) {
	t.Parallel()
	m := start(t, Config{Cards: 2})
	const callers, rounds = 8, 100
	const table = 0x5200 // MTA, words that are as they were written
	var all sync.WaitGroup
	failed := make(chan error, callers)
	for caller := range uint32(callers) {
		all.Go(func() {
			c := m.Card(int(caller % 2))
			for i := range uint32(rounds) {
				want := caller<<16 | i
				c.Write32(table+4*caller, want)
				c.SetBusMaster(i%2 == 0)
				if got := c.Read32(table + 4*caller); got != want {
					failed <- fmt.Errorf("caller %d: wrote %#x, read %#x", caller, want, got)
					return
				}
			}
		})
	}
	all.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	require.NoError(t, errors.Join(errs...))
}

func BenchmarkRead32(b *testing.B) {
	c := start(b, Config{Cards: 1}).Card(0)
	for b.Loop() {
		c.Read32(regSTATUS)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		m, err := Start(b.Context(), Config{Cards: 1})
		require.NoError(b, err)
		m.Close()
	}
}

// BenchmarkLinked moves a frame from one card to another: a doorbell to send it,
// and one to give its descriptor back.
func BenchmarkLinked(b *testing.B) {
	m := start(b, Config{Cards: 2, Linked: true})
	from, to := drive(b, m, 0), drive(b, m, 1)
	f := frame(1, 64)
	for b.Loop() {
		from.send(f)
		require.Len(b, to.recv(), len(f))
	}
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
)

// Environment variables that make another program of this one.
const (
	actGuest = "FERRULE_VM_TEST_GUEST" // what QEMU would be with a guest in it
	actHost  = "FERRULE_VM_TEST_HOST"  // a ferrule-vm whose QEMU is the value

	actCommand = "FERRULE_VM_TEST_COMMAND" // one that leaves lastWords in its pipe
)

var lastWords = bytes.Repeat([]byte("last words, "), 1<<20/12)

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(actGuest) != "":
		guests[os.Getenv(actGuest)](guest.NewConn(os.NewFile(channelFD, "channel")))
	case os.Getenv(actHost) != "":
		machine, err := start(kernel{}, Config{QEMU: os.Getenv(actHost), Console: io.Discard}, nil)
		fmt.Println(machine.cmd.Process.Pid, err)
		select {}
	case os.Getenv(actCommand) != "":
		if _, err := unix.FcntlInt(1, unix.F_SETPIPE_SZ, 1<<20); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Stdout.Write(lastWords)
	default:
		os.Exit(m.Run())
	}
}

// guests are what the channel's other end can be like.
var guests = map[string]func(*guest.Conn){
	"deaf to signals": func(c *guest.Conn) {
		_ = c.Send(guest.Ready, nil)
		for err := error(nil); err == nil; _, _, err = c.Receive() {
			_ = c.Send(guest.Stdout, []byte("heard"))
		}
	},
	"wants no input": func(c *guest.Conn) {
		_ = c.Send(guest.Ready, nil)
		_ = c.Send(guest.Exited, []byte{0})
		select {}
	},
	"wants all input": func(c *guest.Conn) {
		_ = c.Send(guest.Ready, nil)
		for {
			_ = c.Send(guest.Want, nil)
			_, p, err := c.Receive()
			if err != nil || len(p) == 0 {
				break
			}
			_ = c.Send(guest.Stdout, p)
		}
		_ = c.Send(guest.Exited, []byte{7})
		select {}
	},
	"malformed": func(c *guest.Conn) {
		_ = c.Send(guest.Ready, nil)
		_ = c.Send(guest.Exited, nil)
		select {}
	},
}

// qemuIs returns a program to be had for QEMU that does what the script says.
func qemuIs(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	script(t, dir, "qemu", text)
	return filepath.Join(dir, "qemu")
}

// qemuWith returns one that has this guest.
func qemuWith(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	return qemuIs(t, fmt.Sprintf("%s=%q exec %s", actGuest, name, self))
}

// attend starts a machine as cfg says, without a kernel, and sees to it that
// nothing is left of it.
func attend(t *testing.T, ctx context.Context, cfg Config) (int, error) {
	t.Helper()
	cfg.Command = []string{"cmd"}
	cfg, err := cfg.withDefaults()
	require.NoError(t, err)
	m, err := start(kernel{}, cfg, nil)
	require.NoError(t, err)
	code, err := m.attend(ctx, cfg)
	require.ErrorIs(t, unix.Kill(m.cmd.Process.Pid, 0), unix.ESRCH, "QEMU is left behind")
	return code, err
}

func TestQEMUThatIsNone(t *testing.T) {
	_, err := start(kernel{}, Config{QEMU: "/nonexistent/qemu", Console: io.Discard}, nil)
	require.EqualError(t, err, "start QEMU: fork/exec /nonexistent/qemu: no such file or directory")
}

func TestWhyAGuestIsGone(t *testing.T) {
	for _, c := range []struct{ qemu, want string }{
		{`echo "qemu: cannot set up guest memory" >&2; exit 1`,
			"QEMU ended: exit status 1\nQEMU:\n  qemu: cannot set up guest memory"},
		{`printf 'booting\r\nKernel panic - not syncing: Attempted to kill init!\r\nCall Trace:\r\n'; echo warning >&2`,
			"the guest's kernel panicked: Attempted to kill init!\nthe end of its console:\n  booting\n  Kernel panic - not syncing: Attempted to kill init!\n  Call Trace:"},
		{`exit 0`,
			"the guest went down before the command had ended"},
	} {
		code, err := attend(t, context.Background(), Config{QEMU: qemuIs(t, c.qemu)})
		require.EqualError(t, err, c.want)
		require.Equal(t, guest.StatusFailed, code)
	}
}

func TestTimeout(t *testing.T) {
	qemu := qemuIs(t, "exec sleep 1000")
	code, err := attend(t, context.Background(), Config{QEMU: qemu, Timeout: time.Millisecond})
	require.EqualError(t, err, "run cmd: not done after 1ms (see --timeout)")
	require.Equal(t, guest.StatusFailed, code)
}

func TestContextEndsTheMachine(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	code, err := attend(t, ctx, Config{QEMU: qemuIs(t, "exec sleep 1000")})
	require.ErrorIs(t, err, context.Canceled)
	require.EqualError(t, err, "run cmd: context canceled")
	require.Equal(t, guest.StatusFailed, code)
}

func TestSignalBeforeTheCommand(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signals <- unix.SIGINT
	code, err := attend(t, context.Background(), Config{QEMU: qemuIs(t, "exec sleep 1000"), Signals: signals})
	require.EqualError(t, err, "run cmd: ended by signal: interrupt")
	require.Equal(t, 130, code)
}

// A relay calls itself with all that is written to it.
type relay func(p []byte) (int, error)

func (r relay) Write(p []byte) (int, error) { return r(p) }

func TestThirdSignalEndsTheMachine(t *testing.T) {
	signals := make(chan os.Signal, 3)
	heard := 0
	code, err := attend(t, context.Background(), Config{
		QEMU:    qemuWith(t, "deaf to signals"),
		Signals: signals,
		Stdout: relay(func(p []byte) (int, error) {
			heard++
			signals <- unix.SIGTERM
			return len(p), nil
		}),
	})
	require.EqualError(t, err, "run cmd: ended by signal: terminated")
	require.Equal(t, 143, code)
	require.Equal(t, 3, heard, "of its start and of two signals")
}

func TestInputIsReadWhenItIsWanted(t *testing.T) {
	read := false
	code, err := attend(t, context.Background(), Config{
		QEMU:  qemuWith(t, "wants no input"),
		Stdin: readerFunc(func([]byte) (int, error) { read = true; return 0, io.EOF }),
	})
	require.NoError(t, err)
	require.Zero(t, code)
	require.False(t, read)

	sent := bytes.Repeat([]byte("0123456789"), 20_000)
	var got bytes.Buffer
	code, err = attend(t, context.Background(), Config{
		QEMU:   qemuWith(t, "wants all input"),
		Stdin:  bytes.NewReader(sent),
		Stdout: &got,
	})
	require.NoError(t, err)
	require.Equal(t, 7, code)
	require.True(t, bytes.Equal(sent, got.Bytes()))
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestGuestThatIsMalformed(t *testing.T) {
	code, err := attend(t, context.Background(), Config{QEMU: qemuWith(t, "malformed")})
	require.EqualError(t, err, "guest: malformed frame 'x': 0 bytes, want 1 to 32768")
	require.Equal(t, guest.StatusFailed, code)
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	code, err := attend(t, context.Background(), Config{
		QEMU:   qemuWith(t, "wants all input"),
		Stdin:  strings.NewReader("x"),
		Stdout: relay(func([]byte) (int, error) { return 0, errors.New("disk full") }),
	})
	require.EqualError(t, err, "write the command's output: disk full")
	require.Equal(t, guest.StatusFailed, code)
}

func TestTailRemembersTheEnd(t *testing.T) {
	var all bytes.Buffer
	tail := &tail{also: &all}
	fmt.Fprint(tail, "first\n")
	require.Equal(t, "first\n", tail.String())
	for i := range 2000 {
		fmt.Fprintf(tail, "line %d\n", i)
	}
	text := tail.String()
	require.Less(t, len(text), tailSize)
	require.Greater(t, len(text), tailSize-len("line 1999\n"))
	require.True(t, strings.HasPrefix(text, "line "), "no part of a line")
	require.True(t, strings.HasSuffix(text, "\nline 1999\n"))
	require.True(t, strings.HasPrefix(all.String(), "first\nline 0\n"))
	require.True(t, strings.HasSuffix(all.String(), text))
}

// TestNoOrphan kills a host in a way that it cannot see to.
func TestNoOrphan(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	host := exec.Command(self)
	host.Env = append(os.Environ(), actHost+"="+qemuIs(t, "exec sleep 1000"))
	stdout, err := host.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, host.Start())
	var pid int
	_, err = fmt.Fscanf(stdout, "%d <nil>\n", &pid)
	require.NoError(t, err)
	require.NoError(t, unix.Kill(pid, 0), "QEMU runs")

	// A pidfd turns readable when its process has ended.
	fd, err := unix.PidfdOpen(pid, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, host.Process.Kill())
	_ = host.Wait()
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 10_000)
	require.NoError(t, err)
	require.Equal(t, 1, n, "QEMU outlived its host")
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// asProgram in the environment makes the test binary the program.
const asProgram = "FERRULE_AS_PROGRAM=1"

func TestMain(m *testing.M) {
	name, _, _ := strings.Cut(asProgram, "=")
	if os.Getenv(name) != "" {
		os.Exit(run())
	}
	os.Exit(m.Run())
}

// program returns the program with its arguments, to be killed if it hangs.
func program(t *testing.T, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asProgram)
	return cmd
}

// TestCtrlC types it on a terminal.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	master, slave := terminal(t)
	cmd := program(t, "forward")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, cmd.Start())
	slave.Close()

	out := readUntil(t, master, "a packet\x1b[K\r   2 s") // the first line written over
	_, err := master.WriteString("\x03")
	require.NoError(t, err)
	rest, _ := io.ReadAll(master) // ends with EIO when the program has
	require.NoError(t, cmd.Wait(), "exit status")

	out = strings.ReplaceAll(out+string(rest), "\r\n", "\n")
	require.Contains(t, out, "a packet\x1b[K^C\n", "the live line stands")
	require.Contains(t, out, "\ntotal ")
	require.Contains(t, out, " frames sent through, each looked at: 0 lost, 0 duplicated, 0 reordered, 0 damaged\n")
}

// TestPlainLinesInAPipe ends the program with a signal.
func TestPlainLinesInAPipe(t *testing.T) {
	t.Parallel()
	cmd := program(t, "forward", "--pipeline")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := bufio.NewReader(stdout)
	line, err := r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "demoA <-> demoB  bursts of 32  rings of 1024  Ctrl-C ends it\n", line)
	line, err = r.ReadString('\n')
	require.NoError(t, err)
	require.Regexp(t, `^   1 s  [0-9.]+ [kM]?pps  [0-9.]+ [kMG]?bit/s  0 dropped  [0-9.]+ ns(  [0-9]+ cycles)? a packet\n$`, line)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	rest, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait(), "exit status")
	require.Contains(t, string(rest), "\ntotal ")
	require.NotContains(t, string(rest), "\r")
	require.Empty(t, stderr.String())
}

// TestJSONAlone wants nothing beside the object.
func TestJSONAlone(t *testing.T) {
	t.Parallel()
	cmd := program(t, "forward", "--json", "--duration", "1200ms", "--size", "100", "--burst", "16")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run())
	require.Empty(t, stderr.String())

	var r report
	d := json.NewDecoder(&stdout)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&r))
	_, err := d.Token()
	require.ErrorIs(t, err, io.EOF, "more than one object")
	require.Positive(t, r.RxPackets)
	require.Equal(t, r.RxPackets, r.TxPackets+r.Dropped)
	require.Equal(t, r.RxPackets*100, r.RxBytes)
	require.GreaterOrEqual(t, r.DurationSeconds, 1.2)
	require.InEpsilon(t, float64(r.TxPackets)/r.DurationSeconds, r.PacketsPerSecond, 1e-9)
	require.Positive(t, r.NsPerPacket)
	require.Equal(t, 16, r.Burst)
	require.Len(t, r.Ports, 2)
}

// TestGenerateAlone wants an object from the demonstration of generate, which
// ends by itself.
func TestGenerateAlone(t *testing.T) {
	t.Parallel()
	cmd := program(t, "generate", "--json", "--count", "500", "--rate", "10k", "--size", "imix")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run())
	require.Empty(t, stderr.String())
	var r generateReport
	d := json.NewDecoder(&stdout)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&r))
	require.Equal(t, &trafficReport{Sent: 500, Received: 500}, r.Traffic)
	require.Equal(t, float64(10_000), r.Rate)
	require.GreaterOrEqual(t, r.DurationSeconds, 0.0499)
	require.Equal(t, int64(500), r.Latency.Samples)
}

// TestNothingIsLostQuietly has every command print to a full disk.
func TestNothingIsLostQuietly(t *testing.T) {
	t.Parallel()
	for _, line := range []string{
		"forward --duration 1ms", "forward --duration 1ms --json",
		"generate --count 10", "generate --count 10 --json",
		"capture --count 10 -w " + filepath.Join(t.TempDir(), "trace.pcapng"),
		"stats", "stats --json", "devices", "devices --json", "version",
		"stress --only spinlock.Mutex --duration 1ms",
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		defer full.Close()
		var stderr bytes.Buffer
		cmd := program(t, strings.Fields(line)...)
		cmd.Stdout, cmd.Stderr = full, &stderr
		require.Error(t, cmd.Run(), line)
		require.Regexp(t, "^ferrule: write /dev/stdout: no space left on device\n$", stderr.String(), line)
	}
}

// TestHangUp ends a command in good order with its terminal, and not one that was
// started to outlive it.
func TestHangUp(t *testing.T) {
	t.Parallel()
	for _, outlives := range []bool{false, true} {
		t.Run(fmt.Sprint("outlives=", outlives), func(t *testing.T) {
			t.Parallel()
			cmd := program(t, "generate", "--duration", "1m")
			if outlives {
				var err error
				cmd.Args = append([]string{"nohup", cmd.Path}, cmd.Args[1:]...)
				cmd.Path, err = exec.LookPath("nohup")
				require.NoError(t, err)
			}
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			readUntil(t, stdout, "Ctrl-C ends it\n")
			require.NoError(t, cmd.Process.Signal(unix.SIGHUP))
			if outlives {
				readUntil(t, stdout, "   1 s")
				require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
			}
			rest, err := io.ReadAll(stdout)
			require.NoError(t, err)
			require.NoError(t, cmd.Wait(), "exit status")
			require.Contains(t, string(rest), " frames sent through, each looked at: 0 lost")
		})
	}
}

// TestErrorsAreSaidOnce wants one line, and no usage.
func TestErrorsAreSaidOnce(t *testing.T) {
	t.Parallel()
	cmd := program(t, "forward", "--size", "7")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Equal(t, "ferrule: forward: --size 7: want 60 to 1514\n", stderr.String())
	require.Empty(t, stdout.String())
}

// TestSecondSignalKills keeps the program from ending in good order, by a pipe
// that is full, and sends signals until it is gone.
func TestSecondSignalKills(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	cmd := program(t, "forward")
	cmd.Stdout = w
	require.NoError(t, cmd.Start())
	readUntil(t, r, "Ctrl-C ends it\n")
	fill(t, w)

	ended := make(chan error)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(patience); ; {
		require.True(t, time.Now().Before(deadline), "signals do not kill it")
		require.NoError(t, cmd.Process.Signal(os.Interrupt))
		select {
		case err := <-ended:
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit)
			require.Equal(t, unix.SIGINT, exit.Sys().(syscall.WaitStatus).Signal())
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// fill writes to a pipe until not a byte more fits.
func fill(t *testing.T, w *os.File) {
	fd, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", w.Fd()), unix.O_WRONLY|unix.O_NONBLOCK, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	for err == nil {
		_, err = unix.Write(fd, []byte{'\n'})
	}
	require.ErrorIs(t, err, unix.EAGAIN)
}

// terminal opens a pseudoterminal.
func terminal(t *testing.T) (master, slave *os.File) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	t.Cleanup(func() { master.Close() })
	fd := int(master.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return master, slave
}

// readUntil reads up to and with a text.
func readUntil(t *testing.T, r io.Reader, text string) string {
	var all []byte
	b := make([]byte, 1)
	for !bytes.HasSuffix(all, []byte(text)) {
		_, err := io.ReadFull(r, b)
		require.NoError(t, err, "after %q", all)
		all = append(all, b...)
	}
	return string(all)
}

// TestStatsOfARun looks at a forwarder from another process while it runs.
func TestStatsOfARun(t *testing.T) {
	t.Parallel()
	cmd := program(t, "forward", "--prometheus", "127.0.0.1:0")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	r := bufio.NewReader(stdout)
	for range 2 { // the second comes after a second of traffic
		_, err := r.ReadString('\n')
		require.NoError(t, err)
	}
	out, err := program(t, "stats", fmt.Sprint(cmd.Process.Pid), "--json").Output()
	require.NoError(t, err)
	var all []snapshot
	require.NoError(t, json.Unmarshal(out, &all), "%s", out)
	require.Len(t, all, 1)
	require.Equal(t, "forward", all[0].Command)
	require.Len(t, all[0].Ports, 2)
	require.Positive(t, all[0].Ports[0].RxPackets)
	require.Positive(t, all[0].UptimeSeconds)
	out, err = program(t, "stats").Output()
	require.NoError(t, err)
	require.Contains(t, string(out), "demoB")

	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	_, err = io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	var stderr bytes.Buffer
	gone := program(t, "stats", fmt.Sprint(cmd.Process.Pid))
	gone.Stderr = &stderr
	require.Error(t, gone.Run())
	require.Contains(t, stderr.String(), "is no forward, generate or capture of this user")
}

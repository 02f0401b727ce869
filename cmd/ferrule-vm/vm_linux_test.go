//go:build vm

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
)

// These boot a machine each. Makefile's target vm runs them.

// A result is what there is to see of a command.
type result struct {
	stdout, stderr string
	code           int
	err            error
}

// boot runs cfg's command, with what it needs and cfg has not.
func boot(t *testing.T, cfg Config) (r result) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	if cfg.Stdout == nil {
		cfg.Stdout = &stdout
	}
	cfg.Stderr, cfg.Log = &stderr, t.Output()
	r.code, r.err = run(ctx, cfg)
	r.stdout, r.stderr = stdout.String(), stderr.String()
	return r
}

// shell boots and runs a script that has to succeed without a complaint, and
// returns what it prints.
func shell(t *testing.T, cfg Config, script string) string {
	t.Helper()
	cfg.Command = []string{"sh", "-euc", script}
	r := boot(t, cfg)
	require.NoError(t, r.err)
	require.Equal(t, result{stdout: r.stdout}, r)
	return r.stdout
}

// randomFile returns a mebibyte and a file that holds it.
func randomFile(t *testing.T) (content, file string) {
	t.Helper()
	p := make([]byte, 1<<20)
	for i := range p {
		p[i] = byte(rand.Uint32())
	}
	file = filepath.Join(t.TempDir(), "random")
	require.NoError(t, os.WriteFile(file, p, 0o644))
	return string(p), file
}

func TestDevicesOfAFreshMachine(t *testing.T) {
	start := time.Now()
	r := boot(t, Config{Cards: 2, Command: []string{"ferrule", "devices"}})
	t.Logf("boot, ferrule devices, and end: %v", time.Since(start).Round(100*time.Millisecond))
	require.NoError(t, r.err)
	require.Equal(t, result{stdout: r.stdout}, r)
	require.Contains(t, r.stdout, "0000:00:10.0")
	require.Contains(t, r.stdout, "0000:00:11.0")
}

func TestStreamsAreByteExact(t *testing.T) {
	in, inFile := randomFile(t)
	other, otherFile := randomFile(t)
	stdin, err := os.Open(inFile)
	require.NoError(t, err)
	defer stdin.Close()
	r := boot(t, Config{Stdin: stdin, Command: []string{"sh", "-c", "cat $0 >&2 & cat; wait", otherFile}})
	require.NoError(t, r.err)
	require.Zero(t, r.code)
	require.True(t, r.stdout == in, "standard output: %d bytes of %d, or others", len(r.stdout), len(in))
	require.True(t, r.stderr == other, "standard error: %d bytes of %d, or others", len(r.stderr), len(other))
}

// TestLastWordsArrive has a command end when all that is between it and a slow
// reader is full, and a mebibyte is still in its pipe.
func TestLastWordsArrive(t *testing.T) {
	self, err := os.Executable()
	require.NoError(t, err)
	const first = 6 << 20
	var out bytes.Buffer
	r := boot(t, Config{
		Env:     []string{actCommand + "=1"},
		Command: []string{"sh", "-c", "head -c $1 /dev/zero; exec $0", self, strconv.Itoa(first)},
		Stdout: relay(func(p []byte) (int, error) {
			time.Sleep(5 * time.Millisecond)
			return out.Write(p)
		}),
	})
	require.NoError(t, r.err)
	require.Empty(t, r.stderr)
	require.Equal(t, first+len(lastWords), out.Len())
	require.True(t, bytes.HasSuffix(out.Bytes(), lastWords))
}

func TestStatus(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data"), []byte("no program"), 0o644))
	for _, c := range []struct {
		cfg  Config
		code int
		err  string
	}{
		{Config{Command: []string{"sh", "-c", "exit 42"}}, 42, ""},
		{Config{Command: []string{"sh", "-c", "kill -9 $$"}}, guest.StatusSignal + 9, ""},
		{Config{Command: []string{"nosuch"}}, guest.StatusNotFound, "run nosuch: command not found"},
		{Config{Command: []string{"./data"}, Dir: dir}, guest.StatusNotExecutable, "run ./data: permission denied"},
	} {
		r := boot(t, c.cfg)
		require.Equal(t, c.code, r.code, "%v", c.cfg.Command)
		if c.err == "" {
			require.NoError(t, r.err)
		} else {
			require.EqualError(t, r.err, c.err)
		}
		require.Empty(t, r.stdout+r.stderr)
	}
}

// TestWhatACommandFinds is about all but the cards.
func TestWhatACommandFinds(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "host"), []byte("the host's\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "gone"), nil, 0o644))
	out := shell(t, Config{Dir: dir, Env: []string{"A=b c"}, CPUs: 3, Memory: 512, HugePages: 33, Modules: []string{"veth"}}, `
		pwd; cat host; echo "$A"; nproc; id -u
		grep HugePages_Total /proc/meminfo
		command -v ferrule
		ip -o link show up | cut -d: -f2
		ip link add type veth && echo veth
		ip netns add space && ip netns exec space true && echo space
		ls -d /sys/bus/pci/drivers/uio_pci_generic /dev/hugepages /dev/ptmx
		echo changed > host && rm gone && touch new && ls
	`)
	require.Equal(t, dir+`
the host's
b c
3
0
HugePages_Total:      33
/run/ferrule/bin/ferrule
 lo
veth
space
/dev/hugepages
/dev/ptmx
/sys/bus/pci/drivers/uio_pci_generic
host
new
`, out)

	names, err := filepath.Glob(dir + "/*")
	require.NoError(t, err)
	require.Equal(t, []string{dir + "/gone", dir + "/host"}, names, "what it writes stays in the guest")
	text, err := os.ReadFile(dir + "/host")
	require.NoError(t, err)
	require.Equal(t, "the host's\n", string(text))
}

// TestCardsOfTheKernel has Linux's own driver see what is there: identities,
// addresses, and which card is wired to which.
func TestCardsOfTheKernel(t *testing.T) {
	cfg := Config{Cards: 3, Links: []Link{{2, 0}}, KernelCards: []int{0, 1, 2}}
	out := shell(t, cfg, `
		for i in 0 1 2; do
			d=/sys/bus/pci/devices/0000:00:1$i.0
			echo $(basename $d) $(cat $d/vendor $d/device $d/net/*/address) $(basename $(readlink $d/driver))
			ip netns add n$i
			eval "c$i=$(basename $d/net/*)"
		done
		for i in 0 1 2; do
			eval "c=\$c$i"
			ip link set $c netns n$i
			ip -n n$i addr add 192.0.2.1$i/24 dev $c
			ip -n n$i link set $c up
		done
		# The links come up some time later, so the first answer decides.
		for i in $(seq 60); do
			ip netns exec n0 ping -q -c 1 -W 1 192.0.2.12 | grep -o '1 received' && break
		done
		ip netns exec n0 ping -q -c 1 -W 1 192.0.2.11 | grep -o ' 0 received'
	`)
	require.Equal(t, `0000:00:10.0 0x8086 0x10d3 52:54:00:12:34:00 e1000e
0000:00:11.0 0x8086 0x10d3 52:54:00:12:34:01 e1000e
0000:00:12.0 0x8086 0x10d3 52:54:00:12:34:02 e1000e
1 received
 0 received
`, out)
}

func TestCardsForUIO(t *testing.T) {
	cfg := Config{Cards: 3, KernelCards: []int{1}}
	out := shell(t, cfg, `
		driver() { basename $(readlink /sys/bus/pci/devices/0000:00:1$1.0/driver || echo none); }
		driver 0; driver 1; driver 2
		ls /sys/class/net
		ls /dev/uio0 2>/dev/null || echo no uio0
		echo uio_pci_generic > /sys/bus/pci/devices/0000:00:12.0/driver_override
		echo 0000:00:12.0 > /sys/bus/pci/drivers_probe
		driver 2
		readlink -f /sys/class/uio/uio0/device
		ls /dev/uio0
		cat /sys/bus/pci/drivers_autoprobe
	`)
	require.Equal(t, `none
e1000e
none
eth0
lo
no uio0
uio_pci_generic
/sys/devices/pci0000:00/0000:00:12.0
/dev/uio0
1
`, out)
}

func TestPanicIsReported(t *testing.T) {
	r := boot(t, Config{Command: []string{"sh", "-c", "echo before; echo c > /proc/sysrq-trigger"}})
	require.ErrorContains(t, r.err, "the guest's kernel panicked: sysrq triggered crash\nthe end of its console:\n")
	require.ErrorContains(t, r.err, "Call Trace:")
	require.Equal(t, guest.StatusFailed, r.code)
	require.Equal(t, "before\n", r.stdout)
}

func TestGuestThatGoesDownIsReported(t *testing.T) {
	r := boot(t, Config{Command: []string{"sh", "-c", "echo o > /proc/sysrq-trigger; sleep 1000"}})
	require.ErrorContains(t, r.err, "the guest went down before the command had ended")
	require.Equal(t, guest.StatusFailed, r.code)
}

// TestModuleThatDoesNotLoad asks for a driver of hardware that is not there.
func TestModuleThatDoesNotLoad(t *testing.T) {
	r := boot(t, Config{Modules: []string{"kvm_intel"}, Command: []string{"true"}})
	require.EqualError(t, r.err, "load module kvm_intel: operation not supported")
	require.Equal(t, guest.StatusFailed, r.code)
}

func TestTimeoutIsReported(t *testing.T) {
	r := boot(t, Config{Timeout: 4 * time.Second, Command: []string{"sleep", "1000"}})
	require.ErrorContains(t, r.err, "run sleep: not done after 4s (see --timeout)")
	require.Equal(t, guest.StatusFailed, r.code)
}

// TestSignalReachesTheCommand also leaves a process behind that has the output
// open: the machine ends all the same, and with it what the command wrote.
func TestSignalReachesTheCommand(t *testing.T) {
	signals := make(chan os.Signal, 1)
	var out bytes.Buffer
	r := boot(t, Config{
		Signals: signals,
		Stdout: relay(func(p []byte) (int, error) {
			if out.Write(p); out.String() == "ready\n" {
				signals <- unix.SIGINT
			}
			return len(p), nil
		}),
		Command: []string{"sh", "-c", `
			setsid sh -c 'echo > /run/left; exec sleep 1000' &
			while [ ! -e /run/left ]; do sleep 0.1; done
			trap 'echo caught; exit 3' INT
			echo ready
			while :; do sleep 0.1; done`},
	})
	require.NoError(t, r.err)
	require.Equal(t, 3, r.code)
	require.Equal(t, "ready\ncaught\n", out.String())
}

// TestTerminal types at a command that has a terminal.
func TestTerminal(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	defer master.Close()
	number, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	defer slave.Close()
	setSize := func(rows, columns uint16) {
		require.NoError(t, unix.IoctlSetWinsize(int(slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}))
	}
	setSize(33, 101)
	before, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	require.NoError(t, err)

	// What comes is answered once.
	signals := make(chan os.Signal, 1)
	answers := []struct {
		to string
		do func()
	}{
		{"size 33 101\r\n", func() { io.WriteString(master, "typed\r") }},
		{"read typed\r\n", func() { setSize(44, 102); signals <- unix.SIGWINCH }},
		{"size 44 102\r\n", func() { io.WriteString(master, "\x03") }},
	}
	var out bytes.Buffer
	r := boot(t, Config{
		Terminal: slave,
		Stdin:    slave,
		Signals:  signals,
		Stdout: relay(func(p []byte) (int, error) {
			out.Write(p)
			if len(answers) > 0 && strings.Contains(out.String(), answers[0].to) {
				answers[0].do()
				answers = answers[1:]
			}
			return len(p), nil
		}),
		// Not bash, which takes its terminal for a controlling one unasked.
		Command: []string{"sh", "-c", `
			exec 3< /dev/tty
			trap 'echo size $(stty size)' WINCH
			echo size $(stty size) >&2
			read x; echo read $x
			while :; do sleep 0.1; done`},
	})
	require.NoError(t, r.err)
	require.Equal(t, guest.StatusSignal+2, r.code)
	// The echo of Ctrl-C comes last, if the terminal lives to show it.
	require.Equal(t, "size 33 101\r\ntyped\r\nread typed\r\nsize 44 102\r\n", strings.TrimSuffix(out.String(), "^C"))
	after, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

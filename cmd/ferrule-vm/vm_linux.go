package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
	"golang.org/x/sys/unix"
)

// bootLimit is how long a guest may take to start its command: ten times and
// more what it takes a busy machine.
const bootLimit = 2 * time.Minute

// run boots the machine that cfg describes, runs the command in it, and returns
// its exit status: 128 and the number of the signal if one ended it. The error
// is not nil if there was no command to wait for to the end, and code is then
// the status that stands for that. When run returns, no process is left behind.
//
// A read from cfg.Stdin that is under way then, and a write that blocks, are left
// to themselves.
func run(ctx context.Context, cfg Config) (code int, err error) {
	if runtime.GOARCH != "amd64" {
		return guest.StatusFailed, fmt.Errorf("run on %s: the guest is an amd64 and runs the host's own programs", runtime.GOARCH)
	}
	cfg, err = cfg.withDefaults()
	if err != nil {
		return guest.StatusFailed, err
	}
	if err := need(cfg.Log, cfg.QEMU); err != nil {
		return guest.StatusFailed, err
	}
	k, err := findKernel(cfg.Log)
	if err != nil {
		return guest.StatusFailed, err
	}
	initrd, err := initramfs(ctx, k, cfg)
	if err != nil {
		return guest.StatusFailed, err
	}
	m, err := start(k, cfg, initrd)
	if err != nil {
		return guest.StatusFailed, err
	}
	return m.attend(ctx, cfg)
}

// A machine is a QEMU that runs.
type machine struct {
	cmd     *exec.Cmd
	conn    *guest.Conn
	stream  *os.File // what conn is on
	console *tail
	stderr  *tail
	ended   chan struct{} // closed when QEMU has ended
}

// The files that QEMU inherits.
const (
	channelFD = 3
	initrdFD  = 4
	monitorFD = 5 // and the next: QEMU has both ends
)

// start starts QEMU.
func start(k kernel, cfg Config, initrd []byte) (*machine, error) {
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("make the channel to the guest: %w", err)
	}
	defer theirs.Close()
	ram, err := memoryFile("initrd", initrd)
	if err != nil {
		ours.Close()
		return nil, fmt.Errorf("make the guest's initial file system: %w", err)
	}
	defer ram.Close()

	m := &machine{
		conn:    guest.NewConn(ours),
		stream:  ours,
		console: &tail{also: cfg.Console},
		stderr:  &tail{also: io.Discard},
		ended:   make(chan struct{}),
	}
	m.cmd = exec.Command(cfg.QEMU, qemuArgs(k, cfg)...)
	m.cmd.Stdout, m.cmd.Stderr = m.console, m.stderr
	m.cmd.ExtraFiles = []*os.File{theirs, ram}
	if cfg.Monitor {
		a, b, err := socketPair()
		if err != nil {
			ours.Close()
			return nil, fmt.Errorf("make the monitor's channel: %w", err)
		}
		defer a.Close()
		defer b.Close()
		m.cmd.ExtraFiles = append(m.cmd.ExtraFiles, a, b)
	}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid:   true,            // Ctrl-C is for us to pass on, not for QEMU to die of
		Pdeathsig: syscall.SIGKILL, // and if we die, so does QEMU
	}
	started := make(chan error)
	go func() {
		// The kernel takes the end of the thread that forked for the death of
		// the parent, so this one is kept for as long as QEMU runs.
		runtime.LockOSThread()
		err := m.cmd.Start()
		started <- err
		if err == nil {
			_ = m.cmd.Wait()
			close(m.ended)
		}
	}()
	if err := <-started; err != nil {
		ours.Close()
		return nil, fmt.Errorf("start QEMU: %w", err)
	}
	return m, nil
}

// stop ends QEMU, if it has not ended, and waits until it has.
func (m *machine) stop() {
	_ = m.cmd.Process.Kill()
	<-m.ended
	m.stream.Close()
}

// kernelOptions: a panic reboots at once, which ends QEMU (-no-reboot). QEMU's
// processors share one time-stamp counter, so it is a good clock, and far quicker
// to read than those that are devices. To test the kernel's ciphers and to clear
// each page that is allocated would be a third of the time to boot.
const kernelOptions = "panic=-1 tsc=reliable cryptomgr.notests init_on_alloc=0 "

// qemuArgs returns the arguments that make QEMU the machine that cfg describes.
func qemuArgs(k kernel, cfg Config) []string {
	// The kernel is silent unless someone listens: each byte on an emulated
	// serial port costs an exit. What it says in a panic it says even so.
	verbosity := "quiet"
	if cfg.Console != io.Discard {
		verbosity = "loglevel=7"
	}
	args := []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "q35",
		"-accel", "tcg,thread=multi",
		// All that QEMU can do, so that no program of the host's lacks an
		// instruction; but not the string instructions as the quick way to
		// clear memory, nor a fifth level of page tables: both are slow here.
		"-cpu", "max,erms=off,la57=off",
		"-smp", strconv.Itoa(cfg.CPUs),
		"-m", strconv.Itoa(cfg.Memory),
		"-kernel", k.image(),
		"-initrd", fmt.Sprintf("/proc/self/fd/%d", initrdFD),
		"-append", "console=ttyS0 " + kernelOptions + verbosity,
		"-chardev", "stdio,id=console,signal=off",
		"-serial", "chardev:console",
		"-device", "virtio-serial-pci,addr=1",
		"-chardev", fmt.Sprintf("socket,id=channel,fd=%d", channelFD),
		"-device", "virtserialport,nr=1,chardev=channel",
		"-fsdev", "local,id=root,path=/,security_model=none,readonly=on,multidevs=remap",
		"-device", "virtio-9p-pci,addr=2,fsdev=root,mount_tag=" + guest.RootTag,
	}
	// A hub with two ports is a wire. A card that no link names has a hub of
	// its own: its link is up and nothing is at the other end.
	hub := make([]int, cfg.Cards)
	for i := range hub {
		hub[i] = i
	}
	for _, l := range cfg.Links {
		hub[l.B] = hub[l.A]
	}
	if cfg.Monitor {
		args = append(args,
			"-chardev", fmt.Sprintf("socket,id=monitor,fd=%d", monitorFD),
			"-mon", "chardev=monitor,mode=control",
			"-chardev", fmt.Sprintf("socket,id=guest,fd=%d", monitorFD+1),
			"-device", "virtserialport,nr=2,chardev=guest")
	}
	for i := range cfg.Cards {
		args = append(args,
			"-netdev", fmt.Sprintf("hubport,id=net%d,hubid=%d", i, hub[i]),
			"-device", fmt.Sprintf("e1000e,netdev=net%d,mac=%s,addr=%#x,romfile=", i, cardMAC(i), cardSlot(i)))
	}
	return args
}

// attend serves the guest until its command has ended, and then ends the machine.
func (m *machine) attend(ctx context.Context, cfg Config) (code int, err error) {
	ready := make(chan struct{})
	done := make(chan struct{})
	var doneCode int
	var doneErr error
	go func() {
		defer close(done)
		doneCode, doneErr = m.converse(cfg, ready)
	}()
	defer func() {
		m.stop()
		select {
		case <-done: // what was written was written before we return
		case <-time.After(time.Second): // but for a writer that blocks
		}
	}()
	boot := time.NewTimer(bootLimit)
	defer boot.Stop()
	var timeout <-chan time.Time
	if cfg.Timeout > 0 {
		timeout = time.After(cfg.Timeout)
	}
	signals := 0
	for booted := ready; ; {
		select {
		case <-done:
			return doneCode, doneErr
		case <-booted:
			booted = nil
			boot.Stop()
			if cfg.Terminal != nil {
				restore, err := makeRaw(cfg.Terminal)
				if err != nil {
					return guest.StatusFailed, err
				}
				defer restore()
			}
		case <-boot.C:
			return guest.StatusFailed, m.failure(fmt.Sprintf("the guest has not booted in %v", bootLimit))
		case <-timeout:
			return guest.StatusFailed, m.failure(fmt.Sprintf("run %s: not done after %v (see --timeout)", cfg.Command[0], cfg.Timeout))
		case <-ctx.Done():
			return guest.StatusFailed, fmt.Errorf("run %s: %w", cfg.Command[0], ctx.Err())
		case s := <-cfg.Signals:
			if s == unix.SIGWINCH {
				m.resize(cfg.Terminal)
				continue
			}
			number, _ := s.(unix.Signal)
			// Before there is a command, and when it does not listen, the
			// machine ends.
			if signals++; !closed(ready) || signals == 3 {
				return guest.StatusSignal + int(number), fmt.Errorf("run %s: ended by signal: %v", cfg.Command[0], s)
			}
			_ = m.conn.Send(guest.Signal, []byte{byte(number)})
		}
	}
}

// converse answers the guest's frames until the last. It closes ready when the
// command starts.
func (m *machine) converse(cfg Config, ready chan<- struct{}) (code int, err error) {
	for {
		kind, payload, err := m.conn.Receive()
		if errors.Is(err, guest.ErrMalformed) {
			return guest.StatusFailed, m.failure(err.Error())
		}
		if err != nil {
			<-m.ended // and so the console's last words are all there
			return guest.StatusFailed, m.failure(m.death())
		}
		switch kind {
		case guest.Ready:
			close(ready)
		case guest.Stdout:
			_, err = cfg.Stdout.Write(payload)
		case guest.Stderr:
			_, err = cfg.Stderr.Write(payload)
		case guest.Want:
			go m.feed(cfg.Stdin)
		case guest.Exited:
			return int(payload[0]), nil
		case guest.Failed:
			return int(payload[0]), errors.New(string(payload[1:]))
		}
		if err != nil {
			return guest.StatusFailed, fmt.Errorf("write the command's output: %w", err)
		}
	}
}

// feed answers one request for input.
func (m *machine) feed(stdin io.Reader) {
	p := make([]byte, guest.MaxPayload)
	n, err := stdin.Read(p)
	for n == 0 && err == nil {
		n, err = stdin.Read(p)
	}
	_ = m.conn.Send(guest.Stdin, p[:n])
}

// failed reports whether QEMU has ended and was not content.
func (m *machine) failed() bool {
	return closed(m.ended) && !m.cmd.ProcessState.Success()
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// death says why a guest that is gone has gone.
func (m *machine) death() string {
	if m.failed() {
		return fmt.Sprintf("QEMU ended: %v", m.cmd.ProcessState)
	}
	_, panicked, ok := strings.Cut(m.console.String(), "Kernel panic - not syncing: ")
	if ok {
		reason, _, _ := strings.Cut(panicked, "\n")
		return "the guest's kernel panicked: " + strings.TrimSpace(reason)
	}
	return "the guest went down before the command had ended"
}

// failure returns an error that gives the reason and what there is to know about
// it: QEMU's own words if it failed, and the end of the console.
func (m *machine) failure(reason string) error {
	var b strings.Builder
	b.WriteString(reason)
	quote := func(name string, t *tail) {
		if text := strings.TrimSpace(t.String()); text != "" {
			fmt.Fprintf(&b, "\n%s:", name)
			for line := range strings.Lines(text) {
				fmt.Fprintf(&b, "\n  %s", strings.TrimRight(line, "\r\n"))
			}
		}
	}
	if m.failed() {
		quote("QEMU", m.stderr)
	}
	quote("the end of its console", m.console)
	return errors.New(b.String())
}

// A tail is a writer that remembers the end of what was written.
type tail struct {
	also io.Writer // gets all of it
	mu   sync.Mutex
	buf  []byte
}

// tailSize is what a tail remembers, in bytes: a panic with its registers and
// its stack.
const tailSize = 8 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - tailSize; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	t.mu.Unlock()
	_, _ = t.also.Write(p)
	return len(p), nil
}

// String returns the whole lines that t remembers.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := t.buf
	if len(text) == tailSize {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return string(text)
}

// socketPair returns the two ends of a stream.
func socketPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil { // so that Close ends a Read
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "guest"), os.NewFile(uintptr(fds[1]), "channel"), nil
}

// memoryFile returns a file that has this content and no name, so that it is
// gone when the last process that has it open is.
func memoryFile(name string, content []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.Write(content); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

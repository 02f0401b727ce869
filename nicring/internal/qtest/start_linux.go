package qtest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

const program = "qemu-system-x86_64"

// Start starts a machine; ctx bounds the start alone. It panics if cfg asks for
// a number of cards that is not from 1 to 4.
//
// Nothing outlives the process: QEMU is killed with it, and neither the sockets
// nor the memory have a name in the file system.
func Start(ctx context.Context, cfg Config) (*Machine, error) {
	if cfg.Cards < 1 || cfg.Cards > maxCards {
		panic(fmt.Sprintf("qtest: %d cards: want 1 to %d", cfg.Cards, maxCards))
	}
	m := &Machine{
		replies: make(chan uint32, 1),
		exited:  make(chan struct{}),
		done:    make(chan struct{}),
	}
	for i := range cfg.Cards {
		m.cards = append(m.cards, newCard(m, i))
	}
	if err := m.start(ctx, cfg); err != nil {
		m.Close()
		return nil, fmt.Errorf("qtest: start QEMU: %w", err)
	}
	return m, nil
}

func (m *Machine) start(ctx context.Context, cfg Config) error {
	l := launch{machine: m}
	err := l.prepare(cfg)
	if err == nil {
		err = l.run()
	}
	l.close() // or our ends would not see QEMU hang up
	if err != nil {
		return err
	}
	kill := func() { m.cmd.Process.Kill() }
	stop := context.AfterFunc(ctx, kill)

	m.workers.Go(m.listen)
	for _, c := range m.cards {
		if c.wire != nil {
			m.workers.Go(func() { c.wire.read(m.done) })
			m.workers.Go(func() { c.wire.write(m.done) })
		}
	}
	err = m.setUp()
	switch {
	case !stop(): // it is being killed
		return ctx.Err()
	case err != nil:
		kill()
		<-m.exited
		return fmt.Errorf("%w: %w", err, m.obituary())
	}
	return nil
}

// setUp waits for QEMU to answer and readies its cards.
func (m *Machine) setUp() error {
	if err := m.execute("qmp_capabilities", nil); err != nil {
		return err
	}
	m.mu.Lock()
	m.command = append(m.command[:0], "irq_intercept_in ioapic"...)
	_, ok := m.call()
	m.mu.Unlock()
	for _, c := range m.cards {
		ok = ok && c.place()
	}
	if !ok {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// obituary says how QEMU ended, in its own words if it has left any.
func (m *Machine) obituary() error {
	return fmt.Errorf("%s: %s", m.cmd.ProcessState, strings.TrimSpace(m.stderr.String()))
}

// Close ends QEMU and takes the machine's memory away: nothing may use it any
// more. Registers then read all ones. Close returns an error if QEMU had ended
// before. A second Close returns the same.
func (m *Machine) Close() error {
	m.closing.Do(func() {
		if m.cmd != nil {
			select {
			case <-m.exited:
				m.err = fmt.Errorf("qtest: QEMU has ended by itself: %w", m.obituary())
			default:
				m.cmd.Process.Kill()
				<-m.exited
			}
		}
		close(m.done)
		for _, f := range m.ours {
			f.Close()
		}
		m.workers.Wait()
		if m.memory != nil {
			unix.Munmap(m.memory)
		}
	})
	return m.err
}

// A launch collects what QEMU is started with.
type launch struct {
	machine *Machine
	args    []string
	files   []*os.File // QEMU's; the first becomes its descriptor 3
}

func (l *launch) close() {
	for _, f := range l.files {
		f.Close()
	}
}

// give hands f to QEMU and returns the descriptor it becomes.
func (l *launch) give(f *os.File) int {
	l.files = append(l.files, f)
	return 2 + len(l.files)
}

// prepare fills l with a machine of q35's kind. Debian's QEMU cannot do without
// a processor, so it has one, and firmware that halts it. The machine must run
// all the same, for QEMU delivers no frames to one that stands still.
func (l *launch) prepare(cfg Config) error {
	path, err := exec.LookPath(program)
	if err != nil {
		return fmt.Errorf("%w: install qemu-system-x86 (apt-get install qemu-system-x86)", err)
	}
	l.args = []string{path, "-no-user-config", "-nodefaults", "-display", "none",
		"-machine", "q35,accel=tcg,memory-backend=memory", "-m", fmt.Sprintf("%dM", memorySize>>20)}

	m := l.machine
	memory, err := l.file("memory", memorySize)
	if err != nil {
		return err
	}
	m.memory, err = unix.Mmap(int(memory.Fd()), 0, memorySize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map %d bytes: %w", memorySize, err)
	}
	l.add("-object", "memory-backend-file,id=memory,share=on,size=%d,mem-path=/proc/self/fd/%d", memorySize, l.give(memory))

	firmware, err := l.file("firmware", firmwareSize)
	if err != nil {
		return err
	}
	if _, err := firmware.WriteAt(halt, firmwareSize-16); err != nil {
		return fmt.Errorf("write firmware: %w", err)
	}
	l.add("-bios", "/proc/self/fd/%d", l.give(firmware))

	qtest, fd, err := l.socket()
	if err != nil {
		return err
	}
	m.qtest = qtest
	l.add("-chardev", "socket,id=qtest,fd=%d", fd)
	l.add("-qtest", "chardev:qtest")
	l.add("-qtest-log", "none")

	monitor, fd, err := l.socket()
	if err != nil {
		return err
	}
	m.monitor, m.answers = monitor, json.NewDecoder(monitor)
	l.add("-chardev", "socket,id=monitor,fd=%d", fd)
	l.add("-mon", "chardev=monitor,mode=control")

	return l.prepareCards(cfg.Linked)
}

// The processor starts 16 bytes below the end of its firmware.
const firmwareSize = 64 << 10

var halt = []byte{0xFA, 0xF4, 0xEB, 0xFD} // cli; hlt; jmp to the hlt

func (l *launch) prepareCards(linked bool) error {
	other := -1 // QEMU's descriptor of the end of a wire that has no card yet
	for i, c := range l.machine.cards {
		fd := other
		other = -1
		switch {
		case fd >= 0:
		case linked && i+1 < len(l.machine.cards):
			near, far, err := pair()
			if err != nil {
				return err
			}
			fd, other = l.give(near), l.give(far)
		default:
			conn, theirs, err := l.socket()
			if err != nil {
				return err
			}
			fd = theirs
			c.wire = newWire(conn)
		}
		l.add("-netdev", "socket,id=wire%d,fd=%d", i, fd)
		l.add("-device", "e1000e,id=%s,netdev=wire%d,addr=%#x,mac=%s,romfile=", c.id(), i, c.slot, c.MAC())
	}
	return nil
}

func (l *launch) add(option, format string, args ...any) {
	l.args = append(l.args, option, fmt.Sprintf(format, args...))
}

// file makes a file of zeros that has no name.
func (l *launch) file(name string, size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("qtest "+name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	f := os.NewFile(uintptr(fd), name)
	if err := f.Truncate(size); err != nil {
		f.Close()
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	return f, nil
}

// socket makes a connection to QEMU and returns our end, and the descriptor
// that QEMU's end becomes.
func (l *launch) socket() (ours *os.File, theirs int, err error) {
	near, far, err := pair()
	if err != nil {
		return nil, 0, err
	}
	l.machine.ours = append(l.machine.ours, near)
	return near, l.give(far), nil
}

// pair returns both ends of a connection. They do not block, so the scheduler
// waits for them and Close wakes whoever waits.
func pair() (a, b *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("create a pair of sockets: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "socket"), os.NewFile(uintptr(fds[1]), "socket"), nil
}

// run starts QEMU.
func (l *launch) run() error {
	m := l.machine
	cmd := &exec.Cmd{Path: l.args[0], Args: l.args, ExtraFiles: l.files, Stderr: &m.stderr,
		SysProcAttr: &unix.SysProcAttr{Pdeathsig: unix.SIGKILL}}
	started := make(chan error)
	go func() {
		// The kernel kills QEMU with the thread that started it: this one, which
		// is kept for as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(m.exited)
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	m.cmd = cmd
	return nil
}

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
	"golang.org/x/sys/unix"
)

// runCommand runs setup.Command with its input and output on conn, and returns
// its exit status once all of its output has been sent. The error says why it
// could not be started; code is then the status that stands for that.
func runCommand(setup guest.Setup, conn *guest.Conn) (code byte, err error) {
	path, code, err := find(setup)
	if err != nil {
		return code, err
	}
	open := pipes
	if setup.Terminal != nil {
		open = func() (stdio, error) { return terminal(*setup.Terminal) }
	}
	std, err := open()
	if err != nil {
		return guest.StatusFailed, err
	}
	if err := conn.Send(guest.Ready, nil); err != nil {
		return guest.StatusFailed, err
	}
	process, err := os.StartProcess(path, setup.Command, &os.ProcAttr{
		Env:   setup.Env,
		Files: std.theirs[:],
		Sys: &syscall.SysProcAttr{
			Setsid:  true, // a group of its own, for signals
			Setctty: setup.Terminal != nil,
		},
	})
	for _, f := range std.theirs {
		f.Close()
	}
	if err != nil {
		return guest.StatusNotExecutable, fmt.Errorf("run %s: %w", path, unwrapPath(err))
	}

	var output sync.WaitGroup
	output.Go(func() { _, _ = io.Copy(conn.Writer(guest.Stdout), std.out) })
	if std.err != nil {
		output.Go(func() { _, _ = io.Copy(conn.Writer(guest.Stderr), std.err) })
	}
	go receive(conn, std, process.Pid)

	code = reap(process.Pid)
	// The machine ends with its command. What that left running would keep the
	// pipes open, and be cut off at a chance moment; now it is cut off here, and
	// all that was written arrives.
	_ = unix.Kill(-1, unix.SIGKILL)
	output.Wait()
	return code, nil
}

// find looks the command up as a shell would, from the directory and with the
// PATH of setup.
func find(setup guest.Setup) (path string, code byte, err error) {
	if err := os.Chdir(setup.Dir); err != nil {
		return "", guest.StatusFailed, err
	}
	for _, v := range setup.Env {
		if path, ok := strings.CutPrefix(v, "PATH="); ok {
			os.Setenv("PATH", path)
		}
	}
	name := setup.Command[0]
	path, err = exec.LookPath(name)
	switch {
	case err == nil:
		return path, 0, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", guest.StatusNotFound, fmt.Errorf("run %s: command not found", name)
	default:
		return "", guest.StatusNotExecutable, fmt.Errorf("run %s: %w", name, unwrapPath(err))
	}
}

// unwrapPath drops the operation and the path, which the caller names better.
func unwrapPath(err error) error {
	var execErr *exec.Error
	if errors.As(err, &execErr) {
		err = execErr.Err
	}
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return err
}

// A stdio is a command's input and output.
type stdio struct {
	theirs   [3]*os.File
	in       io.WriteCloser // our end of each
	out, err *os.File       // no err, for a terminal has but one output
}

func pipes() (s stdio, err error) {
	var in *os.File
	for _, p := range []struct{ read, write **os.File }{
		{&s.theirs[0], &in}, {&s.out, &s.theirs[1]}, {&s.err, &s.theirs[2]},
	} {
		if *p.read, *p.write, err = os.Pipe(); err != nil {
			return s, err
		}
	}
	s.in = in
	return s, nil
}

func terminal(size guest.Size) (s stdio, err error) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		return s, err
	}
	fd := int(master.Fd())
	number, err := unix.IoctlGetUint32(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = resize(master, size)
	}
	if err != nil {
		return s, fmt.Errorf("make a terminal: %w", err)
	}
	for i := range s.theirs {
		s.theirs[i], err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			return s, err
		}
	}
	s.in, s.out = keyboard{master}, master
	return s, nil
}

// A keyboard is the input of a terminal, whose end is a key.
type keyboard struct{ *os.File }

func (k keyboard) Close() error {
	const ctrlD = 4
	_, err := k.Write([]byte{ctrlD})
	return err
}

func resize(terminal *os.File, size guest.Size) error {
	return unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: size.Rows, Col: size.Columns})
}

// receive hands the command its signals, and its input as fast as it reads.
func receive(conn *guest.Conn, std stdio, pid int) {
	input := make(chan []byte, 1) // one was asked for, one comes: it never blocks
	go func() {
		for conn.Send(guest.Want, nil) == nil {
			p := <-input
			if len(p) == 0 {
				std.in.Close()
				return
			}
			if _, err := std.in.Write(p); err != nil {
				return // the command has closed its input
			}
		}
	}()
	for {
		kind, payload, err := conn.Receive()
		switch {
		case err != nil:
			return
		case kind == guest.Stdin:
			input <- payload
		case kind == guest.Signal:
			_ = unix.Kill(-pid, unix.Signal(payload[0]))
		case kind == guest.Resize:
			_ = resize(std.out, guest.SizeOf(payload))
		}
	}
}

// reap waits for every process whose parent this one is, by birth or by
// inheritance, until it is the turn of pid, and returns its exit status.
func reap(pid int) byte {
	for {
		var status unix.WaitStatus
		got, err := unix.Wait4(-1, &status, 0, nil)
		if err != nil || got != pid {
			continue // EINTR, or an orphan
		}
		if status.Signaled() {
			return guest.StatusSignal + byte(status.Signal())
		}
		return byte(status.ExitStatus())
	}
}

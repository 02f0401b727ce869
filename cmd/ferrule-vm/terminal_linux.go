package main

import (
	"fmt"
	"os"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
	"golang.org/x/sys/unix"
)

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func terminalSize(f *os.File) (guest.Size, error) {
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return guest.Size{}, fmt.Errorf("ask terminal %s for its size: %w", f.Name(), err)
	}
	return guest.Size{Rows: w.Row, Columns: w.Col}, nil
}

// makeRaw has the terminal pass every key and every byte as it is: the guest's
// terminal is the one that echoes, edits lines and makes an interrupt of Ctrl-C.
func makeRaw(f *os.File) (restore func(), err error) {
	saved, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return nil, fmt.Errorf("ask terminal %s for its mode: %w", f.Name(), err)
	}
	raw := *saved
	raw.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	raw.Oflag &^= unix.OPOST
	raw.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	raw.Cflag = raw.Cflag&^(unix.CSIZE|unix.PARENB) | unix.CS8
	raw.Cc[unix.VMIN], raw.Cc[unix.VTIME] = 1, 0
	set := func(t *unix.Termios) error { return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETSW, t) }
	if err := set(&raw); err != nil {
		return nil, fmt.Errorf("set the mode of terminal %s: %w", f.Name(), err)
	}
	return func() { _ = set(saved) }, nil
}

// resize tells the guest the size of the terminal.
func (m *machine) resize(terminal *os.File) {
	if terminal == nil {
		return
	}
	if size, err := terminalSize(terminal); err == nil {
		_ = m.conn.Send(guest.Resize, size.Bytes())
	}
}

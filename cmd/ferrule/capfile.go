package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
)

// A chunk is a piece of a capture file: whole blocks of pcapng.
type chunk struct {
	data  []byte
	begin bool // it begins a new file
}

const (
	chunkSize = 256 << 10
	chunks    = 64 // so many wait for a disk that is slow for a moment

	enhancedPacket = 6 // the type of a block that holds a packet
)

// Write appends to the chunk. It never fails.
func (c *chunk) Write(p []byte) (int, error) {
	c.data = append(c.data, p...)
	return len(p), nil
}

// A captureFiles writes chunks to files, in a goroutine of its own: the one that
// receives goes on while a disk is busy.
type captureFiles struct {
	name   string // "-" is standard output
	rotate bool   // files are numbered
	keep   int    // so many files; 0 means all

	full  chan *chunk
	empty chan *chunk
	ended chan struct{}

	// Of the goroutine that writes, until ended is closed.
	stdout io.Writer
	file   captureFile
	names  []string // of the files that exist
	number int
	err    error

	failed  chan struct{} // closed with the first error
	packets counter       // written, whole
	bytes   counter
	gone    atomic.Bool // whoever read standard output no longer does
}

// A captureFile is what is asked of an os.File.
type captureFile interface {
	io.WriteCloser
	Truncate(size int64) error
}

// newCaptureFiles creates the first file, so that what cannot be written to is
// known before the first packet.
func newCaptureFiles(name string, rotate bool, keep int, stdout io.Writer) (*captureFiles, error) {
	f := &captureFiles{
		name: name, rotate: rotate, keep: keep, stdout: stdout,
		full:   make(chan *chunk, chunks),
		empty:  make(chan *chunk, chunks),
		ended:  make(chan struct{}),
		failed: make(chan struct{}),
	}
	for range chunks {
		f.empty <- new(chunk)
	}
	if err := f.next(); err != nil {
		return nil, err
	}
	go f.run()
	return f, nil
}

// finish writes what is left and closes the last file. It returns the first
// error that there was.
func (f *captureFiles) finish() error {
	close(f.full)
	<-f.ended
	return f.err
}

func (f *captureFiles) run() {
	defer close(f.ended)
	fresh := true // the first file is there already
	for c := range f.full {
		if c.begin && !fresh && f.err == nil {
			f.fail(f.next())
		}
		fresh = false
		if f.err == nil {
			f.write(c.data)
		}
		c.data, c.begin = c.data[:0], false
		f.empty <- c
	}
	if f.file != nil {
		f.fail(f.file.Close())
	}
}

// fail keeps the first error, and says that there is one.
func (f *captureFiles) fail(err error) {
	if err == nil || f.err != nil {
		return
	}
	f.err = err
	close(f.failed)
}

// next closes a file and creates another. Of those that are too many, the oldest
// goes.
func (f *captureFiles) next() error {
	if f.file != nil {
		err := f.file.Close()
		f.file = nil
		if err != nil {
			return fmt.Errorf("capture: %w", err)
		}
	}
	if f.name == "-" {
		f.file = pipe{f.stdout}
		return nil
	}
	f.number++
	name := f.name
	if f.rotate {
		ext := filepath.Ext(name)
		name = fmt.Sprintf("%s-%05d%s", strings.TrimSuffix(name, ext), f.number, ext)
	}
	file, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	f.file = file
	f.names = append(f.names, name)
	if f.keep > 0 && len(f.names) > f.keep {
		err := os.Remove(f.names[0])
		f.names = f.names[1:]
		if err != nil && !errors.Is(err, os.ErrNotExist) { // somebody may have taken it away
			return fmt.Errorf("capture: make room for %s: %w", name, err)
		}
	}
	return nil
}

// write writes blocks. If there is room for some only, the file ends with the
// last that is whole.
func (f *captureFiles) write(data []byte) {
	n, err := f.file.Write(data)
	whole, packets := wholeBlocks(data[:n])
	f.packets.add(uint64(packets))
	f.bytes.add(uint64(whole))
	if err == nil {
		return
	}
	if isBrokenPipe(err) {
		f.gone.Store(true)
	}
	told := fmt.Sprintf("the %s packets written before are whole", grouped(f.packets.load()))
	if n > whole {
		if cut := f.cut(int64(n - whole)); cut != nil {
			told += fmt.Sprintf(", but for a piece at the end: %v", cut)
		}
	}
	f.fail(fmt.Errorf("capture: %w (%s)", err, told))
}

// cut takes the last n bytes off the file.
func (f *captureFiles) cut(n int64) error {
	seeker, ok := f.file.(io.Seeker)
	if !ok {
		return errors.New("standard output cannot be cut")
	}
	end, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	return f.file.Truncate(end - n)
}

// wholeBlocks returns how many bytes of data are whole blocks, and how many of
// those hold packets.
func wholeBlocks(data []byte) (whole, packets int) {
	const header = 8
	for len(data)-whole >= header {
		kind, length := binary.LittleEndian.Uint32(data[whole:]), int(binary.LittleEndian.Uint32(data[whole+4:]))
		if length > len(data)-whole {
			break
		}
		whole += length
		if kind == enhancedPacket {
			packets++
		}
	}
	return whole, packets
}

// A pipe is standard output, which is not ours to close.
type pipe struct{ io.Writer }

func (pipe) Close() error         { return nil }
func (pipe) Truncate(int64) error { return errors.New("standard output cannot be cut") }

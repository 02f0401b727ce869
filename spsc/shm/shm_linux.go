package shm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ferrule-go/ferrule/spinlock"
)

var (
	// ErrClosed is returned by Push if the consumer has closed, and by Pop if the
	// producer has and the ring is empty.
	ErrClosed = errors.New("shm: ring is closed")

	// ErrGone is returned instead if the other side ended without closing.
	ErrGone = errors.New("shm: the other side is gone")

	// ErrCorrupt is returned from the moment on at which the other side was seen to
	// write what cannot be.
	ErrCorrupt = errors.New("shm: the other side broke the ring")
)

const (
	pageSize   = 4096
	headerSize = 8
	skipped    = 1 << 63 // this header is no record's: go on at the beginning

	// patience is how long a sleeper does not ask whether the other side lives.
	patience = 100 * time.Millisecond
)

var magic = [8]byte{'f', 'e', 'r', 'r', 'u', 'l', 'e', 1}

// The byte of the memfd that a role locks.
const (
	producer = iota
	consumer
)

// A Ring is a FIFO of records in memory that two processes share, and the two eventfds
// to wait on. One process makes it with Create and hands Files to the other, which
// calls Open. Each then takes its role.
//
// Progress. TryPush and TryPop are wait-free; they enter the kernel only to wake the
// other side when that sleeps. Push and Pop wait as spinlock.Backoff does, and then
// park: asleep, they look ten times a second whether the other side still lives.
//
// Order. A push synchronizes before the pop that returns its record, and a pop before
// the push that next uses its room: by sync/atomic, which the processor holds to
// between processes as within one.
//
// Ownership. Records are copied, in and out: what was pushed stays the caller's, and
// so is what was popped. A Ring, a Producer and a Consumer are each for one goroutine
// at a time.
//
// Layout. That of the package comment. What one side writes is 128 bytes away from
// what the other does.
type Ring struct {
	files  [3]*os.File // the memfd; what the producer waits on; what the consumer does
	memory []byte
}

// Create makes a ring with an array of size bytes, which must be a power of two and
// 32 at least; it panics if it is not.
func Create(size int) (*Ring, error) {
	if size < 32 || bits.OnesCount(uint(size)) != 1 {
		panic(fmt.Sprintf("shm: size %d is not a power of two from 32 on", size))
	}
	r := new(Ring)
	fd, err := unix.MemfdCreate("ferrule", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("shm: create memfd: %w", err)
	}
	r.files[0] = os.NewFile(uintptr(fd), "memfd:ferrule")
	for i := range r.files[1:] {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			r.Close()
			return nil, fmt.Errorf("shm: create eventfd: %w", err)
		}
		r.files[1+i] = os.NewFile(uintptr(fd), "eventfd")
	}
	if err := r.fill(size); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// fill gives the memfd its size, for good, and its first page.
func (r *Ring) fill(size int) error {
	if err := r.files[0].Truncate(int64(pageSize + size)); err != nil {
		return fmt.Errorf("shm: make %d bytes: %w", pageSize+size, err)
	}
	if _, err := unix.FcntlInt(r.files[0].Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return fmt.Errorf("shm: seal memfd: %w", err)
	}
	if err := r.mapMemory(pageSize + size); err != nil {
		return err
	}
	p := pageOf(r.memory)
	p.magic, p.size = magic, uint64(size)
	return nil
}

const seals = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

func (r *Ring) mapMemory(size int) (err error) {
	r.memory, err = unix.Mmap(int(r.files[0].Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("shm: map %d bytes: %w", size, err)
	}
	return nil
}

// Files returns what the other process needs, in the order that Open wants: for
// exec.Cmd.ExtraFiles, or to be sent over a socket. They belong to the Ring.
func (r *Ring) Files() []*os.File { return r.files[:] }

// Open returns the ring of files that another process made, and takes possession of
// them.
func Open(files []*os.File) (*Ring, error) {
	if len(files) != 3 {
		return nil, fmt.Errorf("shm: open ring: %d files, want 3", len(files))
	}
	r := &Ring{files: [3]*os.File(files)}
	if err := r.check(); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// check maps the memory if it is what it should be.
func (r *Ring) check() error {
	info, err := r.files[0].Stat()
	if err != nil {
		return fmt.Errorf("shm: open ring: %w", err)
	}
	size := info.Size() - pageSize
	if size < 32 || size > 1<<40 || bits.OnesCount64(uint64(size)) != 1 {
		return fmt.Errorf("shm: open ring: array of %d bytes: %w", size, ErrCorrupt)
	}
	has, err := unix.FcntlInt(r.files[0].Fd(), unix.F_GET_SEALS, 0)
	if err != nil || has&unix.F_SEAL_SHRINK == 0 {
		return fmt.Errorf("shm: open ring: memory may shrink: %w", ErrCorrupt)
	}
	if err := r.mapMemory(int(info.Size())); err != nil {
		return err
	}
	if p := pageOf(r.memory); p.magic != magic || p.size != uint64(size) {
		return fmt.Errorf("shm: open ring: no ring is in the memory: %w", ErrCorrupt)
	}
	return nil
}

// Close gives up the memory and the files. Close the Producer or the Consumer first.
func (r *Ring) Close() error {
	var errs []error
	if r.memory != nil {
		errs = append(errs, unix.Munmap(r.memory))
		r.memory = nil
	}
	for i, f := range r.files {
		if f != nil {
			errs = append(errs, f.Close())
			r.files[i] = nil
		}
	}
	return errors.Join(errs...)
}

// A role is one side of the ring.
type role struct {
	data       []byte
	ours, peer *side
	own        uint64   // our counter: the page's is for the other side alone
	lock       *os.File // a file description of our own, which holds our lock
	wait       *os.File // an epoll of our own, of our eventfd
	tell       *os.File // the other's eventfd
	them       int      // which byte the other side locks
	err        error    // why nothing goes any more
}

// take locks the byte of a role and reads where its last holder came to.
func (r *Ring) take(which int) (role, error) {
	p := pageOf(r.memory)
	o := role{data: r.memory[pageSize:], ours: &p.prod, peer: &p.cons, tell: r.files[2], them: consumer}
	event := r.files[1]
	if which == consumer {
		o.ours, o.peer, o.tell, event, o.them = o.peer, o.ours, event, o.tell, producer
	}
	lock, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(int(r.files[0].Fd())), os.O_RDWR, 0)
	if err != nil {
		return o, fmt.Errorf("shm: take role: %w", err)
	}
	err = unix.FcntlFlock(lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: int64(which), Len: 1})
	if err != nil {
		lock.Close()
		return o, fmt.Errorf("shm: take role: held by another: %w", err)
	}
	if o.wait, err = epoll(event); err != nil {
		lock.Close()
		return o, fmt.Errorf("shm: take role: %w", err)
	}
	o.lock, o.own = lock, o.ours.counter.Load()
	if o.own%8 != 0 {
		o.err = ErrCorrupt
	}
	o.ours.joined.Store(1)
	return o, nil
}

// epoll returns a file that is readable after each write to event. The eventfd
// itself is never read: whether that would block is a flag that the other process
// can change, and so is what there is to read.
func epoll(event *os.File) (*os.File, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, err
	}
	err = unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, int(event.Fd()), &unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET})
	if err == nil {
		err = unix.SetNonblock(fd, true) // so that the Go scheduler waits for it
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return os.NewFile(uintptr(fd), "epoll"), nil
}

// sleep returns when our eventfd is written to, or the deadline is over.
func (o *role) sleep() {
	conn, err := o.wait.SyscallConn()
	if err != nil {
		return
	}
	conn.Read(func(fd uintptr) bool {
		n, err := unix.EpollWait(int(fd), make([]unix.EpollEvent, 1), 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// gone reports whether the other side was there and is no more.
func (o *role) gone() bool {
	probe := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(o.them), Len: 1}
	err := unix.FcntlFlock(o.lock.Fd(), unix.F_OFD_GETLK, &probe)
	return err == nil && probe.Type == unix.F_UNLCK && o.peer.joined.Load() != 0
}

// move publishes our counter and wakes the other side if it sleeps.
func (o *role) move(to uint64) {
	o.own = to
	o.ours.counter.Store(to) // a full barrier before the load, in either process
	o.wake()
}

func (o *role) wake() {
	if o.peer.asleep.Load() != 0 {
		o.peer.asleep.Store(0)
		// Nobody but who wants us to block can have filled it.
		room := []unix.PollFd{{Fd: int32(o.tell.Fd()), Events: unix.POLLOUT}}
		if n, err := unix.Poll(room, 0); n == 1 && err == nil {
			o.tell.Write(binary.NativeEndian.AppendUint64(nil, 1))
		}
	}
}

// await calls look until it reports that there is an end to the wait.
func (o *role) await(ctx context.Context, look func() (bool, error)) error {
	stop := context.AfterFunc(ctx, func() { o.wait.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	var soon spinlock.Backoff
	for {
		// A peer that is gone has done what it will: look after, not before.
		gone := soon.Spent() && o.gone()
		if ok, err := look(); ok || err != nil {
			return err
		}
		if gone {
			return ErrGone
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !soon.Spent() {
			soon.Wait()
			continue
		}
		o.ours.asleep.Store(1) // a full barrier before look
		if ok, err := look(); ok || err != nil {
			o.ours.asleep.Store(0)
			return err
		}
		o.wait.SetReadDeadline(time.Now().Add(patience))
		if ctx.Err() == nil { // or its deadline was just overwritten
			o.sleep()
		}
		o.ours.asleep.Store(0)
	}
}

// close says that we will do no more, and wakes the other side.
func (o *role) close() error {
	if o.lock == nil {
		return nil
	}
	o.ours.closed.Store(1)
	o.wake()
	err := errors.Join(o.lock.Close(), o.wait.Close())
	o.lock = nil
	return err
}

// span is how many bytes a record of n takes.
func span(n int) uint64 { return headerSize + (uint64(n)+7)&^7 }

// left returns how many bytes there are from number n to the end of the array.
func (o *role) left(n uint64) uint64 { return uint64(len(o.data)) - n&uint64(len(o.data)-1) }

// A Producer pushes records; see Ring. Records are at most Max bytes long, so that
// there is room for one wherever the last one ended.
type Producer struct{ role }

// Producer takes the producer's role, for this process, until Close. It fails while
// another has it.
func (r *Ring) Producer() (*Producer, error) {
	o, err := r.take(producer)
	if err != nil {
		return nil, err
	}
	return &Producer{o}, nil
}

// Max returns the size of the largest record.
func (p *Producer) Max() int { return len(p.data)/2 - headerSize }

// TryPush appends a copy of record and reports whether there was room. It panics if
// the record is larger than Max. Whether somebody comes for it, it does not ask: Push
// does.
func (p *Producer) TryPush(record []byte) (bool, error) {
	if len(record) > p.Max() {
		panic(fmt.Sprintf("shm: record of %d bytes, of which the most is %d", len(record), p.Max()))
	}
	if p.err != nil {
		return false, p.err
	}
	size := uint64(len(p.data))
	head := p.peer.counter.Load() // once
	if p.own-head > size || head%8 != 0 {
		p.err = ErrCorrupt
		return false, p.err
	}
	start := p.own
	if left := p.left(start); span(len(record)) > left {
		start += left
	}
	end := start + span(len(record))
	if end-head > size {
		return false, nil
	}
	if start != p.own {
		headerAt(p.data, p.own&(size-1)).Store(skipped)
	}
	headerAt(p.data, start&(size-1)).Store(uint64(len(record)))
	copy(p.data[start&(size-1)+headerSize:], record)
	p.move(end)
	return true, nil
}

// Push appends a copy of record, and waits for room as long as the context allows. It
// returns ErrClosed, ErrGone, ErrCorrupt or the context's error; then the record has
// not been appended.
func (p *Producer) Push(ctx context.Context, record []byte) error {
	return p.await(ctx, func() (bool, error) {
		closed := p.peer.closed.Load() != 0
		if closed {
			return false, ErrClosed
		}
		return p.TryPush(record)
	})
}

// Close says that nothing more will come, and lets go of the role. What was pushed can
// still be popped.
func (p *Producer) Close() error { return p.close() }

// A Consumer pops records; see Ring.
type Consumer struct{ role }

// Consumer takes the consumer's role, for this process, until Close. It fails while
// another has it.
func (r *Ring) Consumer() (*Consumer, error) {
	o, err := r.take(consumer)
	if err != nil {
		return nil, err
	}
	return &Consumer{o}, nil
}

// TryPop removes the oldest record and returns a copy of it, in buf if that is large
// enough; ok is false if there is none. Whether more will come, it does not ask: Pop
// does.
func (c *Consumer) TryPop(buf []byte) (record []byte, ok bool, err error) {
	if c.err != nil {
		return nil, false, c.err
	}
	size := uint64(len(c.data))
	tail := c.peer.counter.Load() // once
	held := tail - c.own
	if held > size || tail%8 != 0 {
		return nil, false, c.corrupt()
	}
	if held == 0 {
		return nil, false, nil
	}
	at := c.own
	header := headerAt(c.data, at&(size-1)).Load() // once
	if header == skipped {
		if held <= c.left(at) { // and a record has to follow
			return nil, false, c.corrupt()
		}
		held -= c.left(at)
		at += c.left(at)
		header = headerAt(c.data, at&(size-1)).Load() // once
	}
	if header > size || span(int(header)) > min(held, c.left(at)) {
		return nil, false, c.corrupt()
	}
	from := at&(size-1) + headerSize
	record = append(buf[:0], c.data[from:from+header]...)
	c.move(at + span(int(header)))
	return record, true, nil
}

func (c *Consumer) corrupt() error {
	c.err = ErrCorrupt
	return c.err
}

// Pop removes the oldest record and returns a copy of it, in buf if that is large
// enough, and waits for one as long as the context allows. It returns ErrClosed or
// ErrGone once there is none left, ErrCorrupt, or the context's error.
func (c *Consumer) Pop(ctx context.Context, buf []byte) (record []byte, err error) {
	err = c.await(ctx, func() (ok bool, err error) {
		closed := c.peer.closed.Load() != 0 // before the look: nothing comes after it
		if record, ok, err = c.TryPop(buf); !ok && err == nil && closed {
			err = ErrClosed
		}
		return ok, err
	})
	return record, err
}

// Close says that nothing more will be taken, and lets go of the role.
func (c *Consumer) Close() error { return c.close() }

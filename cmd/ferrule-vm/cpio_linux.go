package main

import (
	"bytes"
	"fmt"
)

// A cpio is an archive in the format that the kernel unpacks as its initial
// file system: "newc", of Linux's Documentation/driver-api/early-userspace/
// buffer-format.rst. Each member is a header of thirteen hexadecimal numbers,
// the name with a zero byte, and the data, the last two padded to four bytes.
type cpio struct {
	buf   bytes.Buffer
	inode uint32
}

// The types of a member, as in st_mode.
const (
	cpioDir  = 0o040000
	cpioFile = 0o100000
)

func (c *cpio) dir(name string) {
	c.member(name, cpioDir|0o755, nil)
}

func (c *cpio) file(name string, perm uint32, data []byte) {
	c.member(name, cpioFile|perm, data)
}

// bytes ends the archive and returns it.
func (c *cpio) bytes() []byte {
	c.member("TRAILER!!!", 0, nil)
	return c.buf.Bytes()
}

func (c *cpio) member(name string, mode uint32, data []byte) {
	c.inode++
	c.buf.WriteString("070701")
	for _, field := range []uint32{
		c.inode, mode, 0, 0, // inode, mode, uid, gid
		1, 0, uint32(len(data)), // links, time, length
		0, 0, 0, 0, // the device it is on, the device it is
		uint32(len(name) + 1), 0, // length of the name, checksum: none
	} {
		fmt.Fprintf(&c.buf, "%08x", field)
	}
	c.buf.WriteString(name)
	c.buf.WriteByte(0)
	c.pad()
	c.buf.Write(data)
	c.pad()
}

func (c *cpio) pad() {
	for c.buf.Len()%4 != 0 {
		c.buf.WriteByte(0)
	}
}

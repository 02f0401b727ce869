package main

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestCpioReadsBack reads an archive as the kernel does: by the two lengths in
// each header, with everything on a multiple of four bytes.
func TestCpioReadsBack(t *testing.T) {
	var c cpio
	c.dir("bin")
	c.file("bin/odd", 0o755, []byte("12345"))
	c.file("empty", 0o644, nil)
	c.file("even", 0o600, []byte("1234"))
	archive := c.bytes()
	require.Zero(t, len(archive)%4)

	field := func(header []byte, i int) int {
		n, err := strconv.ParseUint(string(header[6+8*i:14+8*i]), 16, 32)
		require.NoError(t, err)
		return int(n)
	}
	up4 := func(n int) int { return (n + 3) &^ 3 }
	type member struct {
		name string
		mode int
		data string
	}
	var got []member
	inodes := map[int]bool{}
	at := 0
	for {
		header := archive[at : at+110]
		require.Equal(t, "070701", string(header[:6]))
		size, nameSize := field(header, 6), field(header, 11)
		name := string(archive[at+110 : at+110+nameSize])
		require.Equal(t, byte(0), name[nameSize-1])
		data := up4(at + 110 + nameSize)
		at = up4(data + size)
		if name == "TRAILER!!!\x00" {
			break
		}
		require.False(t, inodes[field(header, 0)], "inode twice would be a hard link")
		inodes[field(header, 0)] = true
		require.Equal(t, 1, field(header, 4), "links")
		got = append(got, member{name[:nameSize-1], field(header, 1), string(archive[data : data+size])})
	}
	require.Len(t, archive, at)
	require.Equal(t, []member{
		{"bin", 0o040755, ""},
		{"bin/odd", 0o100755, "12345"},
		{"empty", 0o100644, ""},
		{"even", 0o100600, "1234"},
	}, got)
}

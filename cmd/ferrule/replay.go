package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// A recording is the frames of a capture file, over and over again. They are
// held in memory, since a disk is too slow.
type recording struct {
	frames  [][]byte
	at      []time.Duration // when each came, counted from the first; rising
	cut     int             // frames of which the file holds a part only
	longest int
}

// openRecording reads a file of pcap or pcapng.
func openRecording(name string) (*recording, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("generate: --pcap: %w", err)
	}
	defer file.Close()
	r, err := readRecording(file)
	if err != nil {
		return nil, fmt.Errorf("generate: --pcap %s: %w", name, err)
	}
	return r, nil
}

// A packetReader is either format's reader.
type packetReader interface {
	gopacket.PacketDataSource
	LinkType() layers.LinkType
}

func newPacketReader(in io.Reader) (packetReader, error) {
	buffered := bufio.NewReader(in)
	magic, err := buffered.Peek(4)
	if err != nil {
		return nil, errors.New("not a capture file: it is shorter than 4 bytes")
	}
	if string(magic) == "\x0a\x0d\x0d\x0a" {
		return pcapgo.NewNgReader(buffered, pcapgo.DefaultNgReaderOptions)
	}
	return pcapgo.NewReader(buffered)
}

func readRecording(in io.Reader) (*recording, error) {
	reader, err := newPacketReader(in)
	if err != nil {
		return nil, err
	}
	if link := reader.LinkType(); link != layers.LinkTypeEthernet {
		return nil, fmt.Errorf("its packets are of link type %s, want Ethernet", link)
	}
	r := new(recording)
	var first time.Time
	for {
		frame, info, err := reader.ReadPacketData()
		if err == io.EOF {
			break
		}
		number := len(r.frames) + 1
		switch {
		case err != nil:
			return nil, fmt.Errorf("packet %d: %w", number, err)
		case len(frame) == 0 || len(frame) > generateMax:
			return nil, fmt.Errorf("packet %d has %d bytes, want 1 to %d", number, len(frame), generateMax)
		case len(frame) < info.Length:
			r.cut++
		}
		if number == 1 {
			first = info.Timestamp
		}
		at := info.Timestamp.Sub(first)
		if number > 1 {
			at = max(at, r.at[number-2])
		}
		r.frames, r.at = append(r.frames, frame), append(r.at, at)
		r.longest = max(r.longest, len(frame))
	}
	if len(r.frames) == 0 {
		return nil, errors.New("there is no packet in it")
	}
	return r, nil
}

func (r *recording) fill(b *pktbuf.Buf, number uint64) {
	frame := r.frames[number%uint64(len(r.frames))]
	copy(b.Append(len(frame)), frame)
}

func (r *recording) stamp([]*pktbuf.Buf, time.Duration) {}

// pace is that of the recording. A round begins when the last frame of the one
// before is due.
func (r *recording) pace() pace {
	length, count := r.at[len(r.at)-1], uint64(len(r.at))
	if length == 0 {
		return asFastAsPossible
	}
	return func(elapsed time.Duration) uint64 {
		round, within := uint64(elapsed/length), elapsed%length
		due := sort.Search(len(r.at), func(i int) bool { return r.at[i] > within })
		return round*count + uint64(due)
	}
}

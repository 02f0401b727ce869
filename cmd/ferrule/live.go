package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// A sample is how far a run has come.
type sample struct {
	elapsed        time.Duration
	busy           time.Duration // of the workers together
	packets, bytes uint64        // sent
	dropped        uint64
}

// since returns what came after an earlier sample.
func (s sample) since(earlier sample) sample {
	return sample{
		elapsed: s.elapsed - earlier.elapsed,
		busy:    s.busy - earlier.busy,
		packets: s.packets - earlier.packets,
		bytes:   s.bytes - earlier.bytes,
		dropped: s.dropped - earlier.dropped,
	}
}

func (s sample) packetsPerSecond() float64 { return ratio(float64(s.packets), s.elapsed.Seconds()) }
func (s sample) bitsPerSecond() float64    { return ratio(float64(s.bytes)*8, s.elapsed.Seconds()) }
func (s sample) nsPerPacket() float64      { return ratio(float64(s.busy), float64(s.packets)) }

// ratio is a/b, and 0 where there is nothing to divide by.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// line gives the rates of a second, and of dropped frames the number so far.
// Cycles are left out where the clock is not known.
func (s sample) line(second sample, clockMHz float64) string {
	line := fmt.Sprintf("%4.0f s  %s  %s  %s dropped  %.1f ns", s.elapsed.Seconds(),
		scaled(second.packetsPerSecond(), "pps"), scaled(second.bitsPerSecond(), "bit/s"),
		grouped(s.dropped), second.nsPerPacket())
	if clockMHz > 0 {
		line += fmt.Sprintf("  %.0f cycles", second.nsPerPacket()*clockMHz/1000)
	}
	return line + " a packet"
}

// A liveLine tells how a run goes: on a terminal in one line that is written
// over, elsewhere in a line each time.
type liveLine struct {
	w        io.Writer
	terminal bool
	unended  bool
}

func newLiveLine(f *os.File) *liveLine { return &liveLine{w: f, terminal: isTerminal(f)} }

// liveLineFor goes to stdout, unless only machines read that: then to stderr, if
// a person reads that.
func liveLineFor(stdout, stderr *os.File, machine bool) *liveLine {
	if !machine {
		return newLiveLine(stdout)
	}
	l := newLiveLine(stderr)
	if !l.terminal {
		l.w = io.Discard
	}
	return l
}

func (l *liveLine) show(line string) {
	if !l.terminal {
		fmt.Fprintln(l.w, line)
		return
	}
	fmt.Fprintf(l.w, "\r%s\x1b[K", line)
	l.unended = true
}

// end leaves the last line standing.
func (l *liveLine) end() {
	if l.unended {
		fmt.Fprintln(l.w)
		l.unended = false
	}
}

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ferrule-go/ferrule/pktbuf"
)

// A source makes the frames that are sent, one after the other.
type source interface {
	// fill puts frame number into an empty buffer.
	fill(b *pktbuf.Buf, number uint64)
	// stamp says when frames that fill made are sent, on their way to the card.
	stamp(bufs []*pktbuf.Buf, now time.Duration)
	// pace is when frames are due if that is to be by the source's own clock.
	pace() pace
}

// probeSource makes probes.
type probeSource struct{ *probes }

func (s probeSource) fill(b *pktbuf.Buf, number uint64) { s.write(b.Append(s.size(number)), number) }

func (s probeSource) stamp(bufs []*pktbuf.Buf, now time.Duration) {
	for _, b := range bufs {
		stamp(b.Bytes(), uint64(now))
	}
}

func (s probeSource) pace() pace { return asFastAsPossible }

// A pace says how many frames are due when a run has gone on for so long.
type pace func(elapsed time.Duration) uint64

func asFastAsPossible(time.Duration) uint64 { return 1 << 62 }

// perSecond spaces frames evenly, the first being due at once.
func perSecond(rate float64) pace {
	return func(elapsed time.Duration) uint64 { return uint64(rate*elapsed.Seconds()) + 1 }
}

// A rate is how many frames to send in a second: 0 is as fast as possible.
type rate struct {
	perSecond float64
	recorded  bool // as in the file
}

// Set reads a rate from the command line.
func (r *rate) Set(text string) error {
	*r = rate{}
	switch text {
	case "max":
		return nil
	case "recorded":
		r.recorded = true
		return nil
	}
	v, err := parseScaled(text)
	if err != nil || !(v >= 1 && v <= 1e9) { // NaN is neither
		return errors.New("want frames a second, as 5000, 100k or 1.2M, or max, or with --pcap recorded")
	}
	r.perSecond = v
	return nil
}

// String gives a rate as Set reads it.
func (r *rate) String() string {
	switch {
	case r.recorded:
		return "recorded"
	case r.perSecond == 0:
		return "max"
	case r.perSecond >= 1e6:
		return strconv.FormatFloat(r.perSecond/1e6, 'f', -1, 64) + "M"
	case r.perSecond >= 1e3:
		return strconv.FormatFloat(r.perSecond/1e3, 'f', -1, 64) + "k"
	}
	return strconv.FormatFloat(r.perSecond, 'f', -1, 64)
}

// Type is how help calls it.
func (r *rate) Type() string { return "pps" }

// parseScaled reads a number that may end with k, M or G.
func parseScaled(text string) (float64, error) {
	scale := 1.0
	for suffix, factor := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
		if rest, ok := strings.CutSuffix(text, suffix); ok {
			text, scale = rest, factor
			break
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	return v * scale, err
}

// imix is the usual mix of 64, 594 and 1518 bytes with FCS, seven to four to one,
// the large one between small ones.
var imix = []int{60, 590, 60, 60, 590, 60, 1514, 60, 590, 60, 60, 590}

// A sizeList is the lengths of frames without FCS, which take turns.
type sizeList []int

// Set reads sizes from the command line.
func (s *sizeList) Set(text string) error {
	if text == "imix" {
		*s = imix
		return nil
	}
	*s = nil
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < frameMin || n > generateMax {
			return fmt.Errorf("want bytes without FCS from %d to %d, several with commas, or imix", frameMin, generateMax)
		}
		*s = append(*s, n)
	}
	return nil
}

// String gives sizes as Set reads them.
func (s *sizeList) String() string {
	if slices.Equal(*s, imix) {
		return "imix"
	}
	return strings.Trim(strings.Join(strings.Fields(fmt.Sprint([]int(*s))), ","), "[]")
}

// Type is how help calls it.
func (s *sizeList) Type() string { return "bytes" }

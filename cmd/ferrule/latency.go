package main

import (
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latencies are kept to three digits, up to 10 s.
const (
	longestLatency = int64(10 * time.Second)
	latencyDigits  = 3
)

// Latencies collect how long frames took. One goroutine records; any may ask.
type latencies struct {
	mu     sync.Mutex
	recent *hdrhistogram.Histogram

	gathering sync.Mutex              // guards what follows; before mu
	spare     *hdrhistogram.Histogram // empty
	interval  *hdrhistogram.Histogram // since take was called
	total     *hdrhistogram.Histogram
}

func newLatencies() *latencies {
	fresh := func() *hdrhistogram.Histogram { return hdrhistogram.New(1, longestLatency, latencyDigits) }
	return &latencies{recent: fresh(), spare: fresh(), interval: fresh(), total: fresh()}
}

// record takes the latencies of a burst, in nanoseconds. It never waits for a
// histogram to be read.
func (l *latencies) record(burst []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ns := range burst {
		// It fails for what is out of range, which this is not.
		_ = l.recent.RecordValue(min(max(ns, 0), longestLatency))
	}
}

// take returns what was recorded since the last call.
func (l *latencies) take() latencyReport {
	l.gathering.Lock()
	defer l.gathering.Unlock()
	l.gather()
	defer l.interval.Reset()
	return reportLatency(l.interval)
}

// all returns what was recorded so far.
func (l *latencies) all() latencyReport {
	l.gathering.Lock()
	defer l.gathering.Unlock()
	l.gather()
	return reportLatency(l.total)
}

func (l *latencies) gather() {
	l.mu.Lock()
	taken := l.recent
	l.recent = l.spare
	l.mu.Unlock()
	l.interval.Merge(taken)
	l.total.Merge(taken)
	taken.Reset()
	l.spare = taken
}

// A latencyReport says how long frames took.
type latencyReport struct {
	Samples     int64        `json:"samples"`
	MinNs       int64        `json:"min_ns"`
	MeanNs      float64      `json:"mean_ns"`
	MaxNs       int64        `json:"max_ns"`
	Percentiles []percentile `json:"percentiles"`
	Histogram   []bar        `json:"histogram"` // each bar is twice as wide as the one before
}

// A percentile is the latency that so many of a hundred frames did not exceed.
type percentile struct {
	Percent float64 `json:"percent"`
	Ns      int64   `json:"ns"`
}

// A bar counts latencies of at least FromNs and less than ToNs.
type bar struct {
	FromNs int64 `json:"from_ns"`
	ToNs   int64 `json:"to_ns"`
	Count  int64 `json:"count"`
}

var percents = []float64{50, 90, 99, 99.9, 99.99, 99.999}

func reportLatency(h *hdrhistogram.Histogram) latencyReport {
	r := latencyReport{Samples: h.TotalCount(), Percentiles: []percentile{}, Histogram: []bar{}}
	if r.Samples == 0 {
		return r
	}
	r.MinNs, r.MeanNs, r.MaxNs = h.Min(), h.Mean(), h.Max()
	for i, ns := range h.ValueAtPercentilesSlice(percents) {
		r.Percentiles = append(r.Percentiles, percentile{percents[i], ns})
	}
	for _, b := range h.Distribution() {
		if b.Count > 0 {
			r.addBar(b.From, b.Count)
		}
	}
	return r
}

// addBar adds to the last bar, or to a new one. Latencies come in rising order;
// bars that would be empty in between are there, too.
func (r *latencyReport) addBar(ns, count int64) {
	for {
		if n := len(r.Histogram); n > 0 && ns < r.Histogram[n-1].ToNs {
			r.Histogram[n-1].Count += count
			return
		} else if n > 0 {
			to := r.Histogram[n-1].ToNs
			r.Histogram = append(r.Histogram, bar{to, 2 * to, 0})
			continue
		}
		from := int64(1) << (bits.Len64(uint64(max(ns, 1))) - 1)
		r.Histogram = append(r.Histogram, bar{from, 2 * from, 0})
	}
}

// at returns a percentile of percents; 0 where there are no samples.
func (r *latencyReport) at(percent float64) time.Duration {
	for _, p := range r.Percentiles {
		if p.Percent == percent {
			return time.Duration(p.Ns)
		}
	}
	return 0
}

// write gives percentiles in a line and a histogram below it.
func (r *latencyReport) write(w io.Writer) {
	if r.Samples == 0 {
		fmt.Fprintln(w, "latency: no frame came back")
		return
	}
	var line strings.Builder
	fmt.Fprintf(&line, "latency: min %s", brief(r.MinNs))
	for _, p := range r.Percentiles {
		fmt.Fprintf(&line, "  p%v %s", p.Percent, brief(p.Ns))
	}
	fmt.Fprintf(&line, "  max %s  mean %s  of %s frames", brief(r.MaxNs), brief(int64(r.MeanNs)), grouped(uint64(r.Samples)))
	fmt.Fprintln(w, line.String())

	const width = 50
	most := int64(0)
	for _, b := range r.Histogram {
		most = max(most, b.Count)
	}
	for _, b := range r.Histogram {
		length := int(math.Ceil(width * float64(b.Count) / float64(most)))
		fmt.Fprintf(w, "%9s to %-9s %-*s %s\n", brief(b.FromNs), brief(b.ToNs), width, strings.Repeat("#", length), grouped(uint64(b.Count)))
	}
}

// brief gives nanoseconds with three digits, as 12.3 µs.
func brief(ns int64) string {
	switch v := float64(ns); {
	case v < 999.5:
		return fmt.Sprintf("%d ns", ns)
	case v < 999.5e3:
		return digits3(v/1e3) + " µs"
	case v < 999.5e6:
		return digits3(v/1e6) + " ms"
	default:
		return digits3(v/1e9) + " s"
	}
}

package main

import (
	"fmt"
	"image/color"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// A chart is drawn of some figures of a group, a line for each implementation.
type chart struct {
	name, title, xLabel, yLabel string
	x                           func(name, unit string) (float64, bool) // false: not in this chart
	y                           func(value float64) float64
	ticks                       map[float64]string // of x; its values if nil
}

// charts are those of each group.
var charts = map[string][]chart{
	"spsc": {{"spsc-by-batch", "One producer, one consumer, ring of 1024 words", "words a burst", "million words a second",
		by("ns/op", "batch"), perSecond, nil}},
	"size": {{"spsc-by-size", "One producer, one consumer, one word at a time", "capacity of the ring", "million words a second",
		by("ns/op", "cap"), perSecond, nil}},
	"mpmc": {
		{"mpmc-by-goroutines", "Ring of 1024 words, one word at a time", "goroutines or threads, half of them on each side", "million words a second",
			where("batch", 1, by("ns/op", "producers", "consumers")), perSecond, nil},
		{"mpmc-by-goroutines-batch-32", "Ring of 1024 words, 32 words at a time", "goroutines or threads, half of them on each side", "million words a second",
			where("batch", 32, by("ns/op", "producers", "consumers")), perSecond, nil},
	},
	"roundtrip": {{"roundtrip", "One word to the other processor and back", "percentile", "ns", percentile, same, percentileTicks}},
	"latency": {{"latency", "From when a frame is due at one card until it leaves the other, 100,000 a second", "percentile", "ns",
		percentile, same, percentileTicks}},
	"lock": {
		{"lock-throughput", "Sections of one addition", "goroutines or threads", "million sections a second", by("ns/op", "contenders"), perSecond, nil},
		{"lock-fairness", "Sections of one addition, over a second", "goroutines or threads", "most sections of one, divided by the least",
			by("max/min", "contenders"), same, nil},
	},
	"read": {{"read", "Sections in which a pointer is followed", "readers", "million sections a second", by("ns/op", "readers"), perSecond, nil}},
	"pool": {{"pool-by-batch", "Buffers got and put by one goroutine", "buffers a batch", "million buffers a second",
		where("goroutines", 1, by("ns/op", "batch")), perSecond, nil}},
	"packet": {{"packet-by-burst", "64-byte frames received and sent on, without the card's own work", "frames a burst", "million frames a second",
		by("ns/op", "burst"), perSecond, nil}},
	"transfers": {
		{"transfers-lock", "Locks that all processors want, simulated", "processors", "remote references a section",
			of("Lock", by("refs/op", "processors")), orNone, nil},
		{"transfers-read", "Readers that nobody writes for, simulated", "processors", "remote references a reading; 0.01 is none",
			of("Read", by("refs/op", "processors")), orNone, nil},
		{"transfers-update", "Readers, and a processor that writes for every ten readings of another, simulated", "processors", "remote references a reading",
			of("Update", by("refs/op", "processors")), orNone, nil},
		{"transfers-spsc", "One producer, one consumer, simulated", "capacity of the ring, in words", "remote references a word",
			of("SPSC", by("refs/op", "cap")), orNone, nil},
		{"transfers-mpmc", "Ring of 1024 words, half of the processors on each side, simulated", "processors", "remote references a word",
			of("MPMC", by("refs/op", "processors")), orNone, nil},
	},
}

// by takes a unit, and for x the sum of parameters.
func by(unit string, keys ...string) func(name, u string) (float64, bool) {
	return func(name, u string) (float64, bool) {
		x := 0
		for _, k := range keys {
			x += parameter(name, k)
		}
		return float64(x), u == unit
	}
}

// where keeps what has a parameter of some value.
func where(key string, value int, x func(name, unit string) (float64, bool)) func(name, unit string) (float64, bool) {
	return func(name, unit string) (float64, bool) {
		at, ok := x(name, unit)
		return at, ok && parameter(name, key) == value
	}
}

// of keeps the cases of one name.
func of(first string, x func(name, unit string) (float64, bool)) func(name, unit string) (float64, bool) {
	return func(name, unit string) (float64, bool) {
		at, ok := x(name, unit)
		return at, ok && strings.HasPrefix(name, first+"/")
	}
}

var percentileTicks = map[float64]string{1: "50", 2: "90", 4: "99", 8: "99.9", 16: "99.99", 32: "most"}

func percentile(_, unit string) (float64, bool) {
	for x, label := range percentileTicks {
		if unit == "p"+label+"-ns" || unit == "max-ns" && label == "most" {
			return x, true
		}
	}
	return 0, false
}

func perSecond(ns float64) float64 { return 1e3 / ns }
func same(v float64) float64       { return v }
func orNone(v float64) float64     { return max(v, 0.01) }

// boundUnit is of what theory says of the figure beside it, which has boundedUnit.
const boundUnit, boundedUnit = "bound/op", "refs/op"

// A line is what one implementation has in a chart: medians, and for ours also
// the least and the most.
type line struct {
	plotter.XYs
	plotter.YErrors
}

func (c chart) line(r *results, impl string) (l line) { return c.lineOf(r, impl, c.x) }

// bound is the line that theory has beside an implementation's.
func (c chart) bound(r *results, impl string) plotter.XYs {
	return c.lineOf(r, impl, func(name, unit string) (float64, bool) {
		x, ok := c.x(name, boundedUnit)
		return x, ok && unit == boundUnit
	}).XYs
}

func (c chart) lineOf(r *results, impl string, at func(name, unit string) (float64, bool)) (l line) {
	type point struct {
		x float64
		spread
	}
	var points []point
	for _, name := range r.cases {
		for _, unit := range r.units[name] {
			x, ok := at(name, unit)
			values := slices.Clone(r.values[figure{impl, name, unit}])
			if !ok || len(values) == 0 {
				continue
			}
			for i := range values {
				values[i] = c.y(values[i])
			}
			points = append(points, point{x, spreadOf(values)})
		}
	}
	slices.SortFunc(points, func(a, b point) int { return int(a.x - b.x) })
	for _, p := range points {
		l.XYs = append(l.XYs, plotter.XY{X: p.x, Y: p.median})
		l.YErrors = append(l.YErrors, struct{ Low, High float64 }{p.median - p.least, p.most - p.median})
	}
	return l
}

// drawCharts draws the charts of a group, from what was measured at the distance
// between the processors that most of it was measured at.
func drawCharts(dir string, all *results) error {
	r := slices.MaxFunc(all.apart(), func(a, b *results) int { return a.size() - b.size() })
	for _, c := range charts[r.group] {
		if err := c.draw(filepath.Join(dir, c.name+".svg"), r); err != nil {
			return fmt.Errorf("draw %s: %w", c.name, err)
		}
	}
	return nil
}

func (c chart) draw(file string, r *results) error {
	const width, height, legendWidth = 26 * vg.Centimeter, 13 * vg.Centimeter, 7 * vg.Centimeter
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.title, c.xLabel, c.yLabel
	if d := r.distance(); d.most > 0 {
		p.Title.Text += fmt.Sprintf(" (a line there and back: %s ns)", short(d.median))
	}
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Y.Tick.Marker = plot.TickerFunc(decadeTicks)
	p.Add(plotter.NewGrid())
	legend := plot.NewLegend()
	legend.Top, legend.Left = true, true
	legend.ThumbnailWidth = vg.Centimeter
	legend.Padding = vg.Millimeter

	xs := map[float64]string{}
	var bound *plotter.Line
	for i, impl := range r.impls {
		l := c.line(r, impl)
		if len(l.XYs) == 0 {
			continue
		}
		lines, points, err := plotter.NewLinePoints(l.XYs)
		if err != nil {
			return err
		}
		style(lines, points, i, impl)
		p.Add(lines, points)
		legend.Add(impl, lines, points)
		if ours(impl) {
			bars, err := plotter.NewYErrorBars(l)
			if err != nil {
				return err
			}
			bars.Color = lines.Color
			p.Add(bars)
		}
		if b := c.bound(r, impl); len(b) > 0 {
			if bound, err = plotter.NewLine(b); err != nil {
				return err
			}
			bound.Color, bound.Width = lines.Color, vg.Points(1)
			bound.Dashes = []vg.Length{vg.Points(2), vg.Points(4)}
			p.Add(bound)
		}
		for _, at := range l.XYs {
			if xs[at.X] = strconv.Itoa(int(at.X)); c.ticks != nil {
				xs[at.X] = c.ticks[at.X]
			}
		}
	}
	if len(xs) == 0 {
		return nil
	}
	if bound != nil {
		dashed := *bound
		dashed.Color = color.Black
		legend.Add("the bound, in the line's colour", &dashed)
	}
	var ticks []plot.Tick
	for _, x := range slices.Sorted(maps.Keys(xs)) {
		ticks = append(ticks, plot.Tick{Value: x, Label: xs[x]})
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	if len(xs) == 1 { // a scale needs two ends
		p.X.Min, p.X.Max = p.X.Min/2, p.X.Max*2
	}
	if p.Y.Min == p.Y.Max {
		p.Y.Min, p.Y.Max = p.Y.Min/2, p.Y.Max*2
	}

	canvas := vgsvg.New(width, height)
	all := draw.New(canvas)
	all.SetColor(color.White)
	all.Fill(all.Rectangle.Path())
	p.Draw(draw.Crop(all, 0, -legendWidth, 0, 0))
	legend.Draw(draw.Crop(all, width-legendWidth, 0, 0, -vg.Centimeter))
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := canvas.WriteTo(f); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

// style gives ours the strong lines, what is in Go full ones, and what is in C or
// C++ broken ones.
func style(lines *plotter.Line, points *plotter.Scatter, i int, impl string) {
	lines.Color = plotutil.Color(i)
	lines.Width = vg.Points(1.2)
	if ours(impl) {
		lines.Width = vg.Points(3)
	} else if !inGo(impl) {
		lines.Dashes = []vg.Length{vg.Points(5), vg.Points(3)}
	}
	points.Color = lines.Color
	points.Shape = plotutil.Shape(i)
	points.Radius = vg.Points(3)
}

func inGo(impl string) bool {
	library, _, _ := strings.Cut(impl, ".")
	return slices.Contains([]string{"go", "sync", "xsync", "lscq", "workiva", "textbook"}, library)
}

// decadeTicks marks 1, 2 and 5 of each power of ten.
func decadeTicks(least, most float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(least)); e <= math.Ceil(math.Log10(most)); e++ {
		for _, m := range []float64{1, 2, 5} {
			v := m * math.Pow(10, e)
			ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', 4, 64)})
		}
	}
	return ticks
}

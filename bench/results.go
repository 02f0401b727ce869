package main

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// Results are the figures of one group, as its raw file has them.
type results struct {
	group  string
	file   string
	config []benchfmt.Config
	failed []string // what the file says could not be measured
	impls  []string // in the order of the file, ours first
	cases  []string // in the order of the file
	units  map[string][]string
	lines  map[figure][]float64 // how long a line took, for each value; zero if none travels
	values map[figure][]float64 // one for each round
}

// lineUnit is of the time that a cache line takes to the other processor and back,
// measured around each figure.
const lineUnit = "line-ns"

// A figure is what was measured of an implementation in a case.
type figure struct {
	impl, name, unit string
}

// readResults reads a raw file.
func readResults(file string) (*results, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	parts := strings.Split(file, ".")
	r := &results{file: file, group: parts[len(parts)-2], units: map[string][]string{},
		lines: map[figure][]float64{}, values: map[figure][]float64{}}
	in := benchfmt.NewReader(f, file)
	for in.Scan() {
		line, ok := in.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		r.config = slices.Clone(line.Config)
		name, _, _ := strings.Cut(string(line.Name), "/impl=")
		_, impl, _ := strings.Cut(string(line.Name), "/impl=")
		impl = impl[:strings.LastIndex(impl, "-")]
		if !slices.Contains(r.impls, impl) {
			r.impls = append(r.impls, impl)
		}
		if !slices.Contains(r.cases, name) {
			r.cases = append(r.cases, name)
		}
		_, away := asWritten(line.Values[len(line.Values)-1]) // the driver puts it there
		if !crosses(name) {
			away = 0
		}
		for _, v := range line.Values {
			unit, value := asWritten(v)
			if unit == lineUnit {
				continue
			}
			if !slices.Contains(r.units[name], unit) {
				r.units[name] = append(r.units[name], unit)
			}
			at := figure{impl, name, unit}
			r.values[at] = append(r.values[at], value)
			r.lines[at] = append(r.lines[at], away)
		}
	}
	if err := in.Err(); err != nil {
		return nil, err
	}
	slices.SortStableFunc(r.impls, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	slices.SortStableFunc(r.cases, func(a, b string) int { return slices.Compare(numbers(a), numbers(b)) })
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for _, l := range strings.Split(string(text), "\n") {
		if why, ok := strings.CutPrefix(l, "# failed: "); ok && !slices.Contains(r.failed, why) {
			r.failed = append(r.failed, why)
		}
	}
	return r, nil
}

// asWritten undoes what the reader makes of units.
func asWritten(v benchfmt.Value) (unit string, value float64) {
	if v.OrigUnit != "" {
		return v.OrigUnit, v.OrigValue
	}
	return v.Unit, v.Value
}

func ours(impl string) bool { return strings.HasPrefix(impl, "ferrule.") }

func rank(impl string) int {
	if ours(impl) {
		return 0
	}
	return 1
}

// numbers returns the parameters of a case, to sort by.
func numbers(name string) (all []int) {
	for _, pair := range strings.Split(name, "/")[1:] {
		n := 0
		_, value, _ := strings.Cut(pair, "=")
		fmt.Sscan(value, &n)
		all = append(all, n)
	}
	return all
}

// parameter returns a parameter of a case, zero if it has none of that name.
func parameter(name, key string) (n int) {
	for _, pair := range strings.Split(name, "/") {
		if value, ok := strings.CutPrefix(pair, key+"="); ok {
			fmt.Sscan(value, &n)
		}
	}
	return n
}

// A spread is the middle and the ends of some values.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return spread{(s[(n-1)/2] + s[n/2]) / 2, s[0], s[n-1]}
}

// apart returns the results once for each distance between the processors: near
// are those for which a line took at most twice the least time, far the others.
// The nearer come first, with those for which it does not matter.
func (r *results) apart() (views []*results) {
	least := math.Inf(1)
	for _, lines := range r.lines {
		for _, line := range lines {
			if line > 0 {
				least = min(least, line)
			}
		}
	}
	for _, far := range []bool{false, true} {
		view := *r
		view.lines, view.values = map[figure][]float64{}, map[figure][]float64{}
		for at, values := range r.values {
			for i, v := range values {
				if line := r.lines[at][i]; (line > 2*least) == far {
					view.values[at] = append(view.values[at], v)
					view.lines[at] = append(view.lines[at], line)
				}
			}
		}
		if len(view.values) > 0 {
			views = append(views, &view)
		}
	}
	return views
}

// size returns how many values there are.
func (r *results) size() (n int) {
	for _, values := range r.values {
		n += len(values)
	}
	return n
}

// distance returns the spread of the time that a line took.
func (r *results) distance() spread {
	var all []float64
	for _, lines := range r.lines {
		for _, line := range lines {
			if line > 0 {
				all = append(all, line)
			}
		}
	}
	if len(all) == 0 {
		return spread{}
	}
	return spreadOf(all)
}

// crosses says whether anything goes from one processor to another in a case.
func crosses(name string) bool {
	parties := parameter(name, "producers") + parameter(name, "consumers")
	for _, key := range []string{"contenders", "readers", "goroutines"} {
		parties = max(parties, parameter(name, key))
	}
	return parties > 1 || strings.HasPrefix(name, "RoundTrip/")
}

// ratio divides the first value of one by the first of another, and so on. There is
// none where one is zero, as a count of what was lost.
func (r *results) ratio(a, b, name, unit string) (s spread, n int) {
	av, bv := r.values[figure{a, name, unit}], r.values[figure{b, name, unit}]
	n = min(len(av), len(bv))
	if n == 0 {
		return spread{}, 0
	}
	ratios := make([]float64, n)
	for i := range n {
		if av[i] == 0 || bv[i] == 0 {
			return spread{}, 0
		}
		ratios[i] = av[i] / bv[i]
	}
	return spreadOf(ratios), n
}

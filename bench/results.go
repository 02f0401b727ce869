package main

import (
	"cmp"
	"fmt"
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
	values map[figure][]float64 // one for each round
}

// lineUnit is of the time that a cache line takes to the other processor and back,
// measured before each figure.
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
	r := &results{file: file, group: parts[len(parts)-2], units: map[string][]string{}, values: map[figure][]float64{}}
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
		for _, v := range line.Values {
			value, unit := v.Value, v.Unit
			if v.OrigUnit != "" {
				value, unit = v.OrigValue, v.OrigUnit
			}
			if unit != lineUnit && !slices.Contains(r.units[name], unit) {
				r.units[name] = append(r.units[name], unit)
			}
			at := figure{impl, name, unit}
			r.values[at] = append(r.values[at], value)
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

// ratio divides what was measured in the same round, while a line took about as
// long for the one as for the other; rounds is how often that was so.
func (r *results) ratio(a, b, name, unit string) (s spread, rounds int) {
	av, bv := r.values[figure{a, name, unit}], r.values[figure{b, name, unit}]
	al, bl := r.values[figure{a, name, lineUnit}], r.values[figure{b, name, lineUnit}]
	var ratios []float64
	for i := range min(len(av), len(bv)) {
		if max(al[i], bl[i]) <= 1.5*min(al[i], bl[i]) {
			ratios = append(ratios, av[i]/bv[i])
		}
	}
	if len(ratios) == 0 {
		return spread{}, 0
	}
	return spreadOf(ratios), len(ratios)
}

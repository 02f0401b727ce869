package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A table has a row for each implementation, and a column for each number of
// processors, or capacity.
type table struct {
	columns, rows []string
	values        map[[2]string][]float64 // by row and column, one for each seed
	bounds        map[[2]string]float64
}

// tables reads the lines of a raw file, by group.
func tables(raw string) (groups []string, all map[string]*table) {
	all = make(map[string]*table)
	for line := range strings.Lines(raw) {
		name, figures, ok := strings.Cut(strings.TrimPrefix(line, "Benchmark"), "\t")
		if !ok {
			continue
		}
		parts := strings.Split(name, "/")
		group, column, row := parts[0], parts[len(parts)-2], strings.TrimPrefix(parts[len(parts)-1], "impl=")
		_, column, _ = strings.Cut(column, "=")
		row = row[:strings.LastIndexByte(row, '-')]
		t := all[group]
		if t == nil {
			t = &table{values: make(map[[2]string][]float64), bounds: make(map[[2]string]float64)}
			all[group] = t
			groups = append(groups, group)
		}
		if !slices.Contains(t.rows, row) {
			t.rows = append(t.rows, row)
		}
		if !slices.Contains(t.columns, column) {
			t.columns = append(t.columns, column)
		}
		at := [2]string{row, column}
		for _, figure := range strings.Split(strings.TrimSpace(figures), "\t")[1:] {
			value, unit, _ := strings.Cut(figure, " ")
			v, _ := strconv.ParseFloat(value, 64)
			switch unit {
			case "refs/op":
				t.values[at] = append(t.values[at], v)
			case "bound/op":
				t.bounds[at] = v
			}
		}
	}
	return groups, all
}

// String returns the table in Markdown.
func (t *table) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s | bound |\n|---|%s\n", strings.Join(t.columns, " | "), strings.Repeat("---:|", len(t.columns)+1))
	for _, row := range t.rows {
		fmt.Fprintf(&b, "| %s |", row)
		for _, column := range t.columns {
			fmt.Fprintf(&b, " %s |", cell(t.values[[2]string{row, column}]))
		}
		fmt.Fprintf(&b, " %s |\n", t.bound(row))
	}
	return b.String()
}

// bound is what theory says of a row, from the first column to the last.
func (t *table) bound(row string) string {
	first, ok := t.bounds[[2]string{row, t.columns[0]}]
	last := t.bounds[[2]string{row, t.columns[len(t.columns)-1]}]
	switch {
	case !ok:
		return ""
	case first == last:
		return short(first)
	}
	return short(first) + " to " + short(last)
}

// cell is the median, and if it makes a difference the least and the most.
func cell(values []float64) string {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	if n == 0 {
		return ""
	}
	median, least, most := short((s[(n-1)/2]+s[n/2])/2), short(s[0]), short(s[n-1])
	if least == most {
		return median
	}
	return fmt.Sprintf("%s (%s to %s)", median, least, most)
}

// short writes a number with two or three digits that count.
func short(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 1:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 100:
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(v, 'f', 0, 64)
}

// publish puts the tables into a page, each behind its own mark.
func publish(page, file, raw string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	s := string(text)
	put := func(name, with string) {
		from, to := "<!-- "+name+" -->\n", "<!-- end -->\n"
		before, rest, ok := strings.Cut(s, from)
		_, after, also := strings.Cut(rest, to)
		if !ok || !also {
			err = fmt.Errorf("transfers: %s: no place for %s", page, name)
			return
		}
		s = before + from + "\n" + with + "\n" + to + after
	}
	link, relErr := filepath.Rel(filepath.Dir(page), file)
	if relErr != nil {
		return relErr
	}
	groups, all := tables(raw)
	for _, g := range groups {
		put(g, all[g].String())
	}
	put("raw", fmt.Sprintf("Raw, with the kinds of references: [%s](%s).\n", filepath.Base(file), filepath.ToSlash(link)))
	if err != nil {
		return err
	}
	return os.WriteFile(page, []byte(s), 0o644)
}

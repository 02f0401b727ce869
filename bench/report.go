package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeReport writes the summary and the charts of raw files. Of a group that is
// not among the files, charts stay as they are.
func writeReport(dir string, files []string) error {
	all, err := readAll(files)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "summary.md"), []byte(summary(all)), 0o644); err != nil {
		return err
	}
	return drawAll(dir, all)
}

// writeCharts is writeReport without the summary.
func writeCharts(dir string, files []string) error {
	all, err := readAll(files)
	if err != nil {
		return err
	}
	return drawAll(dir, all)
}

func readAll(files []string) (all []*results, err error) {
	for _, f := range files {
		r, err := readResults(f)
		if err != nil {
			return nil, err
		}
		if len(r.impls) > 0 {
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("report: nothing was measured")
	}
	return all, nil
}

func drawAll(dir string, all []*results) error {
	for _, r := range all {
		if err := drawCharts(dir, r); err != nil {
			return err
		}
	}
	return nil
}

// summary returns the tables of all groups.
func summary(all []*results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Summary\n\nWritten by `make bench`; [README.md](README.md) says what each figure means.\n\n")
	fmt.Fprintf(&b, "| | |\n|---|---|\n")
	for _, c := range all[0].config {
		fmt.Fprintf(&b, "| %s | %s |\n", c.Key, c.Value)
	}
	for _, r := range all {
		fmt.Fprintf(&b, "\n## %s\n\n", r.group)
		fmt.Fprintf(&b, "Raw: [%[1]s](%[1]s).\n", filepath.Base(r.file))
		for _, why := range r.failed {
			fmt.Fprintf(&b, "Could not be measured: %s\n", why)
		}
		for _, view := range r.apart() {
			view.tables(&b)
		}
	}
	return b.String()
}

// tables writes the figures and the ratios of what was measured at one distance
// between the processors.
func (r *results) tables(b *strings.Builder) {
	columns := r.columns()
	if d := r.distance(); d.most > 0 {
		fmt.Fprintf(b, "\n### While a line took %s ns to the other processor and back\n", short(d.median))
	}
	b.WriteString("\nMedian, and in brackets the least and the most, in ns where no unit is named.\n\n")
	r.table(b, columns, "", func(impl string, c column) string {
		values := r.values[figure{impl, c.name, c.unit}]
		if len(values) == 0 {
			return ""
		}
		s := spreadOf(values)
		return fmt.Sprintf("%s (%s to %s)", short(s.median), short(s.least), short(s.most))
	})
	for _, base := range r.impls {
		if !ours(base) || len(r.impls) == 1 {
			continue
		}
		fmt.Fprintf(b, "\n%s divided by what stands in the row:\n\n", base)
		r.table(b, columns, base, func(impl string, c column) string {
			s, n := r.ratio(base, impl, c.name, c.unit)
			if n == 0 {
				return ""
			}
			return fmt.Sprintf("**%s** (%s to %s)", short(s.median), short(s.least), short(s.most))
		})
	}
}

// A column is one unit of one case.
type column struct{ name, unit, label string }

// columns returns the columns of a group, labelled by what sets them apart.
func (r *results) columns() (all []column) {
	constant := map[string]bool{}
	for _, part := range strings.Split(r.cases[0], "/") {
		constant[part] = !slices.ContainsFunc(r.cases, func(c string) bool { return !slices.Contains(strings.Split(c, "/"), part) })
	}
	for _, c := range r.cases {
		var label []string
		for _, part := range strings.Split(c, "/") {
			if !constant[part] {
				label = append(label, part)
			}
		}
		for _, unit := range r.units[c] {
			l := slices.Clone(label)
			if unit != "ns/op" || len(label) == 0 {
				l = append(l, strings.TrimSuffix(unit, "-ns"))
			}
			all = append(all, column{c, unit, strings.Join(l, " ")})
		}
	}
	return all
}

// table writes a row for each implementation but one. One that has nothing to
// say is left out.
func (r *results) table(b *strings.Builder, columns []column, but string, cell func(impl string, c column) string) {
	b.WriteString("| |")
	for _, c := range columns {
		fmt.Fprintf(b, " %s |", c.label)
	}
	b.WriteString("\n|---|" + strings.Repeat("---:|", len(columns)) + "\n")
	for _, impl := range r.impls {
		if impl == but {
			continue
		}
		row, empty := "| "+impl+" |", true
		for _, c := range columns {
			text := cell(impl, c)
			empty = empty && text == ""
			row += " " + text + " |"
		}
		if !empty {
			b.WriteString(row + "\n")
		}
	}
}

// short writes a number with three digits that count.
func short(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v >= 1e9:
		return fmt.Sprintf("%.3g", v)
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.*f", max(0, 2-int(math.Floor(math.Log10(v)))), v)
}

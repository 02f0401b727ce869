package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// scaled gives v with three digits and a prefix, as 6.08 Mpps.
func scaled(v float64, unit string) string {
	prefix := ""
	for _, next := range []string{"k", "M", "G"} {
		if v < 999.5 {
			break
		}
		v /= 1000
		prefix = next
	}
	return digits3(v) + " " + prefix + unit
}

// digits3 gives a v below 1000 with three digits.
func digits3(v float64) string {
	digits := 2
	if v >= 9.995 {
		digits = 1
	}
	if v >= 99.95 || v == 0 {
		digits = 0
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// grouped gives n in groups of three digits, as 18,234,112.
func grouped(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// writeTable writes rows, the first being their heading, with their columns
// aligned: to the left, or if they are numbers to the right but for the first.
func writeTable(w io.Writer, rows [][]string, numbers bool) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	out := bufio.NewWriter(w)
	defer out.Flush()
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if numbers && i > 0 {
				fmt.Fprintf(&line, "%*s  ", widths[i], cell)
			} else {
				fmt.Fprintf(&line, "%-*s  ", widths[i], cell)
			}
		}
		fmt.Fprintln(out, strings.TrimRight(line.String(), " "))
	}
}

// tell writes what is for a person in one piece, and fails if it cannot, as on a
// full disk.
func tell(w io.Writer, write func(io.Writer)) error {
	var text bytes.Buffer
	write(&text)
	_, err := w.Write(text.Bytes())
	return err
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

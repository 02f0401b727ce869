package sched

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strings"
)

// A step is one line of a trace.
type step struct {
	number, thread   int
	name, word, text string
	pcs              []uintptr
}

// lines makes a trace readable: what each thread did in a column of its own, and the
// line of the source that says so.
func lines(trace []step) (all []string) {
	pointers := map[string]string{}
	for _, s := range trace {
		what := address.ReplaceAllStringFunc(strings.Join([]string{s.name, s.word, s.text}, " "), func(p string) string {
			if pointers[p] == "" {
				pointers[p] = fmt.Sprint("p", len(pointers))
			}
			return pointers[p]
		})
		line := fmt.Sprintf("%4d  %-56s %-30s %s", s.number, fmt.Sprintf("T%d %s%s", s.thread, strings.Repeat("   ", s.thread), what),
			where(s.pcs), source(s.pcs))
		all = append(all, strings.TrimRight(line, " "))
	}
	return all
}

var address = regexp.MustCompile("0x[0-9a-f]+")

// where returns the first file outside of this package among callers, and the lines
// in it by which they came here.
func where(pcs []uintptr) (where string) {
	file := ""
	for _, f := range callers(pcs) {
		switch {
		case file == "":
			file, where = f.File, fmt.Sprint(f.Line)
		case file == f.File:
			where = fmt.Sprint(f.Line, ">", where)
		}
	}
	if file == "" {
		return ""
	}
	dir := strings.LastIndexByte(file, '/')
	return file[strings.LastIndexByte(file[:max(0, dir)], '/')+1:] + ":" + where
}

// source returns the line at which the first of the callers is.
func source(pcs []uintptr) string {
	fs := callers(pcs)
	if len(fs) == 0 {
		return ""
	}
	file := fs[0].File
	if sources[file] == nil {
		text, _ := os.ReadFile(copyOf(file))
		sources[file] = strings.Split(string(text), "\n")
	}
	return strings.TrimSpace(sources[file][min(fs[0].Line, len(sources[file]))-1])
}

var sources = map[string][]string{} // by file, in lines

// callers are those outside of this package, and of Backoff, which stands for it.
func callers(pcs []uintptr) (all []runtime.Frame) {
	if len(pcs) == 0 {
		return nil
	}
	frames := runtime.CallersFrames(pcs)
	for f, more := frames.Next(); more; f, more = frames.Next() {
		if !strings.Contains(f.Function, "/explore/sched.") && !strings.HasSuffix(f.File, "/spinlock/backoff.go") {
			all = append(all, f)
		}
	}
	return all
}

// overlay is the file that says which copy was built in place of which source; the
// linker is told of it.
var overlay string

// copyOf returns the file that was built in place of one.
func copyOf(file string) string {
	var list struct{ Replace map[string]string }
	if text, err := os.ReadFile(overlay); err == nil && json.Unmarshal(text, &list) == nil && list.Replace[file] != "" {
		return list.Replace[file]
	}
	return file
}

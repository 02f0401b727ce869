// Package explore runs the real source of the library's primitives under a scheduler
// that tries the ways in which a few goroutines can meet.
//
// It makes a copy of them in which atomics, locks, channels and waits are those of
// package sched, and builds the program in folder scenarios with it (go build
// -overlay): the source stays as it is. What the program ran and found is in
// docs/exploration.md.
package explore

import (
	_ "embed" // for backoff.txt
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const module = "github.com/ferrule-go/ferrule/"

// Explored are the packages that are copied.
var Explored = []string{"spinlock", "mcs", "rcu", "internal/eventcount", "spsc", "mpmc", "pktbuf"}

// replaced are the packages that package sched stands for in the copy.
var replaced = []string{"sync", "sync/atomic", module + "internal/cpu"}

// An Edit replaces text of a file, which has it exactly once.
type Edit struct{ File, Old, New string }

// backoff takes the place of Backoff: it waits by sched.Wait.
//
//go:embed backoff.txt
var backoff string

// scale makes small what only has to be a number, and certain what differs from
// one execution to the next. No order depends on any of it.
var scale = []Edit{
	{"mcs/spot.go", "const spins = 4\n", "const spins = 1\n"},
	{"rcu/period.go", "const briefly = 4\n", "const briefly = 1\n"},
	{"rcu/period.go", "		timer := time.NewTimer(after)\n		defer timer.Stop()\n", "		timer := sched.NewTimer(after)\n"},
	{"spinlock/rwmutex.go", "const countBits = 3\n", "const countBits = 1\n"},
	{"rcu/read.go", "	near [8]struct {\n", "	near [1]struct {\n"},
	{"rcu/read_unsafe.go", "	return uint32(uintptr(unsafe.Pointer(&here))>>11) * 0x9E3779B1 >> 16\n", "	return 0 * uint32(uintptr(unsafe.Pointer(&here)))\n"},
	{"mpmc/ring.go", "	runLen = 8 // a line of words\n", "	runLen = 2\n"},
	{"pktbuf/cache.go", "	cacheSize = 512\n", "	cacheSize = 8\n"},
	{"pktbuf/layout.go", "	chunkLines = 1024 // in a chunk, the first of which is its header\n", "	chunkLines = 16\n"},
	{"spinlock/count_unsafe.go", "uint32(uintptr(unsafe.Pointer(&here)) >> 11)", "uint32(sched.Self()) + 0*uint32(uintptr(unsafe.Pointer(&here)))"},
}

// Copy writes to dir the copy of the packages below root, with the edits, and the
// overlay that puts it in their place. It returns the name of that.
func Copy(root, dir string, edits ...Edit) (overlay string, err error) {
	place := map[string]string{}
	for _, pkg := range Explored {
		files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			name := pkg + "/" + filepath.Base(file)
			text, err := copied(file, name, edits)
			if err != nil {
				return "", err
			}
			place[file] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-"))
			if err := os.WriteFile(place[file], text, 0o600); err != nil {
				return "", err
			}
		}
	}
	list, err := json.Marshal(map[string]any{"Replace": place})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, list, 0o600)
}

func copied(file, name string, edits []Edit) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if name == "spinlock/backoff.go" {
		return []byte(backoff), nil
	}
	s := string(text)
	for _, e := range slices.Concat(edits, scale) {
		if e.File != name {
			continue
		}
		if n := strings.Count(s, e.Old); n != 1 {
			return nil, fmt.Errorf("explore: edit %s: it has %d times, want once: %s", name, n, e.Old)
		}
		s = strings.Replace(s, e.Old, e.New, 1)
	}
	return rewrite(name, s)
}

// rewrite puts package sched in place of what it stands for. All stays on its line.
func rewrite(name, text string) ([]byte, error) {
	r := &rewriter{fset: token.NewFileSet(), text: text}
	f, err := parser.ParseFile(r.fset, name, text, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if slices.Contains(replaced, path) {
			r.put(spec.Path.Pos(), spec.Path.End(), path[strings.LastIndexByte(path, '/')+1:]+" "+strconv.Quote(module+"stress/explore/sched"))
		}
	}
	ast.Inspect(f, r.node)
	if strings.Contains(r.text, "sched.") || r.uses {
		r.put(f.Name.End(), f.Name.End(), "; import sched "+strconv.Quote(module+"stress/explore/sched"))
	}
	if r.err != nil {
		return nil, r.err
	}
	return []byte(r.result()), nil
}

// A rewriter collects changes of a text, none of which overlap.
type rewriter struct {
	fset    *token.FileSet
	text    string
	changes []change
	uses    bool
	err     error
}

type change struct {
	from, to int
	text     string
}

func (r *rewriter) put(from, to token.Pos, text string) {
	r.changes = append(r.changes, change{r.fset.Position(from).Offset, r.fset.Position(to).Offset, text})
}

func (r *rewriter) result() string {
	slices.SortStableFunc(r.changes, func(a, b change) int { return a.from - b.from })
	var out strings.Builder
	at := 0
	for _, c := range r.changes {
		out.WriteString(r.text[at:c.from])
		out.WriteString(c.text)
		at = c.to
	}
	out.WriteString(r.text[at:])
	return out.String()
}

// node rewrites the operations of channels, and go statements.
func (r *rewriter) node(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.UnaryExpr:
		if n.Op == token.ARROW {
			r.uses = true
			r.put(n.Pos(), n.X.Pos(), "sched.Recv(")
			r.put(n.End(), n.End(), ")")
		}
	case *ast.SendStmt:
		r.uses = true
		r.put(n.Pos(), n.Pos(), "sched.Send(")
		r.put(n.Arrow, n.Arrow+2, ",")
		r.put(n.End(), n.End(), ")")
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "close" {
			r.uses = true
			r.put(f.Pos(), f.End(), "sched.Close")
		}
	case *ast.GoStmt:
		r.uses = true
		r.put(n.Pos(), n.Call.Pos(), "sched.Go(func() { ")
		r.put(n.End(), n.End(), " })")
	case *ast.SelectStmt:
		r.selection(n)
		return false
	}
	return true
}

// selection makes a select a switch. Its cases may receive, and drop what they get.
func (r *rewriter) selection(s *ast.SelectStmt) {
	r.uses = true
	call, orElse := "", false
	for i, c := range s.Body.List {
		clause := c.(*ast.CommClause)
		for _, stmt := range clause.Body {
			ast.Inspect(stmt, r.node)
		}
		if clause.Comm == nil {
			orElse = true
			continue
		}
		expr, ok := clause.Comm.(*ast.ExprStmt)
		if !ok {
			r.err = fmt.Errorf("explore: copy %s: a select that does more than receive", r.fset.Position(c.Pos()))
			return
		}
		channel := expr.X.(*ast.UnaryExpr).X
		call += ", sched.On(" + r.text[r.fset.Position(channel.Pos()).Offset:r.fset.Position(channel.End()).Offset] + ")"
		r.put(clause.Comm.Pos(), clause.Comm.End(), strconv.Itoa(i))
	}
	r.put(s.Select, s.Select+token.Pos(len("select")), fmt.Sprintf("switch sched.Select(%v%s)", orElse, call))
}

package ferrule_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/build/constraint"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ferrule-go/ferrule"

// storeys gives every package its place. A package imports packages of lower
// storeys only. Kits that only tests import stand above all that they test.
var storeys = map[string]int{
	"internal/cpu":           1,
	"internal/slots":         1,
	"internal/lockdebug":     1,
	"spinlock":               2,
	"mcs":                    3,
	"rcu":                    3,
	"internal/eventcount":    3,
	"spsc":                   4,
	"mpmc":                   4,
	"pktbuf":                 5,
	"spsc/shm":               5,
	"nicring/internal/mmio":  6,
	"nicring":                7,
	"nicring/e1000e":         8,
	"nicring/uio":            8,
	"nicring/nictest":        8,
	"nicring/internal/qtest": 8,
	"internal/locktest":      9,
	"stress":                 9,
	"internal/mutant":        9,
	"internal/ringtest":      9,
	"stress/explore":         9,
	"stress/explore/sched":   1,
	"stress/transfers/sim":   1,

	"cmd/ferrule-vm/internal/guest": 9,
	"cmd/ferrule":                   10,
	"stress/explore/run":            10,
	"stress/explore/scenarios":      10,
	"stress/kill":                   10,
	"stress/transfers":              10,
	"stress/transfers/subjects":     10,
	"cmd/ferrule-vm":                10,
	"cmd/ferrule-vm/init":           10,
}

var assemblyIn = []string{"internal/cpu", "nicring/internal/mmio"}

// builds are the ways in which a file can come into a build.
var builds = func() (all []build.Context) {
	for _, os := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64", "386", "riscv64", "ppc64", "ppc64le", "s390x", "wasm"} {
			for _, tags := range [][]string{nil, {"race"}, {"ferrule_strict"}, {"vm"}, {"qtest"}, {"ferrule_debug"}} {
				c := build.Default
				c.GOOS, c.GOARCH, c.BuildTags, c.CgoEnabled = os, arch, tags, false
				all = append(all, c)
			}
		}
	}
	return all
}()

// A source is one file of the tree.
type source struct {
	path string // from the top, with slashes
	text []byte
	ast  *ast.File // of a Go file
	fset *token.FileSet
}

func (s source) dir() string { return path.Dir(s.path) }
func (s source) test() bool  { return strings.HasSuffix(s.path, "_test.go") }
func (s source) isGo() bool  { return path.Ext(s.path) == ".go" }
func (s source) linux() bool { return strings.Contains(path.Base(s.path), "_linux") }
func (s source) unsafe() bool {
	return strings.HasSuffix(s.path, "_unsafe.go") || path.Base(s.path) == "layout.go"
}

func (s source) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", s.path, s.fset.Position(n.Pos()).Line)
}

// imports returns the import paths of a Go file.
func (s source) imports() (paths []string) {
	for _, spec := range s.ast.Imports {
		p, _ := strconv.Unquote(spec.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

func TestStoreys(t *testing.T) {
	for _, s := range goFiles(t) {
		if s.dir() == "." {
			continue
		}
		at, ok := storeys[s.dir()]
		if !ok {
			t.Errorf("%s: package %s has no storey", s.path, s.dir())
		}
		for _, p := range s.imports() {
			below, ours := strings.CutPrefix(p, module+"/")
			if !s.test() && ours && storeys[below] >= at {
				t.Errorf("%s: storey %d imports %s of storey %d", s.path, at, below, storeys[below])
			}
		}
	}
	for dir := range storeys {
		if found, _ := filepath.Glob(filepath.Join(dir, "*.go")); len(found) == 0 {
			t.Errorf("storeys names %s, which has no Go file", dir)
		}
	}
}

func TestUnsafeInItsFiles(t *testing.T) {
	for _, s := range goFiles(t) {
		if slices.Contains(s.imports(), "unsafe") && !s.unsafe() && !s.test() {
			t.Errorf("%s imports unsafe, and is named neither layout.go nor *_unsafe.go", s.path)
		}
	}
}

func TestLinuxInItsFiles(t *testing.T) {
	allowed := []string{"nicring/uio", "cmd/ferrule-vm", "cmd/ferrule-vm/init"}
	for _, s := range goFiles(t) {
		linux := slices.ContainsFunc(s.imports(), func(p string) bool {
			return p == "syscall" || p == "golang.org/x/sys/unix"
		})
		if linux && !s.linux() && !slices.Contains(allowed, s.dir()) {
			t.Errorf("%s makes system calls, and has no _linux in its name", s.path)
		}
	}
}

func TestAssemblyInItsPackages(t *testing.T) {
	for _, s := range files(t) {
		if path.Ext(s.path) == ".s" && !slices.Contains(assemblyIn, s.dir()) {
			t.Errorf("%s: assembly outside of %v", s.path, assemblyIn)
		}
	}
}

func TestNoLinknameNoCgo(t *testing.T) {
	directive := regexp.MustCompile(`(?m)^//go:linkname\b`)
	for _, s := range goFiles(t) {
		if directive.Match(s.text) {
			t.Errorf("%s: go:linkname", s.path)
		}
		if slices.Contains(s.imports(), "C") {
			t.Errorf("%s: cgo", s.path)
		}
	}
}

func TestFormatted(t *testing.T) {
	for _, s := range goFiles(t) {
		if want, err := format.Source(s.text); err != nil || !bytes.Equal(want, s.text) {
			t.Errorf("%s: gofmt would change it (%v)", s.path, err)
		}
	}
}

// TestNoLeftovers wants a doubt settled or filed, not left in a comment.
func TestNoLeftovers(t *testing.T) {
	marks := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	for _, s := range files(t) {
		for i, line := range strings.Split(string(s.text), "\n") {
			if marks.MatchString(line) {
				t.Errorf("%s:%d: %s", s.path, i+1, strings.TrimSpace(line))
			}
		}
	}
}

func TestEveryExportedNameHasADocComment(t *testing.T) {
	comments := map[string]int{} // those of each package
	for _, s := range goFiles(t) {
		if s.test() {
			continue
		}
		comments[s.dir()] += map[bool]int{true: 1}[s.ast.Doc != nil]
		for _, d := range s.ast.Decls {
			for _, name := range undocumented(d) {
				t.Errorf("%s: %s has no doc comment", s.at(name), name.Name)
			}
		}
	}
	for dir, n := range comments {
		if n != 1 {
			t.Errorf("package %s has %d package comments, want 1", dir, n)
		}
	}
}

// shownElsewhere are types without an Example of their own.
var shownElsewhere = map[string]string{
	"stress.Result":         "what a Report has of each trial: the package's Example reads it",
	"stress/explore.Edit":   "of this module's own tests",
	"stress/explore/sched.": "the sync, sync/atomic and internal/cpu of a copy that is explored",
	"stress/transfers/sim.": "those of a copy that is counted",
}

// TestEveryTypeHasAnExample wants of every type that a program can name an Example
// that bears its name, and that every Example runs: one without output is only
// compiled.
func TestEveryTypeHasAnExample(t *testing.T) {
	types, shown := map[string]bool{}, map[string]bool{}
	for _, s := range goFiles(t) {
		if s.ast.Name.Name != "main" && !s.test() && !slices.Contains(strings.Split(s.dir(), "/"), "internal") {
			for _, name := range exportedTypes(s.ast) {
				types[s.dir()+"."+name] = true
			}
		}
		for _, e := range doc.Examples(s.ast) {
			name, _, _ := strings.Cut(e.Name, "_")
			shown[s.dir()+"."+name] = true
			if e.Output == "" && !e.EmptyOutput {
				t.Errorf("%s: Example%s says no output, and so does not run", s.path, e.Name)
			}
		}
	}
	for name := range types {
		_, elsewhere := shownElsewhere[name]
		_, whole := shownElsewhere[name[:strings.LastIndex(name, ".")+1]]
		if !shown[name] && !elsewhere && !whole {
			t.Errorf("%s has no Example of its own name", name)
		}
	}
	for name := range shownElsewhere {
		if shown[name] || !strings.HasSuffix(name, ".") && !types[name] {
			t.Errorf("%s needs no exception", name)
		}
	}
}

func exportedTypes(f *ast.File) (names []string) {
	for _, d := range f.Decls {
		if d, ok := d.(*ast.GenDecl); ok {
			for _, spec := range d.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.IsExported() {
					names = append(names, spec.Name.Name)
				}
			}
		}
	}
	return names
}

// undocumented returns the exported names that d declares without a comment of
// their own or of their group.
func undocumented(d ast.Decl) (names []*ast.Ident) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				if d.Doc == nil && spec.Doc == nil && spec.Name.IsExported() {
					names = append(names, spec.Name)
				}
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if d.Doc == nil && spec.Doc == nil && spec.Comment == nil && name.IsExported() {
						names = append(names, name)
					}
				}
			}
		}
	}
	return names
}

// receiver returns the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// TestNoDeadFile wants every source file in some build, and every page of
// documentation behind a link.
func TestNoDeadFile(t *testing.T) {
	var prose strings.Builder
	for _, s := range files(t) {
		if path.Ext(s.path) == ".md" {
			prose.Write(s.text)
		}
	}
	for _, s := range files(t) {
		switch {
		case s.isGo() || path.Ext(s.path) == ".s":
			if !built(s) {
				t.Errorf("%s: no build has this file", s.path)
			}
		case path.Ext(s.path) == ".md" && s.dir() != ".":
			if !strings.Contains(prose.String(), path.Base(s.path)) {
				t.Errorf("%s: no page names this one", s.path)
			}
		}
	}
}

func built(s source) bool {
	return slices.ContainsFunc(builds, func(c build.Context) bool {
		ok, err := c.MatchFile(s.dir(), path.Base(s.path))
		return err == nil && ok
	})
}

// TestReadmeQuotesExamples wants the Go in the README to be part of an example,
// which is compiled and run.
func TestReadmeQuotesExamples(t *testing.T) {
	var examples strings.Builder
	for _, s := range goFiles(t) {
		if strings.HasPrefix(path.Base(s.path), "example") {
			examples.Write(s.text)
		}
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	if len(blocks) == 0 {
		t.Error("README.md shows no Go")
	}
	for _, b := range blocks {
		if !strings.Contains(examples.String(), string(b[1])) {
			t.Errorf("README.md: no example has this code:\n%s", b[1])
		}
	}
}

// TestBuildTagsAreKnown keeps a misspelt tag from taking a file out of every
// build that anyone makes.
func TestBuildTagsAreKnown(t *testing.T) {
	known := []string{"race", "ferrule_strict", "ferrule_debug", "vm", "qtest", "ignore", "unix"}
	for _, s := range goFiles(t) {
		for _, line := range strings.Split(string(s.text), "\n") {
			expr, err := constraint.Parse(line)
			if err != nil {
				continue
			}
			expr.Eval(func(tag string) bool {
				isPlatform := slices.ContainsFunc(builds, func(c build.Context) bool { return c.GOOS == tag || c.GOARCH == tag })
				if !isPlatform && !slices.Contains(known, tag) {
					t.Errorf("%s: build tag %q is not known", s.path, tag)
				}
				return true
			})
		}
	}
}

func goFiles(t *testing.T) (all []source) {
	t.Helper()
	for _, s := range files(t) {
		if s.isGo() {
			s.fset = token.NewFileSet()
			f, err := parser.ParseFile(s.fset, s.path, s.text, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			s.ast = f
			all = append(all, s)
		}
	}
	return all
}

// files returns every file of the tree but those of modules of their own,
// testdata, and what begins with a dot.
func files(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			_, nested := os.Stat(filepath.Join(p, "go.mod"))
			if p != "." && (nested == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata") {
				return fs.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() || strings.HasPrefix(d.Name(), ".") {
			return nil
		}
		text, err := os.ReadFile(p)
		all = append(all, source{path: filepath.ToSlash(p), text: text})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

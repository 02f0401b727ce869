package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	module = "github.com/ferrule-go/ferrule/"
	simPkg = module + "stress/transfers/sim"
)

// copied are the packages that run on the simulated machine.
var copied = []string{"spinlock", "mcs", "rcu", "internal/eventcount", "spsc", "mpmc"}

// replaced are the packages that package sim stands for in the copy: everywhere, and
// where a subject waits.
var (
	replaced      = []string{"sync", "sync/atomic", module + "internal/cpu"}
	replacedWaits = []string{"runtime", "time"}
	waits         = []string{"spinlock", "mcs"}
)

// private are types that live on the stack of whoever uses them, and ownStack is a file
// in which slices lead there: what a Seq shares are atomic words.
var private = []string{"spinlock.Backoff", "spinlock.place"}

const ownStack = "spinlock/seq_unsafe.go"

// An edit replaces text of a file that has it once.
type edit struct{ file, old, new string }

// edits put chance in the hands of the seed.
var edits = []edit{
	{"spinlock/count_unsafe.go", "uint32(uintptr(unsafe.Pointer(&here)) >> 11)", "sim.Page() + 0*uint32(uintptr(unsafe.Pointer(&here)))"},
	{"mcs/mutex.go", "	\"math/rand/v2\"\n", ""},
	{"mcs/mutex.go", "rand.Uint32()%16", "sim.Draw(16)"},
}

// build copies the packages of the module at root, with more edits, and builds the
// program of the subjects with the copy in dir. It returns the program's name.
func build(ctx context.Context, root, dir string, more ...edit) (program string, err error) {
	overlay, err := copyAll(ctx, root, dir, slices.Concat(edits, more))
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "subjects")
	_, err = goTool(ctx, root, "build", "-overlay", overlay, "-o", program, "./stress/transfers/subjects")
	return program, err
}

func goTool(ctx context.Context, root string, args ...string) (out []byte, err error) {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "GOFLAGS=")
	var said bytes.Buffer
	cmd.Stderr = &said
	if out, err = cmd.Output(); err != nil {
		return nil, fmt.Errorf("transfers: go %s: %w\n%s", args[0], err, said.Bytes())
	}
	return out, nil
}

// A listed package is what go list says of one.
type listed struct {
	ImportPath, Dir, Export string
	GoFiles                 []string
}

// copyAll writes the copy, and returns the name of the overlay that puts it in place.
func copyAll(ctx context.Context, root, dir string, edits []edit) (overlay string, err error) {
	args := []string{"list", "-export", "-deps", "-json=ImportPath,Dir,Export,GoFiles"}
	for _, p := range copied {
		args = append(args, "./"+p)
	}
	list, err := goTool(ctx, root, args...)
	if err != nil {
		return "", err
	}
	packages := map[string]listed{}
	for d := json.NewDecoder(bytes.NewReader(list)); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			return "", fmt.Errorf("transfers: go list: %w", err)
		}
		packages[p.ImportPath] = p
	}
	place := map[string]string{}
	for _, name := range copied {
		c := copier{pkg: name, packages: packages, edits: edits}
		texts, err := c.texts()
		if err != nil {
			return "", fmt.Errorf("transfers: copy %s: %w", name, err)
		}
		for file, text := range texts {
			place[file] = filepath.Join(dir, strings.ReplaceAll(name, "/", "-")+"-"+filepath.Base(file))
			if err := os.WriteFile(place[file], []byte(text), 0o600); err != nil {
				return "", err
			}
		}
	}
	replace, err := json.Marshal(map[string]any{"Replace": place})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, replace, 0o600)
}

// A copier copies one package. It has to know types, for whether something is an
// access of memory is not to be seen from its text.
type copier struct {
	pkg      string
	packages map[string]listed
	edits    []edit

	fset *token.FileSet
	info types.Info
}

func (c *copier) texts() (map[string]string, error) {
	p := c.packages[module+c.pkg]
	c.fset = token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.fset, filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	export := func(path string) (io.ReadCloser, error) { return os.Open(c.packages[path].Export) }
	config := types.Config{Importer: importer.ForCompiler(c.fset, "gc", export)}
	c.info = types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Uses: map[*ast.Ident]types.Object{}}
	if _, err := config.Check(p.ImportPath, c.fset, files, &c.info); err != nil {
		return nil, err
	}
	texts := map[string]string{}
	for _, f := range files {
		name := c.fset.Position(f.Pos()).Filename
		text, err := c.text(f, name)
		if err != nil {
			return nil, err
		}
		texts[name] = text
	}
	return texts, nil
}

// text returns the copy of a file. All stays on its line.
func (c *copier) text(f *ast.File, name string) (string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	r := &reporter{copier: c, addressed: map[ast.Expr]bool{}}
	r.put(f.Name.End(), f.Name.End(), "; import sim "+strconv.Quote(simPkg))
	for _, spec := range f.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		if slices.Contains(replaced, path) || slices.Contains(replacedWaits, path) && slices.Contains(waits, c.pkg) {
			r.put(spec.Path.Pos(), spec.Path.End(), path[strings.LastIndexByte(path, '/')+1:]+" "+strconv.Quote(simPkg))
		}
	}
	file := c.pkg + "/" + filepath.Base(name)
	for _, d := range f.Decls {
		if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil && file != ownStack {
			r.report(f.Body)
		}
	}
	copied := r.apply(string(text)) + "\nvar _ sim.Bool\n"
	for _, e := range c.edits {
		if e.file != file {
			continue
		}
		if n := strings.Count(copied, e.old); n != 1 {
			return "", fmt.Errorf("edit %s: it has %d times, want once: %s", file, n, e.old)
		}
		copied = strings.Replace(copied, e.old, e.new, 1)
	}
	return copied, nil
}

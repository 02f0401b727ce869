package main

import (
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// A reporter has the functions of a file report their plain accesses of memory to
// package sim: x.f becomes (*sim.Read(&x.f)), x.f = v becomes sim.Set(&x.f, v), and
// what writes otherwise *sim.Write(&x.f). Memory is what a pointer or a slice leads to;
// a variable of the function's own is not.
type reporter struct {
	*copier
	changes   []change
	addressed map[ast.Expr]bool // not loaded: the operand of &, a part of something larger, stored to
}

type change struct {
	from, to token.Pos
	text     string
}

func (r *reporter) put(from, to token.Pos, text string) {
	r.changes = append(r.changes, change{from, to, text})
}

// around puts text before an expression at once, and the other behind it later, when
// what is within has been done.
func (r *reporter) around(e ast.Expr, before, behind string) (after func()) {
	r.put(e.Pos(), e.Pos(), before)
	return func() { r.put(e.End(), e.End(), behind) }
}

func (r *reporter) apply(text string) string {
	slices.SortStableFunc(r.changes, func(a, b change) int { return int(a.from - b.from) })
	var out strings.Builder
	at := 0
	for _, c := range r.changes {
		from := r.fset.Position(c.from).Offset
		out.WriteString(text[at:from])
		out.WriteString(c.text)
		at = r.fset.Position(c.to).Offset
	}
	out.WriteString(text[at:])
	return out.String()
}

func (r *reporter) report(body ast.Node) {
	var after []func()
	ast.Inspect(body, func(n ast.Node) bool {
		if n == nil {
			if f := after[len(after)-1]; f != nil {
				f()
			}
			after = after[:len(after)-1]
			return true
		}
		f, inside := r.node(n)
		if inside {
			after = append(after, f)
		}
		return inside
	})
}

// node rewrites one node, and returns what is to be done after those within, and
// whether there is anything within.
func (r *reporter) node(n ast.Node) (after func(), inside bool) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		return r.assign(n), true
	case *ast.IncDecStmt:
		return r.store(n.X), true
	case *ast.RangeStmt:
		return r.loop(n), true
	case *ast.CallExpr:
		if r.info.Types[n].Value != nil {
			return nil, false
		}
		if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "copy" && r.info.Types[f].IsBuiltin() {
			r.put(f.Pos(), f.End(), "sim.Copy")
		}
		if f, ok := n.Fun.(*ast.SelectorExpr); ok && r.info.Types[f].IsBuiltin() {
			return nil, false // of package unsafe
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND {
			r.address(n.X)
		}
	case *ast.SliceExpr:
		r.part(n.X)
	case ast.Expr:
		if t := r.info.Types[n]; t.IsType() || t.Value != nil {
			return nil, false
		}
		r.partsOf(n)
		if !r.addressed[n] && r.isMemory(n) {
			return r.around(n, "(*sim.Read(&", "))"), true
		}
	}
	return nil, true
}

// partsOf sees to it that of x.y.z, and of x.y[i] in an array, no more is loaded than
// the whole expression, and of x.y.method() with a pointer receiver nothing.
func (r *reporter) partsOf(e ast.Expr) {
	switch e := e.(type) {
	case *ast.SelectorExpr:
		switch s := r.info.Selections[e]; {
		case s == nil:
		case s.Kind() == types.FieldVal:
			r.part(e.X)
		case isPointer(s.Obj().(*types.Func).Signature().Recv().Type()):
			r.part(e.X)
		}
	case *ast.IndexExpr:
		r.part(e.X)
	case *ast.ParenExpr:
		if r.addressed[e] {
			r.address(e.X)
		}
	}
}

// part is address for what is not itself a pointer, or a slice.
func (r *reporter) part(e ast.Expr) {
	switch r.info.TypeOf(e).Underlying().(type) {
	case *types.Pointer, *types.Slice, *types.Map, *types.Signature, *types.Interface:
	default:
		r.address(e)
	}
}

func (r *reporter) address(e ast.Expr) { r.addressed[e] = true }

// isMemory reports whether e is something in memory.
func (r *reporter) isMemory(e ast.Expr) bool {
	if !r.info.Types[e].Addressable() {
		return false
	}
	switch e := e.(type) {
	case *ast.StarExpr:
		return !isPrivate(r.info.TypeOf(e))
	case *ast.SelectorExpr:
		if s := r.info.Selections[e]; s == nil || s.Kind() != types.FieldVal {
			return false
		}
		if isPointer(r.info.TypeOf(e.X)) {
			return !isPrivate(r.info.TypeOf(e.X))
		}
		return r.isMemory(e.X)
	case *ast.IndexExpr:
		switch r.info.TypeOf(e.X).Underlying().(type) {
		case *types.Slice, *types.Pointer:
			return true
		case *types.Array:
			return r.isMemory(e.X)
		}
	case *ast.ParenExpr:
		return r.isMemory(e.X)
	}
	return false
}

func isPointer(t types.Type) bool {
	_, ok := t.Underlying().(*types.Pointer)
	return ok
}

// isPrivate reports whether t, or what it points to, stays on a stack.
func isPrivate(t types.Type) bool {
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	named, ok := types.Unalias(t).(*types.Named)
	return ok && slices.Contains(private, named.Obj().Pkg().Name()+"."+named.Obj().Name())
}

func (r *reporter) assign(a *ast.AssignStmt) (after func()) {
	if a.Tok == token.DEFINE {
		return nil
	}
	if a.Tok == token.ASSIGN && len(a.Lhs) == 1 {
		if !r.isMemory(a.Lhs[0]) {
			return nil
		}
		r.address(a.Lhs[0])
		r.put(a.Lhs[0].Pos(), a.Lhs[0].Pos(), "sim.Set(&")
		r.put(a.TokPos, a.TokPos+1, ",")
		return func() { r.put(a.End(), a.End(), ")") }
	}
	var all []func()
	for _, e := range a.Lhs {
		if f := r.store(e); f != nil {
			all = append(all, f)
		}
	}
	// Nothing within a left side reaches beyond it, so all can be closed at the end.
	return func() {
		for _, f := range all {
			f()
		}
	}
}

// store is for what is stored to by an operator, or together with others.
func (r *reporter) store(e ast.Expr) (after func()) {
	if !r.isMemory(e) {
		return nil
	}
	r.address(e)
	return r.around(e, "*sim.Write(&", ")")
}

// loop has a loop over the elements of a slice load them.
func (r *reporter) loop(l *ast.RangeStmt) (after func()) {
	switch r.info.TypeOf(l.X).Underlying().(type) {
	case *types.Slice:
		if l.Value != nil {
			return r.around(l.X, "sim.Range(", ")")
		}
	case *types.Array:
		if l.Value == nil {
			r.address(l.X)
		}
	}
	return nil
}

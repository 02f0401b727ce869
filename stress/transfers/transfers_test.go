package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTransfers builds the program once for all that is asked of it.
func TestTransfers(t *testing.T) {
	program := built(t)
	output := func(args ...string) string {
		var out bytes.Buffer
		require.NoError(t, simulate(t.Context(), &out, program, args...))
		return out.String()
	}
	// refs returns the median for an implementation in one group.
	refs := func(args ...string) func(group, impl string, column int) float64 {
		_, all := tables(output(args...))
		return func(group, impl string, column int) float64 {
			values := all[group].values[[2]string{impl, strconv.Itoa(column)}]
			require.NotEmpty(t, values, "%s %s %d", group, impl, column)
			slices.Sort(values)
			return values[len(values)/2]
		}
	}

	t.Run("a seed does the same each time", func(t *testing.T) {
		args := []string{"-only", "^BenchmarkLock/processors=(2|8)/|^BenchmarkUpdate/processors=8/|cap=16/", "-seeds", "2"}
		first := output(args...)
		require.Equal(t, first, output(args...))
		lines := strings.Split(first, "\n")
		require.NotEqual(t, lines[0], lines[1], "two seeds")
	})

	// The numbers are not times: they are the same wherever this runs.
	t.Run("a queue is constant and what spins at one word is linear", func(t *testing.T) {
		of := refs("-only", "^BenchmarkLock/processors=(4|64)/impl=(ferrule.mcs|textbook.(TTAS|MCS|Ticket))", "-seeds", "1")
		for _, impl := range []string{"ferrule.mcs.Lock", "textbook.MCS"} {
			require.LessOrEqual(t, of("Lock", impl, 64), 1.1*of("Lock", impl, 4), impl)
			require.LessOrEqual(t, of("Lock", impl, 64), 6.1, impl) // 6, and what was under way at the beginning
		}
		require.LessOrEqual(t, of("Lock", "ferrule.mcs.Mutex", 64), 1.1*of("Lock", "ferrule.mcs.Mutex", 4))
		for _, impl := range []string{"textbook.TTAS", "textbook.Ticket"} {
			require.GreaterOrEqual(t, of("Lock", impl, 64), 10*of("Lock", impl, 4), impl)
			require.GreaterOrEqual(t, of("Lock", impl, 64), 65.0, impl)
		}
	})

	t.Run("who reads its own line makes no reference, unless lines are larger than the pads", func(t *testing.T) {
		const readers = "^BenchmarkRead/processors=16/impl=(ferrule|textbook)"
		of := refs("-only", readers, "-seeds", "1")
		for _, impl := range []string{"ferrule.spinlock.BigReader", "ferrule.spinlock.Seq", "ferrule.rcu.Reader"} {
			require.Zero(t, of("Read", impl, 16), impl)
		}
		require.Greater(t, of("Read", "textbook.count", 16), 1.0)
		of = refs("-only", readers, "-seeds", "1", "-line", "2048")
		for _, impl := range []string{"ferrule.spinlock.BigReader", "ferrule.rcu.Reader"} {
			require.Greater(t, of("Read", impl, 16), 0.5, impl)
		}
	})

	t.Run("a ring for two moves each line of slots there and back, and little else", func(t *testing.T) {
		of := refs("-only", "cap=(1|1024)/", "-seeds", "1")
		for _, impl := range []string{"ferrule.spsc.Ring", "ferrule.spsc.Ring-32"} {
			require.InDelta(t, 2*8/64.0, of("SPSC", impl, 1024), 0.1, impl)
			require.EqualValues(t, 6, of("SPSC", impl, 1), impl)
		}
		require.Greater(t, of("SPSC", "textbook.Lamport", 1024), 1.5)
	})
}

// What is broken in the source is seen in the numbers.
func TestBrokenSource(t *testing.T) {
	broken := []struct {
		name, only string
		edit       edit
		want       func(refs float64) bool
	}{
		{"a waiter looks at the tail", "Lock/processors=16/impl=ferrule.mcs.Lock",
			edit{"mcs/lock.go", "		p.wait(nil)\n	}\n}", "		for p.state.Load() == waiting {\n			sim.Pause(8)\n			l.tail.Load()\n		}\n	}\n}"},
			func(refs float64) bool { return refs > 10 }},
		{"a reader counts itself in its lock", "Read/processors=16/impl=ferrule.spinlock.BigReader",
			edit{"spinlock/bigreader.go", "	n := r.own.count.Load()\n", "	n := r.own.count.Load()\n	sim.Write(&r.lock.moved)\n"},
			func(refs float64) bool { return refs > 0.5 }},
		{"a consumer looks every time", "SPSC/cap=1024/impl=ferrule.spsc.Ring-2",
			edit{"spsc/ring.go", "	if head == (*sim.Read(&r.cons.tail.seen)) && r.held(head) == 0 {", "	if r.held(head) == 0 {"},
			func(refs float64) bool { return refs > 0.5 }},
	}
	if testing.Short() {
		broken = broken[:1] // each has the library built anew
	}
	for _, m := range broken {
		t.Run(m.name, func(t *testing.T) {
			var out bytes.Buffer
			require.NoError(t, simulate(t.Context(), &out, built(t, m.edit), "-only", m.only, "-seeds", "1"))
			_, all := tables(out.String())
			found := 0
			for _, table := range all {
				for _, values := range table.values {
					require.True(t, m.want(values[0]), "%v", values)
					found++
				}
			}
			require.Equal(t, 1, found)
		})
	}
}

func built(t *testing.T, edits ...edit) (program string) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	program, err = build(t.Context(), root, t.TempDir(), edits...)
	require.NoError(t, err)
	return program
}

// A copy reports what is in memory and nothing else, each once, line by line.
func TestReported(t *testing.T) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	dir := t.TempDir()
	_, err = copyAll(t.Context(), root, dir, edits)
	require.NoError(t, err)
	has := func(file string, lines ...string) {
		text, err := os.ReadFile(filepath.Join(dir, file))
		require.NoError(t, err)
		for _, line := range lines {
			require.Contains(t, string(text), line)
		}
		original, err := os.ReadFile(filepath.Join(root, strings.Replace(file, "-", "/", 1)))
		require.NoError(t, err)
		kept := strings.Index(string(text), "\nvar _ sim.Bool")
		require.Equal(t, strings.Count(string(original), "\n"), strings.Count(string(text[:kept]), "\n"), file)
	}
	has("spsc-ring.go",
		"if tail-(*sim.Read(&r.prod.head.seen)) >= r.limit.Load() && r.room(tail) == 0 {",
		"sim.Set(&(*sim.Read(&r.slots))[tail&uint64(len((*sim.Read(&r.slots)))-1)] , v)",
		"gain := r.prod.head.look(&r.head, len((*sim.Read(&r.slots))));",
		"sim.Copy(b, vs[sim.Copy(a, vs):n])")
	has("mcs-lock.go",
		"if (*sim.Read(&n.place)).next.Load() == nil && l.tail.CompareAndSwap((*sim.Read(&n.place)), nil) {",
		"	p := n.enter(l)\n",
		"		p.join(ahead)\n")
	has("spinlock-bigreader.go", "for _, r := range sim.Range((*sim.Read(&l.readers))) {", "*sim.Write(&l.moved) += int64(r.own.count.Load())")
	has("spinlock-backoff.go", "	b.losses = min(b.losses+1, lastLoss)\n")
	has("spinlock-seq_unsafe.go", "to[i] = b.words()[i].Load()\n")
	has("spinlock-ticket.go", "	p.backoff.queue(p.mine - p.serving)\n")
}

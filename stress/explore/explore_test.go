package explore_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/stress/explore"
)

func build(t *testing.T, edits ...explore.Edit) (program string) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	program, err = explore.Build(t.Context(), root, t.TempDir(), edits...)
	require.NoError(t, err)
	return program
}

var write = flag.Bool("write", false, "search to the bounds of the scenarios, and write docs/exploration.md")

// The source as it is has no violation in any scenario, and a search does the same
// every time.
func TestClean(t *testing.T) {
	program := build(t)
	search := func(args ...string) string {
		out, err := exec.Command(program, args...).Output()
		require.NoError(t, err, "%s", out)
		require.NotContains(t, string(out), "unfinished")
		return string(out)
	}
	if *write {
		publish(t, search())
		return
	}
	few := []string{"-run", "^(spsc|eventcount|rcu/lock)"}
	require.Equal(t, search(few...), search(few...))
	if !testing.Short() {
		search("-memory", "SC", "-bound", "2")
		search("-memory", "TSO", "-bound", "0")
	}
}

// publish puts a table into the page.
func publish(t *testing.T, lines string) {
	const page, from, to = "../../docs/exploration.md", "<!-- table -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), from)
	_, after, also := strings.Cut(rest, to)
	require.True(t, ok && also)
	table := "| scenario | memory | searched | schedules | states with a choice | interleavings | longest, in steps |\n|---|---|---|---|---|---|---|\n"
	for line := range strings.Lines(lines) {
		table += "| " + strings.TrimSpace(line) + " |\n"
	}
	require.NoError(t, os.WriteFile(page, []byte(before+from+"\n"+table+"\n"+to+after), 0o600))
}

// A random schedule is found by its seed again, and a schedule by its text.
func TestReplay(t *testing.T) {
	program := build(t, mutants[0].edit)
	run := func(args ...string) string {
		out, err := exec.Command(program, append([]string{"-run", "^spsc/try$", "-memory", "SC"}, args...)...).Output()
		require.Error(t, err)
		return string(out)
	}
	found := run("-sample", "100", "-seed", "7")
	require.Equal(t, found, run("-sample", "100", "-seed", "7"))
	_, rest, ok := strings.Cut(found, "\nschedule ")
	require.True(t, ok, found)
	schedule, trace, _ := strings.Cut(rest, "\n")
	require.Contains(t, run("-replay", schedule), "spsc/try SC: data race")
	require.Contains(t, trace, "spsc/ring.go:")
}

// Each defect is found by the scenario named, in the memory named; where that is TSO,
// the Go memory model does not know it, and SC has no violation.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.name, " ", "_"), func(t *testing.T) {
			if testing.Short() {
				_, err := explore.Copy("../..", t.TempDir(), m.edit)
				require.NoError(t, err)
				return
			}
			t.Parallel()
			program := build(t, m.edit)
			in := func(memory string) (out string, found bool) {
				text, err := exec.Command(program, "-run", "^"+m.scenario+"$", "-memory", memory).CombinedOutput()
				return string(text), err != nil
			}
			out, found := in(m.memory)
			require.True(t, found, "not found:\n%s", out)
			require.Contains(t, out, m.says)
			require.Contains(t, out, "schedule ")
			if m.memory == "TSO" {
				out, found := in("SC")
				require.False(t, found, "%s", out)
			}
		})
	}
}

type mutant struct {
	name             string
	scenario, memory string
	says             string
	edit             explore.Edit
}

var mutants = []mutant{
	{"spsc value after counter", "spsc/try", "SC", "data race", explore.Edit{
		File: "spsc/ring.go",
		Old:  "	r.slots[tail&uint64(len(r.slots)-1)] = v\n	r.tail.publish(tail + 1) // A: release\n",
		New:  "	r.tail.publish(tail + 1)\n	r.slots[tail&uint64(len(r.slots)-1)] = v\n"}},
	{"spsc Close without a fence", "spsc/close", "TSO", "pushed 1 and popped 0", explore.Edit{
		File: "spsc/wait.go",
		Old:  "if !cpu.Membarrier() {", New: "if cpu.FetchLimit == 0 {"}},
	{"mpmc value after turn", "mpmc/try", "SC", "data race", explore.Edit{
		File: "mpmc/ring.go",
		Old:  "			r.values[i] = v\n			r.turns[i].publish(tail + full) // A: release\n",
		New:  "			r.turns[i].publish(tail + full)\n			r.values[i] = v\n"}},
	{"eventcount without a fence", "eventcount/wake", "TSO", "deadlock", explore.Edit{
		File: "internal/eventcount/eventcount.go",
		Old:  "	e.mu.Unlock()\n	fence()\n	return w\n",
		New:  "	e.mu.Unlock()\n	return w\n"}},
	{"eventcount without a last look", "eventcount/wake", "SC", "deadlock", explore.Edit{
		File: "internal/eventcount/eventcount.go",
		Old:  "		if look() {\n			w.Cancel()\n			return nil\n		}\n", New: ""}},
	{"mcs linked before it waits", "mcs.Lock", "SC", "deadlock", explore.Edit{
		File: "mcs/lock.go",
		Old:  "	cpu.Publish(&p.state, waiting)\n	ahead.next.Store(p) // B: release\n",
		New:  "	ahead.next.Store(p)\n	cpu.Publish(&p.state, waiting)\n"}},
	{"mcs state read before it is taken", "mcs.Lock", "SC", "deadlock", explore.Edit{
		File: "mcs/spot.go",
		Old:  "	was = s.state.Swap(state) // C: release\n",
		New:  "	was = s.state.Load()\n	s.state.Store(state)\n"}},
	{"rcu list taken before the period", "rcu/register", "SC", "data race", explore.Edit{
		File: "rcu/period.go",
		Old:  "		d.number = d.grace.Add(step) // B: release\n		d.registry.Lock()            // D\n		d.waited = d.readers\n		d.registry.Unlock()\n",
		New:  "		d.registry.Lock()\n		d.waited = d.readers\n		d.registry.Unlock()\n		d.number = d.grace.Add(step)\n"}},
	{"rcu period without a fence", "rcu/lock", "TSO", "data race", explore.Edit{
		File: "rcu/period.go",
		Old:  "			fence() // A\n", New: ""}},
	{"rcu driver sleeps without a fence", "rcu/lock", "TSO", "deadlock", explore.Edit{
		File: "rcu/period.go",
		Old:  "	defer r.forget()\n	fence()\n", New: "	defer r.forget()\n"}},
	{"BigReader writer without a fence", "spinlock.BigReader", "TSO", "data race", explore.Edit{
		File: "spinlock/bigreader.go",
		Old:  "	cpu.Membarrier() // D; true, or no Reader is plain\n", New: ""}},
	{"RWMutex reader looks once", "spinlock.RWMutex", "SC", "data race", explore.Edit{
		File: "spinlock/rwmutex.go",
		Old:  "	n.Add(1)           // D\n	if rw.readable() { // A: acquire; D\n",
		New:  "	n.Add(1)\n	if n != nil {\n"}},
	{"Ticket called one early", "spinlock.Ticket", "SC", "data race", explore.Edit{
		File: "spinlock/ticket.go",
		Old:  "	if t.serving.Load() != mine { // A: acquire\n		t.wait(mine, nil)",
		New:  "	if t.serving.Load()+1 < mine {\n		t.wait(mine, nil)"}},
	{"Seq reader never reads again", "spinlock.Seq", "SC", "read ", explore.Edit{
		File: "spinlock/seqlock.go",
		Old:  "{ return l.seq.Load() != seq } // E: acquire", New: "{ return false }"}},
}

package explore_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/stress/explore"
)

var full = flag.Bool("full", false, "search to the bounds of the scenarios, try every mutant, and write docs/exploration.md")

func build(t *testing.T, edits ...explore.Edit) (program string) {
	root, err := filepath.Abs("../..")
	require.NoError(t, err)
	program, err = explore.Build(t.Context(), root, t.TempDir(), edits...)
	require.NoError(t, err)
	return program
}

// The source as it is has no violation in any scenario, and a search does the same
// every time. Without -full, of each search only the beginning is made.
func TestClean(t *testing.T) {
	t.Parallel()
	program := build(t)
	search := func(t *testing.T, args ...string) string {
		out, err := exec.Command(program, args...).Output()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	few := []string{"-run", "^(spsc|eventcount/wake|rcu/lock)", "-limit", "100"}
	require.Equal(t, search(t, few...), search(t, few...))

	limit := "200"
	if *full {
		limit = "10000000"
	} else if testing.Short() {
		limit = "20"
	}
	var found [2]string
	t.Run("search", func(t *testing.T) {
		for i, memory := range []string{"SC", "TSO"} {
			t.Run(memory, func(t *testing.T) {
				t.Parallel()
				found[i] = search(t, "-memory", memory, "-limit", limit)
			})
		}
	})
	if *full && !t.Failed() {
		publish(t, "scenarios", "| scenario | memory | searched | schedules | states with a choice | interleavings | longest, in steps |\n|---|---|---|---|---|---|---|\n", byTurns(found))
	}
}

// byTurns takes a line of each by turns.
func byTurns(texts [2]string) (all string) {
	second := strings.SplitAfter(texts[1], "\n")
	for i, line := range strings.SplitAfter(texts[0], "\n") {
		all += line + second[i]
	}
	return all
}

// publish puts a table into the page.
func publish(t *testing.T, name, head, lines string) {
	const page = "../../docs/exploration.md"
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), "<!-- "+name+" -->\n")
	_, after, also := strings.Cut(rest, "<!-- end -->\n")
	require.True(t, ok && also)
	table := head
	for line := range strings.Lines(lines) {
		table += "| " + strings.TrimSpace(line) + " |\n"
	}
	require.NoError(t, os.WriteFile(page, []byte(before+"<!-- "+name+" -->\n\n"+table+"\n<!-- end -->\n"+after), 0o600))
}

// A random schedule is found by its seed again, and a schedule by its text.
func TestReplay(t *testing.T) {
	t.Parallel()
	m, err := explore.Find("published before it is written")
	require.NoError(t, err)
	program := build(t, m.Edit)
	run := func(args ...string) string {
		out, err := exec.Command(program, append([]string{"-run", "^spsc/try$", "-memory", "SC"}, args...)...).Output()
		require.Error(t, err)
		return string(out)
	}
	found := run("-sample", "100", "-seed", "7")
	require.Equal(t, found, run("-sample", "100", "-seed", "7"))
	schedule := regexp.MustCompile(`-replay (\S+)`).FindStringSubmatch(found)
	require.NotNil(t, schedule, found)
	again := run("-replay", schedule[1])
	require.Contains(t, again, "data race")
	require.Contains(t, again, "spsc/ring.go:")
	require.Contains(t, again, "tail := r.tail.Load() // our own word", "the source is not shown")
}

func ExampleMutant() {
	m, err := explore.Find("linked before it waits")
	fmt.Println(m.Scenario, m.Memory, m.Edit.File, err)
	// Output: mcs.Lock SC mcs/lock.go <nil>
}

// Each defect is found by the scenario named, in the memory named; where that is TSO,
// SC has no violation. Those that do not meet are built together, and without -full
// only as many as one program holds.
func TestMutants(t *testing.T) {
	var found []string
	t.Run("all", func(t *testing.T) {
		for i, together := range programs() {
			var edits []explore.Edit
			for _, m := range together {
				edits = append(edits, m.Edit)
			}
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				if !*full && (i > 0 || testing.Short()) {
					_, err := explore.Copy("../..", t.TempDir(), edits...)
					require.NoError(t, err)
					return
				}
				t.Parallel()
				program := build(t, edits...)
				for _, m := range together {
					t.Run(m.Name, func(t *testing.T) { found = append(found, try(t, program, m)) })
				}
			})
		}
	})
	if *full && !t.Failed() {
		slices.SortFunc(found, func(a, b string) int { return place(a) - place(b) })
		publish(t, "defects", "| defect | scenario | memory | executions | how it shows | schedule |\n|---|---|---|---|---|---|\n", strings.Join(found, "\n"))
	}
}

// place returns where in the list the mutant is whose line it is.
func place(line string) int {
	return slices.IndexFunc(explore.Mutants, func(m explore.Mutant) bool { return strings.HasPrefix(line, m.Name+" |") })
}

var violation = regexp.MustCompile(`violation after (\d+) executions: (.*)\nschedule (\S+)\n`)

// try has a program find a mutant, and returns a line for the table.
func try(t *testing.T, program string, m explore.Mutant) string {
	in := func(memory, limit string) (out string, found bool) {
		text, err := exec.Command(program, "-run", "^"+m.Scenario+"$", "-memory", memory, "-limit", limit).CombinedOutput()
		return string(text), err != nil
	}
	out, found := in(m.Memory, "20000")
	require.True(t, found, "not found:\n%s", out)
	v := violation.FindStringSubmatch(out)
	require.NotNil(t, v, out)
	require.Contains(t, v[2], m.Says)
	if m.Memory == "TSO" {
		out, found := in("SC", "2000")
		require.False(t, found, "%s", out)
	}
	line := strings.Join([]string{m.Name, m.Scenario, m.Memory, v[1], shown(v[2]), "`" + v[3] + "`"}, " | ")
	t.Log(line)
	return line
}

// shown is what a table says of a violation.
func shown(what string) string {
	what, _, _ = strings.Cut(what, " (reported above)")
	return strings.ReplaceAll(what, "|", "/")
}

// programs puts mutants together that know nothing of each other.
func programs() (all [][]explore.Mutant) {
	meets := func(m explore.Mutant) func(explore.Mutant) bool {
		return func(n explore.Mutant) bool {
			return m.Scenario == n.Scenario || uses(m.Scenario, n.Edit.File) || uses(n.Scenario, m.Edit.File)
		}
	}
next:
	for _, m := range explore.Mutants {
		for i := range all {
			if !slices.ContainsFunc(all[i], meets(m)) {
				all[i] = append(all[i], m)
				continue next
			}
		}
		all = append(all, []explore.Mutant{m})
	}
	return all
}

// uses reports whether a scenario runs what is in a file.
func uses(scenario, file string) bool {
	for begins, files := range map[string]string{
		"spinlock.Mutex":     "spinlock/mutex.go",
		"spinlock.Ticket":    "spinlock/ticket.go",
		"spinlock.RWMutex":   "spinlock/rwmutex.go spinlock/phases.go spinlock/ticket.go",
		"spinlock.BigReader": "spinlock/bigreader.go spinlock/phases.go spinlock/ticket.go",
		"spinlock.Seq":       "spinlock/seqlock.go spinlock/seq_unsafe.go spinlock/mutex.go",
		"mcs.Lock":           "mcs/lock.go mcs/spot.go",
		"mcs.Mutex":          "mcs/mutex.go mcs/spot.go",
		"rcu":                "rcu/",
		"eventcount":         "internal/eventcount/",
		"spsc":               "spsc/ internal/eventcount/",
		"mpmc":               "mpmc/ internal/eventcount/",
		"pktbuf":             "pktbuf/ mpmc/ internal/eventcount/",
	} {
		if strings.HasPrefix(scenario, begins) {
			return slices.ContainsFunc(strings.Fields(files), func(f string) bool { return strings.HasPrefix(file, f) })
		}
	}
	panic("what scenario " + scenario + " uses is not known")
}

// Kill breaks Ferrule's primitives on purpose, one defect at a time, and has the
// trials of package stress find out: a trial that finds nothing wrong in a ring that
// loses values is worth nothing. It writes the table docs/kill-table.md.
//
//	go run ./stress/kill
//
// Each defect is built into a copy of this program, by an overlay of the one file it
// is in, and the copy runs the trial.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"github.com/ferrule-go/ferrule/stress"
)

// A mutant is a defect: in a file, where old occurs once, there is new.
type mutant struct {
	name     string
	file     string // from the top of the module
	old, new string
	trial    string // that is to catch it
	race     bool   // under the race detector

	survives string // why it may not be caught
}

func main() {
	var (
		trial = flag.String("trial", "", "run this trial until the first violation, and nothing else")
		limit = flag.Duration("limit", 30*time.Second, "how long a trial has to catch a mutant")
		only  = flag.String("only", "", "a regular expression: the trials whose mutants are done anew; of others the table keeps what it has")
		out   = flag.String("o", "docs/kill-table.md", "the table")
	)
	flag.Parse()
	var err error
	if *trial != "" {
		err = torture(*trial, *limit)
	} else {
		err = table(*out, regexp.MustCompile(*only), *limit)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// patience is how long a trial may stand still here. No trial of what is whole comes
// near it in vain, and a mutant that is taken for dead a little early is dead.
const patience = 4 * time.Second

// torture is what the copy with the defect does.
func torture(trial string, limit time.Duration) error {
	r, err := stress.Run(context.Background(), stress.Options{
		Seed: 1, Only: []string{trial}, Duration: limit, Patience: patience, FailFast: true,
	})
	if err == nil && r.Violations > 0 {
		err = errors.New(r.Trials[0].Messages[0])
	}
	return err
}

// table does the mutants whose trials are selected, and those that the table lacks. It
// writes it after each, so that it can be interrupted and goes on another time.
func table(path string, only *regexp.Regexp, limit time.Duration) error {
	before, _ := os.ReadFile(path)
	lines := make(map[string]string)
	for line := range strings.Lines(string(before)) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " | "); ok {
			lines[name] = line
		}
	}
	var wrong []string
	for _, m := range mutants {
		if lines[m.name] != "" && !only.MatchString(m.trial) {
			continue
		}
		v, err := m.try(limit)
		if err != nil {
			return err
		}
		if !v.caught && m.survives == "" {
			wrong = append(wrong, m.name)
		}
		lines[m.name] = m.line(v)
		fmt.Print(lines[m.name])
		text := fmt.Sprintf(preface, patience, limit, runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH, runtime.Version())
		for _, m := range mutants {
			text += lines[m.name]
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	if wrong != nil {
		return fmt.Errorf("kill: not as expected: %s", strings.Join(wrong, "; "))
	}
	return nil
}

const preface = `# The kill table

Each line is a defect built into the library on purpose, and the trial of package
stress that found it. The times are those of one run, from the start of the trial to the
violation; "race" says that the race detector was on. Where goroutines wait for what
never comes, %v of the time are those after which that is believed. Those that survive
are explained.

Made by ` + "`go run ./stress/kill -limit %v`" + ` on %d processors of %s (%s/%s, %s); a handful
is tried by every ` + "`go test ./stress/kill`" + `.

| defect | in | trial | within | how it shows |
|---|---|---|---|---|
`

// processor returns the name of the processor, as far as it is to be had.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	if m := regexp.MustCompile(`(?m)^model name\s*:\s*(.+)$`).FindSubmatch(info); m != nil {
		return string(m[1])
	}
	return "an unknown processor"
}

func (m mutant) line(v verdict) string {
	within, how := fmt.Sprintf("%.1f s", v.after.Seconds()), v.how
	if !v.caught {
		within, how = "survives", m.survives
	}
	trial := m.trial
	if m.race {
		trial += ", race"
	}
	return fmt.Sprintf("| %s | %s | %s | %s | %s |\n", m.name, m.file, trial, within, how)
}

// A verdict is what became of a mutant.
type verdict struct {
	caught bool
	after  time.Duration
	how    string
}

// try builds a mutant and has its trial run.
func (m mutant) try(limit time.Duration) (verdict, error) {
	dir, err := os.MkdirTemp("", "kill")
	if err != nil {
		return verdict{}, err
	}
	defer os.RemoveAll(dir)
	program, err := build(dir, m)
	if err != nil {
		return verdict{}, err
	}
	return m.run(program, limit), nil
}

// run has the trial of a mutant run in a program that has the defect.
func (m mutant) run(program string, limit time.Duration) verdict {
	// It ends by itself, unless it hangs so that not even its timers run.
	ctx, stop := context.WithTimeout(context.Background(), limit+3*patience)
	defer stop()
	run := exec.CommandContext(ctx, program, "-trial", m.trial, "-limit", limit.String())
	run.Env = append(os.Environ(), "GORACE=halt_on_error=1")
	began := time.Now()
	out, err := run.CombinedOutput()
	v := verdict{caught: err != nil, after: time.Since(began), how: how(string(out))}
	if ctx.Err() != nil {
		v.how = "the program hangs"
	}
	return v
}

// how says in one line what a run that failed has said.
func how(out string) string {
	if strings.Contains(out, "WARNING: DATA RACE") {
		return "data race"
	}
	line, _, _ := strings.Cut(strings.TrimSpace(out), "\n")
	line = strings.NewReplacer("|", "/", "<", "", ">", "").Replace(line)
	if len(line) > 100 {
		line = line[:100] + "..."
	}
	return line
}

// build makes a copy of this program with the defects in it, which are in files of
// their own.
func build(dir string, defects ...mutant) (program string, err error) {
	top, err := top()
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "kill")
	args := []string{"build", "-o", program, "-ldflags=-s -w"}
	replace := make(map[string]string)
	for i, m := range defects {
		broken, err := m.apply(top)
		if err != nil {
			return "", err
		}
		replacement := filepath.Join(dir, fmt.Sprintf("broken%d.go", i))
		if err := os.WriteFile(replacement, broken, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(top, m.file)] = replacement
		if m.race {
			args = append(args, "-race")
		}
	}
	overlay := filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, list, 0o600); err != nil {
		return "", err
	}
	build := exec.Command("go", append(args, "-overlay", overlay, "./stress/kill")...)
	build.Dir = top
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("kill: build with %q: %w\n%s", defects[0].name, err, out)
	}
	return program, nil
}

// apply returns the file with the defect.
func (m mutant) apply(top string) ([]byte, error) {
	source, err := os.ReadFile(filepath.Join(top, m.file))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(source, []byte(m.old)); n != 1 || m.old == m.new {
		return nil, fmt.Errorf("kill: %q: %s has %d times, want once:\n%s", m.name, m.file, n, m.old)
	}
	return bytes.Replace(source, []byte(m.old), []byte(m.new), 1), nil
}

// top returns the directory of the module.
func top() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	return strings.TrimSpace(string(out)), err
}

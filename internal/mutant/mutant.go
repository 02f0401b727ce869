// Package mutant breaks code on purpose and wants a test to see it: a test that
// passes whatever the code does proves nothing.
package mutant

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A Mutant is one defect of the package whose test runs, and the test that
// catches it.
type Mutant struct {
	Name     string // the defect in a few words
	File     string // relative to the package
	Old, New string // Old occurs in File exactly once; New takes its place

	// Caught is the name of the test that fails, or of its subtest, with slashes.
	// It has to fail under the race detector if Race is set.
	Caught string
	Race   bool
	Tags   string // that the test is built with
}

// limit is how long a broken test may run before it counts as one that hangs.
// Being seen to hang is being caught, but a test that gives up by itself is
// sooner done.
const limit = 20 * time.Second

// all is whether the environment asks for the runs: each costs a build and a run.
var all = os.Getenv("FERRULE_MUTANTS") == "all"

// Test wants each mutant to fit the source. If the environment says
// FERRULE_MUTANTS=all it also builds the tests of the package in the current
// directory anew for each, without touching the source (go test -overlay), and
// wants the named tests to fail.
func Test(t *testing.T, mutants []Mutant) {
	for _, m := range mutants {
		t.Run(strings.ReplaceAll(m.Name, " ", "_"), func(t *testing.T) {
			broken := m.apply(t)
			if all {
				t.Parallel()
				m.run(t, broken)
			}
		})
	}
}

// apply returns the source with the defect.
func (m Mutant) apply(t *testing.T) string {
	source, err := os.ReadFile(m.File)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.Old); n != 1 || m.Old == m.New {
		t.Fatalf("%s has %d times, want once:\n%s", m.File, n, m.Old)
	}
	return strings.Replace(string(source), m.Old, m.New, 1)
}

func (m Mutant) run(t *testing.T, broken string) {
	args := []string{"test", "-overlay", m.overlay(t, broken), "-count=1", "-vet=off", "-ldflags=-s -w",
		"-timeout", limit.String(), "-run", pattern(m.Caught), "-tags", m.Tags}
	if m.Race {
		args = append(args, "-race")
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute) // the build included
	defer stop()
	test := exec.CommandContext(ctx, "go", args...)
	test.Env = append(os.Environ(), "GOFLAGS=", "FERRULE_MUTANTS=")
	out, err := test.CombinedOutput()
	if err == nil {
		t.Fatalf("%s passes:\n%s", m.Caught, out)
	}
	if !caught(m.Caught).Match(out) {
		t.Fatalf("%s does not fail, something else does: %v\n%s", m.Caught, err, out)
	}
}

// overlay returns the name of a file that tells the go command what to read in
// place of m.File.
func (m Mutant) overlay(t *testing.T, broken string) string {
	original, err := filepath.Abs(m.File)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replacement := filepath.Join(dir, filepath.Base(m.File))
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	overlay := filepath.Join(dir, "overlay.json")
	for name, text := range map[string]string{replacement: broken, overlay: string(list)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return overlay
}

// pattern is what -run wants for one test or subtest and no other.
func pattern(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// caught matches the output of a test that failed, crashed or hung. A build that
// failed shows none of that.
func caught(test string) *regexp.Regexp {
	name, _, _ := strings.Cut(test, "/")
	return regexp.MustCompile(`--- FAIL: ` + name + `\b|(?s)(panic|fatal error): .*\b` + name + `\b`)
}

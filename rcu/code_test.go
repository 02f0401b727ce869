package rcu_test

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the compiler for amd64 makes of a section is read. In a caller's code it is
// a few instructions without a call, and what the section loads it loads after
// the store that begins it and before the store that ends it: the driver's fence
// orders the processors and not the compiler.
func TestSectionInCallersCode(t *testing.T) {
	build := exec.Command("go", "build", "-gcflags=-S", "./testdata/probe")
	build.Env = append(os.Environ(), "GOFLAGS=", "GOOS="+runtime.GOOS, "GOARCH=amd64")
	listing, err := build.CombinedOutput()
	require.NoError(t, err, "%s", listing)

	for name, want := range map[string]string{
		"Section": "begin load load end awaited",
		"Turn":    "load load end awaited",
	} {
		var events []string
		for _, i := range code(t, string(listing), name) {
			switch {
			case call.MatchString(i):
				require.Regexp(t, `runtime\.(chansend1|gopanic|morestack_noctxt)`, i, "%s calls", name)
			case exchange.MatchString(i):
				require.Regexp(t, `type\.go`, i, "only where the reader fences")
			case publish.MatchString(i) && len(events) == 0 && strings.HasPrefix(want, "begin"):
				events = append(events, "begin")
			case publish.MatchString(i):
				events = append(events, "end")
			case pointer.MatchString(i), word.MatchString(i):
				events = append(events, "load")
			case awaited.MatchString(i):
				events = append(events, "awaited")
			}
		}
		require.Equal(t, want, strings.Join(events, " "), name)
	}
}

var (
	call     = regexp.MustCompile(`\tCALL\t`)
	exchange = regexp.MustCompile(`\tXCHGQ\t`)
	publish  = regexp.MustCompile(`publish_amd64_unsafe\.go:\d+\)\tMOVQ\t\S+, \d+\([A-Z]+\)`)
	pointer  = regexp.MustCompile(`(atomic/type|rcu/pointer)\.go:\d+\)\tMOVQ\t\([A-Z]+\), `) // by release of Go, one or the other
	word     = regexp.MustCompile(`probe\.go:\d+\)\tADDQ\t\([A-Z]+\)\(`)
	awaited  = regexp.MustCompile(`atomic/type\.go:\d+\)\tMOVL\t\d+\([A-Z]+\), `)
)

// code returns the instructions of the function in a listing.
func code(t *testing.T, listing, function string) (instructions []string) {
	found := false
	for line := range strings.Lines(listing) {
		if !strings.HasPrefix(line, "\t") {
			found = strings.Contains(line, "/probe."+function+" STEXT")
		} else if found {
			instructions = append(instructions, line)
		}
	}
	require.NotEmpty(t, instructions)
	return instructions
}

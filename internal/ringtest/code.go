package ringtest

import (
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

var (
	method = regexp.MustCompile(`^\S+/(\w+\.\(\*Ring\[go\.shape\.\S+\]\)\.(\w+)) STEXT`)
	call   = regexp.MustCompile(`\tCALL\t(\S+)\(SB\)`)
	// A store by cpu.Publish, and not a register put on the stack.
	publish = regexp.MustCompile(`publish_amd64_unsafe\.go:\d+\)\tMOVQ\t\w+, (?:\d+)?\([A-Z]\w+\)`)
	// The calls that may remain: off the fast path, or for more than one word.
	mayCall = regexp.MustCompile(`\.Lost$|internal/cpu\.pause$|\(\*view\)\.look$|\]\)\.(TryPush|TryPop|push|pop|claim|room|held|reserve|peek|wakePushers|wakePoppers)$|\(\*Event\)\.wake$|^runtime\.(memmove|morestack_noctxt|panic\w+|gcWriteBarrier\d|typedslicecopy|wbMove)$`)
)

// Inlined reads the code that the compiler for amd64 makes of testdata/probe.
// What a program calls is an instance of the ring that was compiled with the
// program. There, too, a push and a pop have to be a few instructions that
// publish by one MOV, with neither an XCHG nor a call to anything so small as a
// compare-and-swap. The methods named are those that
// publish, each as often as it is named.
func Inlined(t *testing.T, publishers ...string) {
	build := exec.Command("go", "build", "-gcflags=-S", "./testdata/probe")
	build.Env = append(os.Environ(), "GOFLAGS=", "GOOS="+runtime.GOOS, "GOARCH=amd64")
	listing, err := build.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", build, err, listing)
	}

	published := make(map[string]int)
	name := ""
	for text := range strings.Lines(string(listing)) {
		if m := method.FindStringSubmatch(text); m != nil && slices.Contains(publishers, m[2]) {
			name = m[1]
			published[name] = 0
		} else if !strings.HasPrefix(text, "\t") {
			name = ""
		}
		if name == "" {
			continue
		}
		if publish.MatchString(text) {
			published[name]++
		}
		if m := call.FindStringSubmatch(text); m != nil && !mayCall.MatchString(m[1]) {
			t.Errorf("%s calls %s", name, m[1])
		}
		if strings.Contains(text, "\tXCHGQ\t") {
			t.Errorf("%s: %s", name, strings.TrimSpace(text))
		}
	}
	want := make(map[string]int)
	for _, name := range publishers {
		want[name]++
	}
	if len(published) != 2*len(want) {
		t.Errorf("found the code of %d methods, want %v for each of 2 types: %v", len(published), want, published)
	}
	for name, n := range published {
		if n != want[name[strings.LastIndex(name, ".")+1:]] {
			t.Errorf("%s has %d publishing stores, want %v", name, n, want)
		}
	}
}

//go:build amd64 && !race

package cpu_test

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The compiler promises no order of plain stores, so what it made is read: no
// access to a slot may run after the store that gives the slot away.
func TestPublishingStoreComesLast(t *testing.T) {
	for tags, store := range map[string]string{"": "MOVQ", "ferrule_strict": "XCHGQ"} {
		t.Run("tags="+tags, func(t *testing.T) {
			for name, code := range compileProbe(t, tags) {
				err := checkOrder(code, store)
				if strings.HasSuffix(name, "TooLate") {
					require.ErrorContains(t, err, "comes after", "%s is wrong and must be seen to be", name)
				} else {
					require.NoError(t, err, name)
				}
			}
		})
	}
}

// instruction is one line of the compiler's listing.
type instruction struct {
	pc       int
	pos      string // file:line
	op, args string
	slot     bool // its source line is marked as an access to a slot
}

func (i instruction) String() string {
	return fmt.Sprintf("%s %s at %d, %s", i.op, i.args, i.pc, i.pos)
}

// publishes tells a publishing store by its source line, which is in publish or
// in atomic.Uint64.Store, and by its last operand, which is memory.
func (i instruction) publishes() bool {
	return (strings.HasPrefix(i.pos, "publish_") || strings.HasPrefix(i.pos, "type.go:")) &&
		strings.HasSuffix(i.args, ")")
}

// touchesSlot leaves out what moves between registers and the stack.
func (i instruction) touchesSlot() bool {
	memory := strings.Contains(i.args, "(") && !strings.Contains(i.args, "(SP)") && !strings.HasPrefix(i.op, "LEA")
	return i.slot && (memory || i.op == "CALL")
}

// checkOrder returns an error unless code has one publishing store, made with
// op, and no way leads from it to an access to a slot.
func checkOrder(code []instruction, op string) error {
	at := make(map[int]int) // index by pc; of several at one pc all but the last are empty
	publish, touches := -1, 0
	for n, i := range code {
		at[i.pc] = n
		if i.touchesSlot() {
			touches++
		}
		if i.publishes() {
			if publish >= 0 {
				return fmt.Errorf("two publishing stores: %v; %v", code[publish], i)
			}
			publish = n
		}
	}
	switch {
	case publish < 0:
		return fmt.Errorf("no publishing store")
	case code[publish].op != op:
		return fmt.Errorf("publishing store is %v, want %s", code[publish], op)
	case touches == 0:
		return fmt.Errorf("no access to a slot")
	}

	seen := make(map[int]bool)
	for todo := []int{publish + 1}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] || n == len(code) {
			continue
		}
		seen[n] = true

		i := code[n]
		if i.touchesSlot() {
			return fmt.Errorf("%v comes after %v", i, code[publish])
		}
		if i.op[0] == 'J' {
			pc, err := strconv.Atoi(i.args)
			if err != nil {
				return fmt.Errorf("jump %v: %w", i, err)
			}
			todo = append(todo, at[pc])
		}
		if i.op != "JMP" && i.op != "RET" {
			todo = append(todo, n+1)
		}
	}
	return nil
}

var (
	function = regexp.MustCompile(`^\S+/probe\.(P\w+) STEXT`)
	line     = regexp.MustCompile(`^\t0x[0-9a-f]+ (\d+) \((.*)\)\t([A-Z]\w*)\t?(.*)$`)
)

// compileProbe returns the code of each exported function of testdata/probe.
func compileProbe(t *testing.T, tags string) map[string][]instruction {
	source, err := os.ReadFile("testdata/probe/probe.go")
	require.NoError(t, err)
	slots := make(map[string]bool)
	for n, text := range strings.Split(string(source), "\n") {
		slots[fmt.Sprintf("probe.go:%d", n+1)] = strings.HasSuffix(text, "// slot")
	}

	build := exec.Command("go", "build", "-tags", tags, "-gcflags=-S", "./testdata/probe")
	build.Env = append(os.Environ(), "GOFLAGS=", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	listing, err := build.CombinedOutput()
	require.NoError(t, err, "%s", listing)

	functions := make(map[string][]instruction)
	name := ""
	for text := range strings.Lines(string(listing)) {
		text = strings.TrimRight(text, "\n")
		if m := function.FindStringSubmatch(text); m != nil {
			name = m[1]
		} else if m := line.FindStringSubmatch(text); m != nil && name != "" {
			pc, err := strconv.Atoi(m[1])
			require.NoError(t, err, text)
			pos := path.Base(m[2])
			functions[name] = append(functions[name],
				instruction{pc: pc, pos: pos, op: m[3], args: m[4], slot: slots[pos]})
		} else if !strings.HasPrefix(text, "\t") {
			name = "" // a function that is not ours
		}
	}
	require.Len(t, functions, 10, "functions of the probe")
	return functions
}

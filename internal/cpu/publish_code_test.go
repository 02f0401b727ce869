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
// access to a slot may run after the store that gives the slot away. That is so
// in the probe and in the real ring, and is seen not to be where the probe is
// wrong. A push of the real ring also publishes its claim, earlier.
func TestPublishingStoreComesLast(t *testing.T) {
	for tags, store := range map[string]string{"": "MOVQ", "ferrule_strict": "XCHGQ"} {
		t.Run("tags="+tags, func(t *testing.T) {
			for name, code := range compile(t, tags, probe) {
				err := checkOrder(code, store)
				if strings.HasSuffix(name, "TooLate") {
					require.ErrorContains(t, err, "comes after", "%s is wrong and must be seen to be", name)
				} else {
					require.NoError(t, err, name)
				}
			}
			for name, code := range compile(t, tags, spscRing) {
				require.NoError(t, checkOrder(code, store), name)
			}
		})
	}
}

// A subject is code to be read.
type subject struct {
	pkg       string         // what to compile
	functions *regexp.Regexp // which of its functions to read
	count     int            // how many they are
	source    string         // the file they are in
	slot      *regexp.Regexp // the lines of it that access a slot
}

var (
	probe = subject{
		pkg:       "./testdata/probe",
		functions: regexp.MustCompile(`^\S+/probe\.(P\w+) STEXT`),
		count:     10,
		source:    "testdata/probe/probe.go",
		slot:      regexp.MustCompile(`// slot$`),
	}
	spscRing = subject{
		pkg:       "./testdata/spsc",
		functions: regexp.MustCompile(`^\S+/spsc\.\(\*Ring\[(go\.shape\..*\]\)\.(?:TryPush|TryPop|push|pop)) STEXT`),
		count:     8, // four for each of two instances
		source:    "../../spsc/ring.go",
		slot:      regexp.MustCompile(`\*slot\b|slots\[.*\] = |copy\(|zero\(`),
	}
)

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

// memory reports whether an operand is memory other than the stack.
func memory(operands string) bool {
	return strings.Contains(operands, "(") && !strings.Contains(operands, "(SP)")
}

// publishes tells a publishing store by its source line, which is in publish or
// in atomic.Uint64.Store, and by its last operand, which is memory.
func (i instruction) publishes() bool {
	last := i.args[strings.LastIndex(i.args, ", ")+1:]
	return (strings.HasPrefix(i.pos, "publish_") || strings.HasPrefix(i.pos, "type.go:")) && memory(last)
}

// touchesSlot leaves out what moves between registers and the stack.
func (i instruction) touchesSlot() bool {
	return i.slot && (i.op == "CALL" || memory(i.args) && !strings.HasPrefix(i.op, "LEA"))
}

// checkOrder returns an error unless code has a publishing store, all are made with
// op, and no way leads from the last one to an access to a slot.
func checkOrder(code []instruction, op string) error {
	at := make(map[int]int) // index by pc; of several at one pc all but the last are empty
	publish, touches := -1, 0
	for n, i := range code {
		at[i.pc] = n
		if i.touchesSlot() {
			touches++
		}
		if i.publishes() {
			if i.op != op {
				return fmt.Errorf("publishing store is %v, want %s", i, op)
			}
			publish = n
		}
	}
	switch {
	case publish < 0:
		return fmt.Errorf("no publishing store")
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

var listed = regexp.MustCompile(`^\t0x[0-9a-f]+ (\d+) \((.*)\)\t([A-Z]\w*)\t?(.*)$`)

// compile returns the code of the functions of s.
func compile(t *testing.T, tags string, s subject) map[string][]instruction {
	source, err := os.ReadFile(s.source)
	require.NoError(t, err)
	slots := make(map[string]bool)
	for n, text := range strings.Split(string(source), "\n") {
		slots[fmt.Sprintf("%s:%d", path.Base(s.source), n+1)] = s.slot.MatchString(text)
	}

	build := exec.Command("go", "build", "-tags", tags, "-gcflags=-S", s.pkg)
	build.Env = append(os.Environ(), "GOFLAGS=", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	listing, err := build.CombinedOutput()
	require.NoError(t, err, "%s", listing)

	functions := make(map[string][]instruction)
	name := ""
	for text := range strings.Lines(string(listing)) {
		text = strings.TrimRight(text, "\n")
		if m := s.functions.FindStringSubmatch(text); m != nil {
			name = m[1]
		} else if m := listed.FindStringSubmatch(text); m != nil && name != "" {
			pc, err := strconv.Atoi(m[1])
			require.NoError(t, err, text)
			pos := path.Base(m[2])
			functions[name] = append(functions[name],
				instruction{pc: pc, pos: pos, op: m[3], args: m[4], slot: slots[pos]})
		} else if !strings.HasPrefix(text, "\t") {
			name = "" // a function of no interest
		}
	}
	require.Equal(t, s.count, len(functions), "functions of %s", s.pkg)
	return functions
}

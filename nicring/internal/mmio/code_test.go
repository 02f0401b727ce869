package mmio_test

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What reaches a device is what is in the code, so the code is read, that of
// both architectures wherever the test runs.

// Each access is one instruction, none that reads when it should write, and
// stands on its side of its barrier.
func TestOneAccessAndItsBarrier(t *testing.T) {
	for arch, want := range map[string]map[string][]string{
		"amd64": {
			"load":         {"MOVL (AX), AX"},
			"store":        {"MOVL CX, (AX)"},
			"readBarrier":  nil,
			"writeBarrier": nil,
		},
		"arm64": {
			"load":         {"MOVWU (R0), R1", "DMB $1"},
			"store":        {"DMB $2", "MOVW R1, (R0)"},
			"readBarrier":  {"DMB $1"},
			"writeBarrier": {"DMB $2"},
		},
	} {
		code := compile(t, arch, ".", "-asmflags=-S")
		for function, want := range want {
			require.Contains(t, code, function, arch)
			require.Equal(t, want, code[function], "%s %s", arch, function)
		}
	}
}

// The compiler neither merges nor drops nor moves a register access, and keeps
// accesses to memory on their sides of a barrier.
func TestCompilerKeepsEveryAccess(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		code := compile(t, arch, "./testdata/probe", "-gcflags=-S")
		require.Equal(t, []string{"Write32", "Write32", "Read32", "Read32", "Read32"}, kinds(code["Registers"]), arch)
		require.Equal(t, []string{"store", "writeBarrier", "store", "load", "readBarrier", "load"}, kinds(code["Descriptors"]), arch)
	}
}

var (
	function = regexp.MustCompile(`^\S+/(?:mmio|probe)\.(\w+) STEXT`)
	line     = regexp.MustCompile(`^\t0x[0-9a-f]+ \d+ \(.*\)\t([A-Z][\w.]*)\t?(.*)$`)

	// What neither touches memory nor orders it, and what touches only the
	// stack, the processor's own memory.
	idle  = regexp.MustCompile(`^(TEXT|PCDATA|FUNCDATA|NOP|HINT|RET|JMP|J?B?LS|XORL|XORPS|MOV\w+ \$\d+, \w+$|XCHGL AX, AX$)`)
	stack = regexp.MustCompile(`\((SP|RSP|FP|TLS)\)|\bRSP\b|\bSP\b|16\(g\)`)
	data  = regexp.MustCompile(`\(\w+\)`)
)

// compile returns the instructions of each function that access memory other
// than the stack, order such accesses, or call.
func compile(t *testing.T, arch, pkg, list string) map[string][]string {
	_, err := os.ReadDir(pkg) // or a cached result would hide a change to another architecture's file
	require.NoError(t, err)
	build := exec.Command("go", "build", list, pkg)
	build.Env = append(os.Environ(), "GOFLAGS=", "GOOS=linux", "GOARCH="+arch, "CGO_ENABLED=0")
	listing, err := build.CombinedOutput()
	require.NoError(t, err, "%s", listing)

	functions := make(map[string][]string)
	name := ""
	for text := range strings.Lines(string(listing)) {
		text = strings.TrimRight(text, "\n")
		if m := function.FindStringSubmatch(text); m != nil {
			name = m[1]
			functions[name] = nil
		} else if m := line.FindStringSubmatch(text); m != nil && name != "" {
			code := strings.TrimSpace(m[1] + " " + m[2])
			call := m[1] == "CALL" && !strings.Contains(m[2], "morestack")
			if call || m[1] != "CALL" && !idle.MatchString(code) && !stack.MatchString(code) {
				functions[name] = append(functions[name], code)
			}
		} else if !strings.HasPrefix(text, "\t") {
			name = ""
		}
	}
	return functions
}

// kinds reduces instructions to loads and stores, by which operand is memory,
// and to what is called; the rest falls away.
func kinds(code []string) (kinds []string) {
	for _, c := range code {
		switch at := data.FindStringIndex(c); {
		case strings.HasPrefix(c, "CALL"):
			name := strings.TrimSuffix(c, "(SB)")
			kinds = append(kinds, name[strings.LastIndexByte(name, '.')+1:])
		case at == nil:
		case at[1] == len(c):
			kinds = append(kinds, "store")
		default:
			kinds = append(kinds, "load")
		}
	}
	return kinds
}

//go:build vm

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestDriveANIC does what docs/drive-a-nic.md says, step by step: its program is
// compiled, its commands are run in a machine, and what they say must be what the
// page has them say.
func TestDriveANIC(t *testing.T) {
	top, err := filepath.Abs("../..")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(top, "docs/drive-a-nic.md"))
	require.NoError(t, err)
	page := follow(t, string(text))

	dir := t.TempDir()
	bin := filepath.Join(dir, "bin")
	program := filepath.Join(dir, "main.go")
	overlay := filepath.Join(dir, "overlay.json")
	require.NoError(t, os.WriteFile(program, []byte(page.program), 0o644))
	files, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(top, "answer/main.go"): program}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(overlay, files, 0o644))
	require.NotEmpty(t, page.installs)
	for _, line := range page.installs {
		install := exec.Command("sh", "-c", line)
		install.Dir = top
		install.Env = append(os.Environ(), "CGO_ENABLED=0", "GOBIN="+bin, "GOFLAGS=-overlay="+overlay)
		out, err := install.CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var out bytes.Buffer
	code, err := run(ctx, Config{
		Cards:       2,
		KernelCards: []int{0, 1},
		Command:     []string{"sh", "-e", "-c", "PATH=" + bin + ":$PATH\nexec 2>&1\n" + page.script},
		Stdout:      &out,
	})
	require.NoError(t, err, "%s", &out)
	require.Zero(t, code, "%s", &out)
	for _, words := range page.said {
		require.Contains(t, out.String(), words)
	}
}

// A followed page is what there is to do.
type followed struct {
	program  string
	installs []string // to be run where the clone is
	script   string   // to be run in the machine
	said     []string // by it
}

// follow reads a page. Blocks of sh are commands that succeed, and text is what
// they say; blocks of console are a command that fails, and all that it says.
func follow(t *testing.T, page string) (f followed) {
	blocks := regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$").FindAllStringSubmatch(page, -1)
	for _, b := range blocks {
		switch kind, text := b[1], b[2]; kind {
		case "go":
			f.program += text
		case "sh":
			for line := range strings.Lines(text) {
				if strings.HasPrefix(line, "go ") {
					f.installs = append(f.installs, line)
				} else {
					f.script += line
				}
			}
		case "text":
			f.said = append(f.said, strings.TrimSpace(text))
		case "console":
			command, words, ok := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
			require.True(t, ok, "%s", text)
			f.script += fmt.Sprintf(failing, command, command, quoted(strings.TrimSpace(words)))
		default:
			require.Fail(t, "a block of "+kind)
		}
	}
	return f
}

// failing runs a command that has to fail with these words, in which PID stands
// for the number of a process.
const failing = `
if said=$(%s 2>&1); then echo "it does not fail: %s"; exit 1; fi
said=$(printf %%s "$said" | sed 's/process [0-9]*/process PID/')
want=%s
if [ "$said" != "$want" ]; then printf 'it says\n%%s\ninstead of\n%%s\n' "$said" "$want"; exit 1; fi
`

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

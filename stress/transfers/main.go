// Transfers counts the remote references that locks, readers and rings make on
// simulated machines of 2 to 128 processors, from their real source.
//
//	go run ./stress/transfers                      # into docs: two minutes
//	go run ./stress/transfers -only 'Lock.*mcs'    # some of them, to look at
//
// It makes a copy of the library in which atomics, plain accesses and waits belong to
// package sim (go build -overlay), builds the program in folder subjects with it, and
// runs that. The results are a raw file for benchstat, whose name it prints, and the
// tables in docs/transfers.md; make transfers draws the charts as well.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

var (
	out  = flag.String("out", "docs/bench", "`directory` for the raw file, in place of the one there")
	page = flag.String("page", "docs/transfers.md", "`file` whose tables are written anew")
	only = flag.String("only", "", "print the lines `matching` this, and write nothing")
	args = flag.String("args", "", "more arguments for the program, such as '-seeds 1 -line 128'")
)

func main() {
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "transfers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := build(ctx, ".", dir)
	if err != nil {
		return err
	}
	if *only != "" {
		return simulate(ctx, os.Stdout, program, append(strings.Fields(*args), "-only", *only)...)
	}
	commit, err := head(ctx)
	if err != nil {
		return err
	}
	var raw bytes.Buffer
	date := time.Now().UTC().Format(time.DateOnly)
	fmt.Fprintf(&raw, "goos: %s\ngoarch: %s\ngo: %s\ncommit: %s\ndate: %s\nmachine: simulated\n",
		runtime.GOOS, runtime.GOARCH, strings.TrimPrefix(runtime.Version(), "go"), commit, date)
	if err := simulate(ctx, &raw, program, strings.Fields(*args)...); err != nil {
		return err
	}
	return write(raw.Bytes(), fmt.Sprintf("%s.simulated.%s.transfers.txt", strings.Fields(commit)[0], date))
}

func simulate(ctx context.Context, to io.Writer, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = to, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("transfers: run subjects: %w", err)
	}
	return nil
}

// head names the commit that is simulated, and says if the tree is another.
func head(ctx context.Context) (string, error) {
	commit, err := exec.CommandContext(ctx, "git", "rev-parse", "--short=7", "HEAD").Output()
	if err != nil {
		return "", fmt.Errorf("transfers: git rev-parse: %w", err)
	}
	changed, err := exec.CommandContext(ctx, "git", "status", "--porcelain", "--", ".", ":!docs").Output()
	if err != nil {
		return "", fmt.Errorf("transfers: git status: %w", err)
	}
	if len(changed) > 0 {
		return strings.TrimSpace(string(commit)) + " and changes", nil
	}
	return strings.TrimSpace(string(commit)), nil
}

// write puts the raw file in the place of an older one, and the tables into the page.
func write(raw []byte, name string) error {
	old, err := filepath.Glob(filepath.Join(*out, "*.simulated.*.transfers.txt"))
	if err != nil {
		return err
	}
	for _, file := range old {
		if err := os.Remove(file); err != nil {
			return err
		}
	}
	file := filepath.Join(*out, name)
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		return err
	}
	fmt.Println(file)
	return publish(*page, file, string(raw))
}

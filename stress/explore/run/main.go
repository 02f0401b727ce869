// Command run explores the source as it is, or with one of the known defects:
//
//	go run ./stress/explore/run -run mcs.Lock
//	go run ./stress/explore/run -mutant "linked before it waits"
//	go run ./stress/explore/run -mutant "linked before it waits" -replay 0112...
//
// With -mutant it explores the scenario that finds it, in the memory where it does.
// The other flags are those of the program in folder scenarios; -help lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"

	"github.com/ferrule-go/ferrule/stress/explore"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var ended *exec.ExitError
	if err := run(ctx, os.Args[1:]); errors.As(err, &ended) {
		os.Exit(ended.ExitCode())
	} else if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string) error {
	var edits []explore.Edit
	if len(args) > 1 && args[0] == "-mutant" {
		m, err := explore.Find(args[1])
		if err != nil {
			return err
		}
		edits = append(edits, m.Edit)
		args = append([]string{"-run", "^" + m.Scenario + "$", "-memory", m.Memory}, args[2:]...)
	}
	dir, err := os.MkdirTemp("", "explore")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("explore: find the module: %w", err)
	}
	program, err := explore.Build(ctx, strings.TrimSpace(string(root)), dir, edits...)
	if err != nil {
		return err
	}
	search := exec.CommandContext(ctx, program, args...)
	search.Stdout, search.Stderr = os.Stdout, os.Stderr
	return search.Run()
}

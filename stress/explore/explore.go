package explore

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Build copies the packages below root, with the edits, and builds the program that
// explores them in dir. It returns the name of the program.
func Build(ctx context.Context, root, dir string, edits ...Edit) (program string, err error) {
	overlay, err := Copy(root, dir, edits...)
	if err != nil {
		return "", err
	}
	program = filepath.Join(dir, "scenarios")
	build := exec.CommandContext(ctx, "go", "build", "-race", "-overlay", overlay,
		"-ldflags=-X="+module+"stress/explore/sched.overlay="+overlay, "-o", program, "./stress/explore/scenarios")
	build.Dir = root
	build.Env = append(os.Environ(), "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("explore: build scenarios: %w\n%s", err, out)
	}
	return program, nil
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// What the peers are built from on Debian.
var packages = []string{
	"g++", "make", "pkg-config", "libdpdk-dev", "libck-dev", "liburcu-dev", "libatomic-queue-dev",
	"libboost-dev", "libtbb-dev", "libconcurrentqueue-dev", "libreaderwriterqueue-dev", "dpdk", "qemu-system-x86",
}

// install installs the packages that are missing, or names them.
func install() error {
	var missing []string
	for _, p := range packages {
		if !installed(p) {
			missing = append(missing, p)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return fmt.Errorf("missing: %[1]s (as root on Debian: apt-get install %[1]s)", strings.Join(missing, " "))
	}
	if err := command("apt-get", "update", "-q").Run(); err != nil {
		return fmt.Errorf("apt-get update: %w", err)
	}
	args := append([]string{"install", "-q", "-y", "--no-install-recommends"}, missing...)
	if err := command("apt-get", args...).Run(); err != nil {
		return fmt.Errorf("apt-get install %s: %w", strings.Join(missing, " "), err)
	}
	return nil
}

func command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd
}

func installed(pkg string) bool {
	return exec.Command("dpkg", "-s", pkg).Run() == nil
}

// version returns the version of a package, empty if it is not there.
func version(pkg string) string {
	out, err := exec.Command("dpkg-query", "-W", "-f", "${Version}", pkg).Output()
	if err != nil {
		return ""
	}
	return string(out)
}

// peers are the programs in C and C++, in the order in which they are measured.
var peers = []string{"textbook", "boost", "atomic_queue", "moodycamel", "tbb", "ck", "dpdk", "urcu", "libc"}

const buildDir = ".build"

// A program measures one implementation in one shape.
type program struct {
	path, shape, impl string
	vm                *vm // in which it is measured; nil if here
}

func (p program) can(c string) bool { return strings.HasPrefix(c, p.shape+"/") }

// build builds the worker and the peers, and returns what they can measure and
// which peers could not be built. Nothing can be measured without the worker.
func build() (programs []program, missing []string, err error) {
	if err := os.MkdirAll(buildDir, 0o755); err != nil {
		return nil, nil, err
	}
	worker := filepath.Join(buildDir, "worker")
	if err := command("go", "build", "-o", worker, "./worker").Run(); err != nil {
		return nil, nil, fmt.Errorf("build the worker: %w", err)
	}
	programs, err = list(worker)
	if err != nil {
		return nil, nil, err
	}
	inVM, missing, err := buildVM()
	if err != nil {
		return nil, nil, err
	}
	programs = append(programs, inVM...)
	out, err := filepath.Abs(buildDir)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range peers {
		path := filepath.Join(buildDir, name)
		if err := command("make", "-s", "-C", "peers", "OUT="+out, filepath.Join(out, name)).Run(); err != nil {
			missing = append(missing, name)
			continue
		}
		more, err := list(path)
		if err != nil {
			missing = append(missing, name)
		}
		programs = append(programs, more...)
	}
	return programs, missing, nil
}

// list asks a program what it can measure.
func list(path string) (programs []program, err error) {
	out, err := exec.Command(path).Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s what it measures: %w", path, err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		shape, impl, _ := strings.Cut(line, " ")
		programs = append(programs, program{path: path, shape: shape, impl: impl})
	}
	return programs, nil
}

// patience is for a measurement that does not end: one that spins while what it
// waits for has no processor.
const patience = 10 * time.Second

// measure returns the line with the figures of a case.
func (p program) measure(c string, ms float64) (line string, err error) {
	if p.vm != nil {
		return p.vm.measure(p.impl, c, ms)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var problems bytes.Buffer
	cmd := exec.CommandContext(ctx, p.path, p.impl, c, fmt.Sprint(ms))
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s/impl=%s: not done after %v", c, p.impl, patience)
	}
	if err != nil {
		return "", fmt.Errorf("%s/impl=%s: %w: %s", c, p.impl, err, strings.TrimSpace(problems.String()))
	}
	return string(out), nil
}

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// packageOf names the Debian package that holds a program.
var packageOf = map[string]string{
	"apt-cache":          "apt",
	"apt-get":            "apt",
	"dpkg-deb":           "dpkg",
	"qemu-system-x86_64": "qemu-system-x86",
	"xz":                 "xz-utils",
}

// isRoot is a variable for the tests, which run as root.
var isRoot = func() bool { return os.Geteuid() == 0 }

// need sees to it that the programs are there: it installs those that are
// missing if it may, and says otherwise what to install.
func need(log io.Writer, programs ...string) error {
	var missing, packages []string
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		missing = append(missing, p)
		if pkg, ok := packageOf[p]; ok {
			packages = append(packages, pkg)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	names, install := strings.Join(missing, ", "), "apt-get install "+strings.Join(packages, " ")
	_, err := exec.LookPath("apt-get")
	switch {
	case len(packages) < len(missing):
		return fmt.Errorf("find %s: there is no such program", names)
	case err != nil:
		return fmt.Errorf("find %s: not installed (%s, on a Debian)", names, install)
	case !isRoot():
		return fmt.Errorf("find %s: not installed (as root: %s)", names, install)
	}
	fmt.Fprintf(log, "ferrule-vm: %s\n", install)
	aptUpdate()
	args := append([]string{"-q", "-y", "--no-install-recommends", "install"}, packages...)
	if _, err := apt("", "apt-get", args...); err != nil {
		return fmt.Errorf("install %s: %w", strings.Join(packages, ", "), err)
	}
	return nil
}

// aptUpdate brings the list of packages up to date, or leaves it as it is where
// no mirror is to be reached: what is asked of the list next tells more.
func aptUpdate() {
	if isRoot() {
		_, _ = apt("", "apt-get", "-q", "update")
	}
}

// apt runs one of the programs of Debian's package management in dir and returns
// its output. The error is the one that it gives itself.
func apt(dir, program string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	err := cmd.Run()
	if err == nil {
		return stdout.String(), nil
	}
	// apt marks its errors, and has much else to say; dpkg's come first.
	lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
	cause := lines[0]
	for _, l := range slices.Backward(lines) {
		if e, ok := strings.CutPrefix(l, "E: "); ok {
			cause = e
		}
	}
	if cause == "" {
		return "", fmt.Errorf("%s: %w", program, err)
	}
	return "", fmt.Errorf("%s: %s", program, cause)
}

package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asRoot has need believe that this process is root or is not.
func asRoot(t *testing.T, root bool) {
	saved := isRoot
	isRoot = func() bool { return root }
	t.Cleanup(func() { isRoot = saved })
}

// emptyPath returns a directory that is all of PATH.
func emptyPath(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	return dir
}

func script(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
}

func TestNeedWhatIsThere(t *testing.T) {
	script(t, emptyPath(t), "qemu-system-x86_64", "")
	var log strings.Builder
	require.NoError(t, need(&log, "qemu-system-x86_64"))
	require.Empty(t, log.String())
}

func TestNeedSaysWhatToInstall(t *testing.T) {
	dir := emptyPath(t)
	require.EqualError(t, need(io.Discard, "qemu-system-x86_64"),
		"find qemu-system-x86_64: not installed (apt-get install qemu-system-x86, on a Debian)")
	require.EqualError(t, need(io.Discard, "/opt/qemu"), "find /opt/qemu: there is no such program")

	script(t, dir, "apt-get", "exit 1")
	asRoot(t, false)
	require.EqualError(t, need(io.Discard, "qemu-system-x86_64", "xz"),
		"find qemu-system-x86_64, xz: not installed (as root: apt-get install qemu-system-x86 xz-utils)")
}

func TestNeedInstalls(t *testing.T) {
	dir := emptyPath(t)
	asRoot(t, true)
	script(t, dir, "apt-get", `echo "$@" >> `+dir+`/calls`)
	var log strings.Builder
	require.NoError(t, need(&log, "qemu-system-x86_64", "xz"))
	require.Equal(t, "ferrule-vm: apt-get install qemu-system-x86 xz-utils\n", log.String())
	calls, err := os.ReadFile(filepath.Join(dir, "calls"))
	require.NoError(t, err)
	require.Equal(t, "-q update\n-q -y --no-install-recommends install qemu-system-x86 xz-utils\n", string(calls))
}

func TestNeedCannotInstall(t *testing.T) {
	dir := emptyPath(t)
	asRoot(t, true)
	script(t, dir, "apt-get", `echo "Reading lists" ; echo "E: Unable to locate package xz-utils" >&2; exit 100`)
	require.EqualError(t, need(io.Discard, "xz"), "install xz-utils: apt-get: Unable to locate package xz-utils")
}

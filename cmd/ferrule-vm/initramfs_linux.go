package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/ferrule-go/ferrule/cmd/ferrule-vm/internal/guest"
)

// bootModules are for the channel to the guest and for its root file system.
var bootModules = []string{"virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"}

// initramfs returns the guest's initial file system: init and what it is told,
// ferrule, and the modules.
func initramfs(ctx context.Context, k kernel, cfg Config) ([]byte, error) {
	setup := guest.Setup{
		HugePages: cfg.HugePages,
		Command:   cfg.Command,
		Env:       environment(cfg.Env),
		Dir:       cfg.Dir,
	}
	if cfg.Terminal != nil {
		size, err := terminalSize(cfg.Terminal)
		if err != nil {
			return nil, err
		}
		setup.Terminal = &size
	}
	for _, card := range cfg.KernelCards {
		setup.KernelCards = append(setup.KernelCards, cardAddress(card))
	}
	var archive cpio
	archive.dir(guest.BinDir[1:])
	archive.dir(guest.ModulesDir[1:])
	packed := make(map[string]bool)
	for _, stage := range []struct {
		names []string
		files *[]string
	}{
		{bootModules, &setup.BootModules},
		{append([]string{"uio_pci_generic"}, cfg.Modules...), &setup.Modules},
		{[]string{"e1000e"}, &setup.CardModules},
	} {
		modules, err := k.modules(stage.names...)
		if err != nil {
			return nil, err
		}
		for _, m := range modules {
			if packed[m.name] {
				continue
			}
			packed[m.name] = true
			archive.file(path.Join(guest.ModulesDir, m.name)[1:], 0o644, m.elf)
			*stage.files = append(*stage.files, m.name)
		}
	}
	text, err := json.Marshal(setup)
	if err != nil {
		return nil, err
	}
	archive.file(guest.SetupPath[1:], 0o644, text)

	programs, err := buildPrograms(ctx)
	if err != nil {
		return nil, err
	}
	archive.file("init", 0o755, programs["init"])
	archive.file(path.Join(guest.BinDir, "ferrule")[1:], 0o755, programs["ferrule"])
	return archive.bytes(), nil
}

// environment returns the command's: little of this process's own, for another
// machine is another place.
func environment(added []string) []string {
	env := []string{"PATH=" + strings.Join([]string{
		guest.Programs, os.Getenv("PATH"), "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}, ":")}
	for _, name := range []string{"HOME", "LANG", "TERM"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, added...)
}

// buildPrograms builds what the guest runs of this module, and returns each
// program by name. Nothing stays behind on the disk.
func buildPrograms(ctx context.Context) (map[string][]byte, error) {
	_, here, _, _ := runtime.Caller(0)
	source := filepath.Dir(here)
	if _, err := os.Stat(source); err != nil || !filepath.IsAbs(source) {
		return nil, fmt.Errorf("build the guest's programs: their source is not at %s (use go run, in or of this module)", source)
	}
	out, err := os.MkdirTemp("", "ferrule-vm-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(out)

	// Without cgo and so without shared libraries, for init has none; stripped,
	// for all of it is copied into the guest's memory; and as a go run would have
	// it, for a source that is not a repository of this user's.
	cmd := exec.CommandContext(ctx, "go", "build", "-C", source, "-buildvcs=false", "-ldflags=-s -w", "-o", out+"/", "./init", "../ferrule")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64")
	if message, err := cmd.CombinedOutput(); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, errors.New("build the guest's programs: go is not in PATH")
		}
		return nil, fmt.Errorf("build the guest's programs: %w\n%s", err, message)
	}
	programs := make(map[string][]byte)
	for _, name := range []string{"init", "ferrule"} {
		if programs[name], err = os.ReadFile(filepath.Join(out, name)); err != nil {
			return nil, err
		}
	}
	return programs, nil
}

package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelPackage is Debian's name for its newest kernel. It is the full one: the
// cloud kernel lacks the driver of the cards.
const kernelPackage = "linux-image-amd64"

// A kernel is one Debian kernel, unpacked but not installed: dir holds what its
// package holds, and beside that vmlinux, which boots without unpacking itself.
type kernel struct {
	dir     string
	version string // such as 6.1.0-56-amd64
}

func (k kernel) image() string { return filepath.Join(k.dir, "vmlinux") }

// findKernel returns the kernel in the cache, and fetches one if there is none.
func findKernel(log io.Writer) (kernel, error) {
	user, err := os.UserCacheDir()
	if err != nil {
		return kernel{}, fmt.Errorf("find the cache: %w", err)
	}
	cache := filepath.Join(user, "ferrule", "linux")
	if k, ok := cachedKernel(cache); ok {
		return k, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return kernel{}, fmt.Errorf("make the cache: %w", err)
	}
	unlock, err := lock(filepath.Join(cache, ".lock"))
	if err != nil {
		return kernel{}, err
	}
	defer unlock()
	if k, ok := cachedKernel(cache); ok { // another fetched it while we waited
		return k, nil
	}
	return fetchKernel(cache, log)
}

// cachedKernel returns the kernel that came into the cache last. What a fetch
// has not finished bears a name that begins with a dot.
func cachedKernel(cache string) (newest kernel, ok bool) {
	entries, _ := os.ReadDir(cache)
	var at int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() || strings.HasPrefix(e.Name(), ".") || info.ModTime().UnixNano() < at {
			continue
		}
		at = info.ModTime().UnixNano()
		newest, ok = kernel{filepath.Join(cache, e.Name()), e.Name()}, true
	}
	return newest, ok
}

// lock waits until this process is the only one to hold file.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}

// spaceForKernel is what a fetch takes, in bytes: the package and its contents.
const spaceForKernel = 600 << 20

// fetchKernel downloads and unpacks the newest kernel. It comes into the cache
// by one rename, whole or not at all. The caller holds the cache's lock.
func fetchKernel(cache string, log io.Writer) (kernel, error) {
	leftovers, _ := filepath.Glob(filepath.Join(cache, ".fetch-*"))
	for _, dir := range leftovers {
		os.RemoveAll(dir)
	}
	if err := need(log, "apt-get", "apt-cache", "dpkg-deb", "xz"); err != nil {
		return kernel{}, err
	}
	if err := wantSpace(cache, spaceForKernel); err != nil {
		return kernel{}, err
	}
	tmp, err := os.MkdirTemp(cache, ".fetch-*")
	if err != nil {
		return kernel{}, err
	}
	defer os.RemoveAll(tmp)

	aptUpdate()
	pkg, err := newestKernel()
	if err != nil {
		return kernel{}, err
	}
	fmt.Fprintf(log, "ferrule-vm: downloading %s into %s, this once\n", pkg, cache)
	if _, err := apt(tmp, "apt-get", "-q", "download", pkg); err != nil {
		return kernel{}, fmt.Errorf("download %s: %w (needed once: it is kept in %s)", pkg, err, cache)
	}
	k := kernel{filepath.Join(tmp, "unpacked"), strings.TrimPrefix(pkg, "linux-image-")}
	if err := k.unpack(filepath.Join(tmp, pkg+"_*.deb")); err != nil {
		return kernel{}, err
	}
	final := filepath.Join(cache, k.version)
	if err := os.Rename(k.dir, final); err != nil {
		return kernel{}, err
	}
	return kernel{final, k.version}, nil
}

func wantSpace(dir string, want uint64) error {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("find the space left in %s: %w", dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < want {
		return fmt.Errorf("unpack a kernel in %s: %d MiB left, want %d MiB (XDG_CACHE_HOME can name another place)",
			dir, free>>20, want>>20)
	}
	return nil
}

// newestKernel returns the name of the package that kernelPackage stands for.
func newestKernel() (string, error) {
	text, err := apt("", "apt-cache", "--no-all-versions", "show", kernelPackage)
	if err == nil {
		if pkg, ok := dependsOn(text, "linux-image-"); ok {
			return pkg, nil
		}
		err = errors.New("it depends on no linux-image")
	}
	return "", fmt.Errorf("find package %s: %w (Debian has it; as root: apt-get update)", kernelPackage, err)
}

// dependsOn returns the first package with this prefix among the dependencies in
// a package's description.
func dependsOn(description, prefix string) (pkg string, ok bool) {
	for _, line := range strings.Split(description, "\n") {
		depends, found := strings.CutPrefix(line, "Depends: ")
		if !found {
			continue
		}
		for _, d := range strings.Split(depends, ",") {
			if name, _, _ := strings.Cut(strings.TrimSpace(d), " "); strings.HasPrefix(name, prefix) {
				return name, true
			}
		}
	}
	return "", false
}

// unpack makes k.dir of the package that the pattern names.
func (k kernel) unpack(pattern string) error {
	debs, err := filepath.Glob(pattern)
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("unpack %s: %d such files", filepath.Base(pattern), len(debs))
	}
	deb := filepath.Base(debs[0])
	if _, err := apt("", "dpkg-deb", "-x", debs[0], k.dir); err != nil {
		return fmt.Errorf("unpack %s: %w", deb, err)
	}
	bzImage, err := os.ReadFile(filepath.Join(k.dir, "boot", "vmlinuz-"+k.version))
	if err != nil {
		return err
	}
	vmlinux, err := uncompressed(bzImage)
	if err != nil {
		return fmt.Errorf("unpack the kernel of %s: %w", deb, err)
	}
	return os.WriteFile(k.image(), vmlinux, 0o644)
}

// uncompressed returns the executable inside a bzImage, which an emulated
// processor takes seconds to unpack. Where it is: Linux's
// Documentation/arch/x86/boot.rst. One that is not packed with xz is returned
// as it is, for QEMU starts both.
func uncompressed(bzImage []byte) ([]byte, error) {
	const (
		setupSects    = 0x1f1 // sectors before the protected-mode code, less one
		magic         = 0x202
		payloadOffset = 0x248 // of the payload in the protected-mode code
		payloadLength = 0x24c // with the four bytes of its unpacked size at the end
		headerEnd     = 0x250
	)
	if len(bzImage) < headerEnd || string(bzImage[magic:magic+4]) != "HdrS" {
		return nil, errors.New("not a bzImage")
	}
	start := (int64(bzImage[setupSects])+1)*512 + int64(binary.LittleEndian.Uint32(bzImage[payloadOffset:]))
	end := start + int64(binary.LittleEndian.Uint32(bzImage[payloadLength:])) - 4
	if start > end || end > int64(len(bzImage)) {
		return nil, fmt.Errorf("payload at %d to %d of %d bytes", start, end, len(bzImage))
	}
	if payload := bzImage[start:end]; bytes.HasPrefix(payload, []byte("\xfd7zXZ\x00")) {
		return unxz(payload)
	}
	return bzImage, nil
}

func unxz(packed []byte) ([]byte, error) {
	cmd := exec.Command("xz", "-dc")
	cmd.Stdin = bytes.NewReader(packed)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("xz: %w", err)
	}
	return out, nil
}

// A module is one kernel module, as it is loaded.
type module struct {
	name string
	elf  []byte
}

// modules returns the named modules and all that they need, each after those
// that it needs. A module names those itself, in its section .modinfo: that
// needs no modules.dep, which a package does not bring along. What is built into
// the kernel is left out.
func (k kernel) modules(names ...string) ([]module, error) {
	files, err := k.moduleFiles()
	if err != nil {
		return nil, err
	}
	var ordered []module
	var add func(name string) error
	add = func(name string) error {
		if slices.ContainsFunc(ordered, func(m module) bool { return m.name == name }) {
			return nil
		}
		file, ok := files[name]
		if !ok {
			return fmt.Errorf("find module %s: kernel %s has none of that name", name, k.version)
		}
		if file == builtIn {
			return nil
		}
		m, err := readModule(name, file)
		if err != nil {
			return fmt.Errorf("read module %s: %w", file, err)
		}
		needs, err := m.needs()
		if err != nil {
			return fmt.Errorf("read module %s: %w", file, err)
		}
		for _, n := range needs {
			if err := add(n); err != nil {
				return err
			}
		}
		ordered = append(ordered, m)
		return nil
	}
	for _, name := range names {
		if err := add(moduleName(name)); err != nil {
			return nil, err
		}
	}
	return ordered, nil
}

// moduleName returns the name by which the kernel knows a module: its file may
// have hyphens in it.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// builtIn stands for the file of a module that has none.
const builtIn = ""

// moduleFiles returns the file of each module by name.
func (k kernel) moduleFiles() (map[string]string, error) {
	dir := filepath.Join(k.dir, "usr", "lib", "modules", k.version)
	if _, err := os.Stat(dir); err != nil { // until Debian 12, /lib is not /usr/lib
		dir = filepath.Join(k.dir, "lib", "modules", k.version)
	}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for _, path := range strings.Fields(string(list)) {
		files[moduleName(path)] = builtIn
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.Contains(d.Name(), ".ko") {
			files[moduleName(path)] = path
		}
		return err
	})
	return files, err
}

func readModule(name, file string) (module, error) {
	data, err := os.ReadFile(file)
	if err == nil && strings.HasSuffix(file, ".xz") {
		data, err = unxz(data)
	}
	return module{name, data}, err
}

// needs returns the modules that m cannot be loaded without.
func (m module) needs() ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(m.elf))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for _, field := range strings.Split(string(info), "\x00") {
		if depends, ok := strings.CutPrefix(field, "depends="); ok && depends != "" {
			return strings.Split(depends, ","), nil
		}
	}
	return nil, nil
}

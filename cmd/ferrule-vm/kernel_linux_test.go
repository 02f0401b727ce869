package main

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// elfWith returns an ELF file with one section besides its table of names.
func elfWith(name, content string) []byte {
	const headerSize, sectionSize = 64, 64
	names := "\x00" + name + "\x00.shstrtab\x00"
	data := content + names
	header := elf.Header64{
		Type: uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: 1,
		Shoff: uint64(headerSize + len(data)), Ehsize: headerSize, Shentsize: sectionSize, Shnum: 3, Shstrndx: 2,
	}
	copy(header.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	var b bytes.Buffer
	for _, part := range []any{
		header,
		[]byte(data),
		elf.Section64{},
		elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: headerSize, Size: uint64(len(content))},
		elf.Section64{Name: uint32(2 + len(name)), Type: uint32(elf.SHT_STRTAB), Off: uint64(headerSize + len(content)), Size: uint64(len(names))},
	} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// kernelWith returns a kernel with these modules below lib, by path, each of which
// needs those that are named.
func kernelWith(t *testing.T, lib string, modules map[string]string) kernel {
	t.Helper()
	k := kernel{t.TempDir(), "6.1.0-1-amd64"}
	dir := filepath.Join(k.dir, lib, "modules", k.version)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.builtin"), []byte("kernel/net/unix/unix.ko\n"), 0o644))
	for path, needs := range modules {
		file := filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, elfWith(".modinfo", "license=GPL\x00depends="+needs+"\x00name=x\x00"), 0o644))
	}
	return k
}

func names(modules []module) (all []string) {
	for _, m := range modules {
		all = append(all, m.name)
	}
	return all
}

func TestModulesComeAfterWhatTheyNeed(t *testing.T) {
	k := kernelWith(t, "lib", map[string]string{
		"kernel/fs/9p/9p.ko":              "9pnet,netfs",
		"kernel/net/9p/9pnet.ko":          "",
		"kernel/net/9p/9pnet_virtio.ko":   "virtio_ring,9pnet,unix",
		"kernel/fs/netfs/netfs.ko":        "",
		"kernel/virtio/virtio_ring.ko":    "",
		"kernel/misc/with-hyphen.ko":      "",
		"kernel/misc/nobody-wants-it.ko":  "with_hyphen",
		"kernel/misc/needs-what-is-no.ko": "gone",
	})
	got, err := k.modules("9p", "9pnet_virtio", "9p", "unix", "with-hyphen")
	require.NoError(t, err)
	require.Equal(t, []string{"9pnet", "netfs", "9p", "virtio_ring", "9pnet_virtio", "with_hyphen"}, names(got))
	require.Equal(t, elfWith(".modinfo", "license=GPL\x00depends=9pnet,netfs\x00name=x\x00"), got[2].elf)

	_, err = k.modules("nosuch")
	require.EqualError(t, err, "find module nosuch: kernel 6.1.0-1-amd64 has none of that name")
	_, err = k.modules("needs_what_is_no")
	require.EqualError(t, err, "find module gone: kernel 6.1.0-1-amd64 has none of that name")
}

func TestPackedModuleIsUnpacked(t *testing.T) {
	k := kernelWith(t, "usr/lib", map[string]string{"kernel/a.ko": ""})
	plain := filepath.Join(k.dir, "usr/lib", "modules", k.version, "kernel", "a.ko")
	out, err := exec.Command("xz", plain).CombinedOutput()
	require.NoError(t, err, "%s", out)
	got, err := k.modules("a")
	require.NoError(t, err)
	require.Equal(t, elfWith(".modinfo", "license=GPL\x00depends=\x00name=x\x00"), got[0].elf)

	require.NoError(t, os.WriteFile(plain+".xz", []byte("not xz"), 0o644))
	_, err = k.modules("a")
	require.ErrorContains(t, err, "read module "+plain+".xz: xz: ")
}

func TestModuleThatIsNone(t *testing.T) {
	k := kernelWith(t, "lib", map[string]string{"kernel/a.ko": ""})
	file := filepath.Join(k.dir, "lib", "modules", k.version, "kernel", "a.ko")
	require.NoError(t, os.WriteFile(file, []byte("garbage"), 0o644))
	_, err := k.modules("a")
	require.ErrorContains(t, err, "read module "+file)
	require.NoError(t, os.WriteFile(file, elfWith(".text", "depends=b\x00"), 0o644))
	_, err = k.modules("a")
	require.EqualError(t, err, "read module "+file+": no section .modinfo")
}

// bzImageOf returns a bzImage around a payload.
func bzImageOf(payload []byte) []byte {
	const setupSects, offset = 3, 100
	start := (setupSects+1)*512 + offset
	image := make([]byte, start, start+len(payload)+8)
	image[0x1f1] = setupSects
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint32(image[0x248:], offset)
	binary.LittleEndian.PutUint32(image[0x24c:], uint32(len(payload)+4))
	image = append(image, payload...)
	return append(image, "sizeTAIL"...)
}

func xzOf(t *testing.T, data string) []byte {
	t.Helper()
	cmd := exec.Command("xz", "-c")
	cmd.Stdin = strings.NewReader(data)
	out, err := cmd.Output()
	require.NoError(t, err)
	return out
}

func TestKernelInsideBzImage(t *testing.T) {
	got, err := uncompressed(bzImageOf(xzOf(t, "\x7fELF of a kernel")))
	require.NoError(t, err)
	require.Equal(t, "\x7fELF of a kernel", string(got))

	gzipped := bzImageOf([]byte("\x1f\x8b and so on"))
	got, err = uncompressed(gzipped)
	require.NoError(t, err)
	require.Equal(t, gzipped, got, "what is packed otherwise boots as it is")
}

func TestBzImageThatIsNone(t *testing.T) {
	for _, image := range [][]byte{nil, make([]byte, 0x24f), make([]byte, 4096)} {
		_, err := uncompressed(image)
		require.EqualError(t, err, "not a bzImage")
	}
	whole := bzImageOf(xzOf(t, "kernel"))
	_, err := uncompressed(whole[:len(whole)-9]) // the payload without its last byte
	require.ErrorContains(t, err, "payload at 2148 to ")
	cut := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(cut[0x24c:], 20) // xz says that it is no whole file
	_, err = uncompressed(cut)
	require.ErrorContains(t, err, "xz: exit status 1")
}

func TestDependsOn(t *testing.T) {
	const show = "Package: linux-image-amd64\nPre-Depends: linux-image-x\nDepends: libc6, linux-image-6.1.0-56-amd64 (= 6.1.192-2)\nDescription: x\n"
	pkg, ok := dependsOn(show, "linux-image-")
	require.True(t, ok)
	require.Equal(t, "linux-image-6.1.0-56-amd64", pkg)
	_, ok = dependsOn("Package: x\n", "linux-image-")
	require.False(t, ok)
}

// A mirror stands for Debian: programs of apt's names, ahead of apt's in PATH,
// that do what the test says.
type mirror struct {
	t       *testing.T
	bin     string
	fixture string // what the package unpacks to
	Calls   string // a file with a line for each call
	cache   string
}

const fakeVersion = "6.1.0-9-amd64"

// newMirror returns a mirror that has everything.
func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{t: t, bin: t.TempDir(), fixture: t.TempDir()}
	m.Calls = filepath.Join(m.fixture, "calls")
	home := t.TempDir()
	m.cache = filepath.Join(home, "ferrule", "linux")
	t.Setenv("XDG_CACHE_HOME", home)
	t.Setenv("PATH", m.bin+":"+os.Getenv("PATH"))
	t.Setenv("FIXTURE", m.fixture)
	t.Setenv("CALLS", m.Calls)
	require.NoError(t, os.WriteFile(filepath.Join(m.fixture, "bzImage"), bzImageOf(xzOf(t, "a kernel")), 0o644))
	m.does("apt-cache", `echo "Depends: linux-image-`+fakeVersion+` (= 6.1)"`)
	m.does("apt-get", `case "$*" in *download*) echo package > linux-image-`+fakeVersion+`_6.1_amd64.deb;; esac`)
	m.does("dpkg-deb", `mkdir -p "$3/boot" && cp "$FIXTURE/bzImage" "$3/boot/vmlinuz-`+fakeVersion+`"`)
	return m
}

// does makes a program of a shell script.
func (m *mirror) does(program, script string) {
	m.t.Helper()
	text := "#!/bin/sh\necho " + program + ` "$@" >> "$CALLS"` + "\n" + script + "\n"
	require.NoError(m.t, os.WriteFile(filepath.Join(m.bin, program), []byte(text), 0o755))
}

// downloads returns how often a package was asked for.
func (m *mirror) downloads() int {
	text, err := os.ReadFile(m.Calls)
	require.NoError(m.t, err)
	return strings.Count(string(text), "apt-get -q download linux-image-"+fakeVersion+"\n")
}

// holds returns what the cache has in it, but for the lock.
func (m *mirror) holds() (names []string) {
	entries, err := os.ReadDir(m.cache)
	require.NoError(m.t, err)
	for _, e := range entries {
		if e.Name() != ".lock" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestKernelIsFetchedOnce(t *testing.T) {
	m := newMirror(t)
	var log strings.Builder
	k, err := findKernel(&log)
	require.NoError(t, err)
	require.Equal(t, fakeVersion, k.version)
	image, err := os.ReadFile(k.image())
	require.NoError(t, err)
	require.Equal(t, "a kernel", string(image))
	require.Equal(t, "ferrule-vm: downloading linux-image-"+fakeVersion+" into "+m.cache+", this once\n", log.String())
	require.Equal(t, []string{fakeVersion}, m.holds(), "neither the package nor anything half done")

	for _, p := range []string{"apt-get", "apt-cache", "dpkg-deb"} {
		m.does(p, "exit 1") // off line from here on
	}
	again, err := findKernel(io.Discard)
	require.NoError(t, err)
	require.Equal(t, k, again)
	require.Equal(t, 1, m.downloads())
}

// TestKernelIsFetchedOnceByAll has several want it at once, as separate
// processes do: a lock on a file tells open files apart, not goroutines.
func TestKernelIsFetchedOnceByAll(t *testing.T) {
	m := newMirror(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if _, err := findKernel(io.Discard); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Equal(t, 1, m.downloads())
	require.Equal(t, []string{fakeVersion}, m.holds())
}

func TestFetchThatWasCutOff(t *testing.T) {
	m := newMirror(t)
	// Killed while it unpacked, which leaves what there was.
	half := filepath.Join(m.cache, ".fetch-123", "unpacked", "boot")
	require.NoError(t, os.MkdirAll(half, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(half, "vmlinuz-"+fakeVersion), []byte("half a ker"), 0o644))

	k, err := findKernel(io.Discard)
	require.NoError(t, err)
	require.Equal(t, 1, m.downloads())
	require.Equal(t, []string{fakeVersion}, m.holds())
	require.FileExists(t, k.image())
}

func TestFetchThatFails(t *testing.T) {
	const resolve = "Failed to fetch linux-image: Temporary failure resolving 'mirror'"
	for _, c := range []struct {
		program, script string
		want            string
	}{
		{"apt-get", `case "$*" in *download*) echo "W: x" >&2; echo "E: ` + resolve + `" >&2; exit 100;; esac`,
			"download linux-image-" + fakeVersion + ": apt-get: " + resolve + " (needed once: it is kept in CACHE)"},
		{"apt-cache", `echo "N: no" >&2; echo "E: No packages found" >&2; exit 100`,
			"find package linux-image-amd64: apt-cache: No packages found (Debian has it; as root: apt-get update)"},
		{"apt-cache", `echo "Package: linux-image-amd64"`,
			"find package linux-image-amd64: it depends on no linux-image (Debian has it; as root: apt-get update)"},
		{"dpkg-deb", `echo "tar: ./boot: Cannot write: No space left on device" >&2; echo "dpkg-deb: error: tar failed" >&2; exit 2`,
			"unpack linux-image-" + fakeVersion + "_6.1_amd64.deb: dpkg-deb: tar: ./boot: Cannot write: No space left on device"},
		{"dpkg-deb", `mkdir -p "$3/boot" && echo no kernel > "$3/boot/vmlinuz-` + fakeVersion + `"`,
			"unpack the kernel of linux-image-" + fakeVersion + "_6.1_amd64.deb: not a bzImage"},
		{"apt-get", `true`,
			"unpack linux-image-" + fakeVersion + "_*.deb: 0 such files"},
	} {
		m := newMirror(t)
		m.does(c.program, c.script)
		_, err := findKernel(io.Discard)
		require.EqualError(t, err, strings.ReplaceAll(c.want, "CACHE", m.cache))
		require.Empty(t, m.holds(), "nothing that could be taken for a kernel")
	}
}

func TestNoSpaceForKernel(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, wantSpace(dir, 0))
	require.ErrorContains(t, wantSpace(dir, 1<<60), "MiB left, want 1099511627776 MiB (XDG_CACHE_HOME can name another place)")
}

// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"syd/fixtures"
)

// unpackCPIO reads an archive back: names with their sizes' worth of data.
func unpackCPIO(t *testing.T, archive []byte) map[string]string {
	t.Helper()
	files := map[string]string{}
	for len(archive) > 0 {
		field := func(i int) int {
			n, err := strconv.ParseInt(string(archive[6+8*i:14+8*i]), 16, 64)
			if err != nil || string(archive[:6]) != "070701" {
				t.Fatalf("a header %q", archive[:110])
			}
			return int(n)
		}
		up := func(n int) int { return (n + 3) &^ 3 }
		name := string(archive[110 : 110+field(11)-1])
		start := up(110 + field(11))
		if name == "TRAILER!!!" {
			if len(archive) != start {
				t.Errorf("%d bytes follow the trailer", len(archive)-start)
			}
			return files
		}
		files["/"+name] = string(archive[start : start+field(6)])
		archive = archive[up(start+field(6)):]
	}
	t.Fatal("no trailer")
	return nil
}

func TestTree(t *testing.T) {
	all := tree{}
	all.put("/a/b/c", entry{mode: typeFile | 0o644, data: []byte("hello")})
	all.put("/a/l", entry{mode: typeLink | 0o777, data: []byte("b/c")})
	var out bytes.Buffer
	if err := all.write(&out); err != nil {
		t.Fatal(err)
	}
	files := unpackCPIO(t, out.Bytes())
	if len(files) != 4 || files["/a/b/c"] != "hello" || files["/a/l"] != "b/c" {
		t.Errorf("%q", files)
	}
	// What another program reads of it, where there is one.
	if cpio, err := exec.LookPath("cpio"); err == nil {
		cmd := exec.Command(cpio, "-it")
		cmd.Stdin = &out
		if names, err := cmd.Output(); err != nil || string(names) != "a\na/b\na/b/c\na/l\n" {
			t.Errorf("cpio: %v %q", err, names)
		}
	}
}

// staticProgram is a program of this machine's that can stand for syd and sydtest.
func staticProgram(t *testing.T) (path string, arch Arch) {
	dir := t.TempDir()
	if err := fixtures.Extract(dir); err != nil {
		t.Fatal(err)
	}
	path = fixtures.Path(dir, "process")
	arch, err := ProgramArch(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, arch
}

// TestPack packs this machine's programs, and looks for each one's libraries in
// what came out.
func TestPack(t *testing.T) {
	static, arch := staticProgram(t)
	file := filepath.Join(t.TempDir(), "initrd")
	notes, err := Pack(file, arch, Contents{Syd: static, Sydtest: static, Capabilities: []string{"git", "nonsense"}})
	if err != nil {
		var p *Problem
		if errors.As(err, &p) && p.Fate == Lacking && strings.Contains(p.Text, "apt-get install") {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	if git, _ := exec.LookPath("git"); (git == "") != (len(notes) == 1) {
		t.Errorf("git is %q, and the notes say %q", git, notes)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	files := unpackCPIO(t, data)
	if files[initPath] != sydtestPath || !strings.HasPrefix(files[sydPath], elf.ELFMAG) || !strings.Contains(files["/etc/passwd"], "nobody:x:65534:") {
		t.Error("the first process, syd, or the users are not in it")
	}
	// Everything that a program of it needs is in it.
	for name, text := range files {
		if !strings.HasPrefix(text, elf.ELFMAG) || name == sydPath || name == sydtestPath {
			continue
		}
		program, err := elf.NewFile(strings.NewReader(text))
		if err != nil {
			continue
		}
		needs, _ := program.ImportedLibraries()
		for _, library := range needs {
			found := slices.ContainsFunc(append((&packer{arch: arch}).libraryDirs(), "/usr/lib/git-core"), func(dir string) bool {
				for have := range files {
					if filepath.Base(have) == library && (filepath.Dir(have) == dir || filepath.Dir(have) == "/usr"+dir) {
						return true
					}
				}
				return false
			})
			if !found {
				t.Errorf("%s needs %s, which was left out", name, library)
			}
		}
	}
}

// TestLacking: a machine without the programs is told what to install, and a
// guest without them is not started.
func TestLacking(t *testing.T) {
	static, arch := staticProgram(t)
	_, err := Pack(filepath.Join(t.TempDir(), "initrd"), arch, Contents{Syd: static, Sydtest: static, Sysroot: t.TempDir()})
	var p *Problem
	if !errors.As(err, &p) || p.Fate != Lacking || !strings.Contains(p.Text, "sh, ") || !strings.Contains(p.Text, "apt-get install bash coreutils dash") {
		t.Errorf("%v", err)
	}
}

func TestProgramArch(t *testing.T) {
	dir := t.TempDir()
	if err := fixtures.Extract(dir); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]Fate{fixtures.Path(dir, "process"): "", "/bin/sh": Dynamic, script: WrongArch, fixtures.ForeignPath(dir, "process"): WrongArch, "/nonexistent": WrongArch} {
		var got Fate
		var p *Problem
		if _, err := ProgramArch(path); errors.As(err, &p) {
			got = p.Fate
		}
		if got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// bzImage is an image with that payload, as the boot protocol has it.
func bzImage(payload []byte, size int) []byte {
	image := make([]byte, 1024+16)
	image[0x1f1] = 1
	copy(image[0x202:], "HdrS")
	binary.LittleEndian.PutUint32(image[0x248:], 16)
	binary.LittleEndian.PutUint32(image[0x24c:], uint32(len(payload)+4))
	image = append(image, payload...)
	return binary.LittleEndian.AppendUint32(image, uint32(size))
}

func TestUnpack(t *testing.T) {
	vmlinux := append([]byte(elf.ELFMAG), bytes.Repeat([]byte("kernel "), 5000)...)
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	zstded := encoder.EncodeAll(vmlinux, nil)
	var lz4ed bytes.Buffer
	w := lz4.NewWriter(&lz4ed)
	if err := w.Apply(lz4.LegacyOption(true)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(vmlinux); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, packed := range map[string][]byte{"zstd": zstded, "lz4": lz4ed.Bytes()} {
		if got, err := Unpack(bzImage(packed, len(vmlinux))); err != nil || !bytes.Equal(got, vmlinux) {
			t.Errorf("%s: %v, %d bytes", name, err, len(got))
		}
	}
	for name, image := range map[string][]byte{
		"nothing": nil, "noise": bytes.Repeat([]byte("x"), 4096), "cut": bzImage(zstded, len(vmlinux))[:1060], "another way": bzImage([]byte("\x1f\x8b\x08 and so on"), 1),
		"another size": bzImage(zstded, 7), "no ELF": bzImage(encoder.EncodeAll([]byte("hello"), nil), 5), "broken": bzImage(append(slices.Clone(zstded[:20]), 1, 2, 3), 9),
	} {
		if got, err := Unpack(image); err == nil {
			t.Errorf("%s: unpacked %d bytes", name, len(got))
		}
	}
}

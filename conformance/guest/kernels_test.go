// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestCheckSpec(t *testing.T) {
	for spec, good := range map[string]bool{
		"host": true, "debian:6.12": true, "debian:6.12.117-1~bpo12+1": true, "debian:6.12:arm64": true, "debian:6.12:vax": false, "host:arm64": false, "file:/boot/vmlinuz": true,
		"": false, "debian:": false, "debian:sid": false, "debian:6.1 ; x": false, "file:": false, "6.12": false, "host:": false,
	} {
		if err := CheckSpec(spec); (err == nil) != good {
			t.Errorf("%q: %v", spec, err)
		}
	}
	for _, spec := range Default {
		if err := CheckSpec(spec); err != nil {
			t.Error(err)
		}
	}
}

func fateOfError(err error) Fate {
	var p *Problem
	if errors.As(err, &p) {
		return p.Fate
	}
	return ""
}

func TestImageArch(t *testing.T) {
	arm := append(make([]byte, 0x38), "ARM\x64"...)
	zboot := append([]byte("MZ\x00\x00zimg"), make([]byte, 0x100)...)
	zboot[0x3c] = 0x80
	copy(zboot[0x80:], "PE\x00\x00\x64\xaa")
	for _, c := range []struct {
		name  string
		image []byte
		arch  string
		fate  Fate
	}{
		{"a bzImage", bzImage([]byte("x"), 1), "amd64", ""}, {"an arm64 Image", arm, "arm64", ""}, {"an arm64 EFI image", zboot, "arm64", ""},
		{"nothing", nil, "", Unreadable}, {"text", []byte("#!/bin/sh\necho no kernel\n"), "", Unreadable}, {"half an ELF file", []byte("\x7fELF"), "", Unreadable},
	} {
		arch, err := ImageArch(c.image)
		if arch.Name != c.arch || fateOfError(err) != c.fate {
			t.Errorf("%s: %q %v", c.name, arch.Name, err)
		}
	}
}

func finder(t *testing.T) *Finder {
	t.Helper()
	return &Finder{Arch: Arches[0], Cache: t.TempDir(), Offline: true, Log: t.Logf}
}

// TestFile has images of others: good, unreadable, for another machine.
func TestFile(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		image []byte
		fate  Fate
	}{
		"good": {bzImage([]byte("x"), 1), ""}, "noise": {[]byte("noise"), Unreadable}, "empty": {nil, Unreadable},
		"arm": {append(make([]byte, 0x38), "ARM\x64"...), WrongArch},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.image, 0o644); err != nil {
			t.Fatal(err)
		}
		k, err := finder(t).Find(context.Background(), "file:"+path)
		if fateOfError(err) != c.fate || err == nil && (k.Boot != path || k.Note == "") {
			t.Errorf("%s: %+v %v", name, k, err)
		}
	}
	if _, err := finder(t).Find(context.Background(), "file:/nonexistent"); fateOfError(err) != Unreadable {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestCache: what was stored once is found without a network, the newest of a
// series; what is damaged is not.
func TestCache(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip(err)
	}
	f := finder(t)
	for _, version := range []string{"6.1.9-1", "6.1.100-2", "6.12.3-1", "6.1.100-2~bpo1"} {
		if _, err := f.store(Kernel{Package: "linux-image", Version: version}, bzImage([]byte(version), 1)); err != nil {
			t.Fatal(err)
		}
	}
	for spec, want := range map[string]string{"debian:6.1": "6.1.100-2", "debian:6.12": "6.12.3-1", "debian:6.1.9": "6.1.9-1", "debian:6": "6.12.3-1", "debian:5.10": "", "debian:6.1.1": ""} {
		k, err := f.Find(context.Background(), spec)
		if k.Version != want || (err == nil) != (want != "") || err != nil && fateOfError(err) != Absent {
			t.Errorf("%s: %q %v, want %q", spec, k.Version, err, want)
		}
	}
	k, err := f.Find(context.Background(), "debian:6.12")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(k.Image, bzImage([]byte("other"), 1), 0o644); err != nil {
		t.Fatal(err)
	}
	if k, err := f.Find(context.Background(), "debian:6.12"); err == nil {
		t.Errorf("a damaged image is taken: %+v", k)
	}
}

func TestParseMirror(t *testing.T) {
	m := parseMirror("http://third.example/x nodistro third\nhttp://a.example/debian/ bookworm Debian\nhttp://a.example/debian/ bookworm-updates Debian\nhttp://b.example/security/ bookworm-security Debian\n")
	if m.main != "http://a.example/debian/" || m.security != "http://b.example/security/" {
		t.Errorf("%+v", m)
	}
	if m := parseMirror("http://u.example/ubuntu noble Ubuntu\n"); m != (mirror{}) {
		t.Errorf("another distribution's: %+v", m)
	}
}

// TestParseCandidates: the newest first, and none that is empty or of another series.
func TestParseCandidates(t *testing.T) {
	if _, err := exec.LookPath("dpkg"); err != nil {
		t.Skip(err)
	}
	records := `Package: linux-image-6.19.9-cloud-amd64
Version: 6.19.9-1
Size: 13000000

Package: linux-image-6.19.14-cloud-amd64
Version: 6.19.14-1
Size: 2040
Description: empty
 Package: not a field

Package: linux-binary-6.19.14-cloud-amd64
Version: 6.19.14-1
Size: 13000000

Package: linux-image-6.1.9-cloud-amd64
Version: 6.1.9-1
Size: 13000000
`
	got := parseCandidates(records, "6.19")
	if want := []candidate{{"linux-binary-6.19.14-cloud-amd64", "6.19.14-1"}, {"linux-image-6.19.9-cloud-amd64", "6.19.9-1"}}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestTakeImage(t *testing.T) {
	for name, good := range map[string]bool{
		"./boot/vmlinuz-6.1": true, "./usr/lib/modules/7.3/vmlinuz": true, "lib/modules/7.3/vmlinuz": true,
		"./boot/System.map-6.1": false, "./usr/share/doc/vmlinuz": false, "./usr/lib/modules/7.3/x/vmlinuz": false,
	} {
		var packed bytes.Buffer
		w := tar.NewWriter(&packed)
		if err := w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Size: 6, Mode: 0o644}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("kernel")); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		image, err := takeImage(&packed)
		if (err == nil) != good || good && string(image) != "kernel" {
			t.Errorf("%s: %q %v", name, image, err)
		}
	}
}

// TestDebianOlder has an apt in whose archive the newest kernel is missing: the
// next older one is taken, and the private configuration is what apt was given.
func TestDebianOlder(t *testing.T) {
	for _, tool := range []string{"dpkg", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		t.Skip(err)
	}
	bin, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
	tree := filepath.Join(t.TempDir(), "package")
	for path, text := range map[string]string{
		"DEBIAN/control":   "Package: linux-image-6.1.1-cloud-amd64\nVersion: 6.1.1-1\nArchitecture: amd64\nMaintainer: x <x@y>\nDescription: x\n",
		"boot/vmlinuz-6.1": string(bzImage([]byte("x"), 1)),
	} {
		path = filepath.Join(tree, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	deb := filepath.Join(t.TempDir(), "x.deb")
	if out, err := exec.Command("dpkg-deb", "--root-owner-group", "-b", tree, deb).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, script := range map[string]string{
		"apt-get": `echo "$*" >>` + log + `
case "$*" in
*indextargets*) echo "http://m.example/debian bookworm Debian"; echo "http://s.example/ bookworm-security Debian" ;;
*linux-image-6.1.2*) echo "404 Not Found" >&2; exit 100 ;;
*download*) cp ` + deb + ` . ;;
esac`,
		"apt-cache": `case "$*" in
*search*) echo "linux-image-6.1.2-cloud-amd64 - x"; echo "linux-image-6.1.1-cloud-amd64 - x" ;;
*) for v in 6.1.1 6.1.2; do printf 'Package: linux-image-%s-cloud-amd64\nVersion: %s-1\nSize: 20000000\n\n' $v $v; done ;;
esac`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	f := finder(t)
	f.Offline = false
	k, err := f.Find(context.Background(), "debian:6.1")
	if err != nil || k.Version != "6.1.1-1" {
		t.Fatalf("%+v %v", k, err)
	}
	said, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(f.Cache, "apt", "amd64-bookworm-security", "sources.list"))
	if err != nil || !strings.Contains(string(source), "http://s.example/ bookworm-security main") || !strings.Contains(string(source), "signed-by=") {
		t.Errorf("%s %v", source, err)
	}
	if calls := strings.Split(strings.TrimSpace(string(said)), "\n"); len(calls) != 4 || !strings.Contains(calls[1], "Dir::State="+f.Cache) {
		t.Errorf("apt-get was called like this:\n%s", said)
	}
	// And a second time from the cache, without a call.
	f.Offline = true
	if again, err := f.Find(context.Background(), "debian:6.1"); err != nil || again.SHA256 != k.SHA256 {
		t.Errorf("%+v %v", again, err)
	}
}

// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// HostSpec names the running kernel: the suite runs without a guest.
const HostSpec = "host"

// Default is the grid of `sydtest kernels` without --kernel.
var Default = []string{
	"debian:5.10", "debian:6.1", "debian:6.12", "debian:6.16", "debian:6.18", "debian:6.19", "debian:7.2", "debian:7.3", "debian:6.12:arm64", HostSpec,
}

// A Kernel is a kernel that was found.
type Kernel struct {
	Spec    string `json:"spec"`
	Package string `json:"package,omitempty"`
	Version string `json:"version,omitempty"` // the package's
	SHA256  string `json:"sha256,omitempty"`  // of the image
	Image   string `json:"image,omitempty"`   // as it came
	Boot    string `json:"-"`                 // what is booted: unpacked, if that worked
	Note    string `json:"note,omitempty"`
}

// CheckSpec says what is wrong with a kernel's name.
func CheckSpec(spec string) error {
	base, _ := SplitSpec(spec)
	kind, rest, _ := strings.Cut(base, ":")
	switch {
	case spec == HostSpec:
		return nil
	case kind == "file" && rest != "":
		return nil
	case kind == "debian" && rest != "" && strings.Trim(rest, "0123456789.~+-abcdefghijklmnopqrstuvwxyz") == "" && rest[0] >= '0' && rest[0] <= '9':
		return nil
	}
	return fmt.Errorf("--kernel %s: write debian:SERIES[:ARCH] such as debian:6.12 or debian:6.12:arm64 (%s), file:/PATH of an image, or host", spec, archNames())
}

// A Finder finds kernels.
type Finder struct {
	Arch    Arch
	Cache   string // a directory
	Offline bool
	Log     func(format string, args ...any)
}

// Find finds a kernel that is not the host's.
func (f *Finder) Find(ctx context.Context, spec string) (Kernel, error) {
	if path, ok := strings.CutPrefix(spec, "file:"); ok {
		return f.file(spec, path)
	}
	base, _ := SplitSpec(spec)
	series := strings.TrimPrefix(base, "debian:")
	if k, ok := f.cached(spec, series); ok {
		return f.prepare(k)
	}
	if f.Offline {
		return Kernel{Spec: spec}, problem(Absent, "%s is not in %s; run once without --offline", spec, f.dir())
	}
	k, err := f.debian(ctx, spec, series)
	if err != nil {
		return k, err
	}
	return f.prepare(k)
}

func (f *Finder) dir() string { return filepath.Join(f.Cache, f.Arch.Name) }

func (f *Finder) file(spec, path string) (Kernel, error) {
	k := Kernel{Spec: spec, Image: path}
	if err := checkImage(path, f.Arch); err != nil {
		return k, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return k, problem(Unreadable, "%v", err)
	}
	k.SHA256 = digest(data)
	// Unpacked files of others' kernels go into the cache, by digest.
	dir := filepath.Join(f.dir(), "file-"+k.SHA256[:16])
	return f.unpack(k, data, dir)
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// cached is the newest kernel of the series that is in the cache.
func (f *Finder) cached(spec, series string) (Kernel, bool) {
	metas, _ := filepath.Glob(filepath.Join(f.dir(), "*", "meta.json"))
	var found []Kernel
	for _, meta := range metas {
		var k Kernel
		data, err := os.ReadFile(meta)
		if err != nil || json.Unmarshal(data, &k) != nil || !ofSeries(k.Version, series) {
			continue
		}
		k.Spec, k.Image = spec, filepath.Join(filepath.Dir(meta), "vmlinuz")
		// What a full disk or a killed process left is no kernel.
		if image, err := os.ReadFile(k.Image); err == nil && digest(image) == k.SHA256 {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return Kernel{}, false
	}
	return slices.MaxFunc(found, func(a, b Kernel) int { return compareVersions(a.Version, b.Version) }), true
}

// ofSeries says whether a package's version is what was asked for: 6.1 is not 6.12.
func ofSeries(version, series string) bool {
	rest, ok := strings.CutPrefix(version, series)
	return ok && (rest == "" || strings.ContainsRune(".-~+", rune(rest[0])))
}

// prepare gives a cached kernel its unpacked file.
func (f *Finder) prepare(k Kernel) (Kernel, error) {
	if err := checkImage(k.Image, f.Arch); err != nil {
		return k, err
	}
	data, err := os.ReadFile(k.Image)
	if err != nil {
		return k, problem(Unreadable, "%v", err)
	}
	return f.unpack(k, data, filepath.Dir(k.Image))
}

func (f *Finder) unpack(k Kernel, image []byte, dir string) (Kernel, error) {
	k.Boot = k.Image
	unpacked := filepath.Join(dir, "vmlinux")
	if _, err := os.Stat(unpacked); err == nil {
		k.Boot = unpacked
		return k, nil
	}
	if string(image[:4]) == "\x7fELF" || f.Arch.Name != "amd64" {
		return k, nil
	}
	vmlinux, err := Unpack(image)
	if err != nil {
		k.Note = "boots by its own decompressor: " + err.Error()
		return k, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return k, err
	}
	if err := writeWhole(unpacked, vmlinux); err != nil {
		return k, err
	}
	k.Boot = unpacked
	return k, nil
}

// store puts a fetched kernel into the cache.
func (f *Finder) store(k Kernel, image []byte) (Kernel, error) {
	k.SHA256 = digest(image)
	dir := filepath.Join(f.dir(), k.Version+"-"+k.SHA256[:16])
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return k, err
	}
	k.Image = filepath.Join(dir, "vmlinuz")
	meta, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return k, err
	}
	// The record comes last: a directory without it is nothing.
	if err := writeWhole(k.Image, image); err != nil {
		return k, err
	}
	return k, writeWhole(filepath.Join(dir, "meta.json"), meta)
}

// writeWhole writes a file that is there whole or not at all.
func writeWhole(path string, data []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), ".new-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	if _, err := file.Write(data); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	if err := os.Chmod(file.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

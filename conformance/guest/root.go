// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// userland is the Debian release that guests of another architecture than this
// machine's have their programs from.
const userland = "bookworm"

// Root is a directory with the programs of every guest, for an architecture that
// is not this machine's: Debian's packages, fetched as kernels are, and unpacked.
// Nothing of them runs here.
func (f *Finder) Root(ctx context.Context) (string, error) {
	root := filepath.Join(f.dir(), "root-"+userland)
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	if f.Offline {
		return "", problem(Absent, "the programs for %s are not in %s; run once without --offline", f.Arch.Name, f.dir())
	}
	a, err := f.apt(ctx, userland)
	if err != nil {
		return "", err
	}
	f.Log("fetching programs for %s", f.Arch.Name)
	packages, err := a.programs(ctx, need(nil))
	if err != nil {
		return "", problem(Absent, "the programs for %s: %v", f.Arch.Name, err)
	}
	if err := os.MkdirAll(f.dir(), 0o755); err != nil {
		return "", err
	}
	fresh, err := os.MkdirTemp(f.dir(), ".root-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(fresh)
	if err := unpackRoot(ctx, fresh, packages); err != nil {
		return "", problem(Absent, "the programs for %s: %v", f.Arch.Name, err)
	}
	return root, os.Rename(fresh, root)
}

// programs fetches the packages that bring the programs, with all that these need.
func (a *apt) programs(ctx context.Context, rows []program) (packages []string, err error) {
	if _, err := a.run(ctx, a.dir, "apt-get", "update", "-q"); err != nil {
		return nil, err
	}
	args := []string{"install", "-q", "-y", "--download-only", "--no-install-recommends"}
	for _, row := range rows {
		args = append(args, row.brings)
	}
	if _, err := a.run(ctx, a.dir, "apt-get", args...); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(a.dir, "cache", "archives", "*.deb"))
}

// links are what a system has besides its packages' files: the merged /usr, and
// names that are made when packages are configured.
var links = []struct{ name, target string }{
	{"bin", "usr/bin"}, {"sbin", "usr/sbin"}, {"lib", "usr/lib"}, {"lib64", "usr/lib64"}, {"usr/bin/awk", "mawk"}, {"usr/bin/sh", "dash"},
}

func unpackRoot(ctx context.Context, root string, packages []string) error {
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for _, l := range links {
		if err := os.Symlink(l.target, filepath.Join(root, l.name)); err != nil {
			return err
		}
	}
	for _, file := range packages {
		archive, err := os.CreateTemp(filepath.Dir(root), ".package-")
		if err != nil {
			return err
		}
		unpack := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", file)
		unpack.Stdout = archive
		err = errors.Join(unpack.Run(), archive.Close())
		if err == nil {
			// Directories of packages don't replace the links to them; names that are
			// there stay.
			var said []byte
			said, err = exec.CommandContext(ctx, "tar", "-C", root, "--keep-directory-symlink", "--no-same-owner", "--exclude=./dev/*", "-xf", archive.Name()).CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(said)))
			}
		}
		if gone := os.Remove(archive.Name()); err == nil {
			err = gone
		}
		if err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(file), err)
		}
	}
	return os.Chmod(root, 0o755)
}

// A pair is what runs in guests of one architecture.
type pair struct{ syd, sydtest string }

// builds are those for guests of arch: the ones that were given, or for another
// architecture than theirs those below the directory of foreign builds.
func (o Options) builds(arch, native Arch) (pair, error) {
	if arch.Name == native.Name {
		return pair{o.Syd, o.Sydtest}, nil
	}
	dir := filepath.Join(o.Builds, arch.Name)
	p := pair{filepath.Join(dir, "syd"), filepath.Join(dir, "sydtest")}
	for _, path := range []string{p.syd, p.sydtest} {
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			return p, problem(Lacking, "%s is not there: make %s builds it", path, arch.Name)
		}
	}
	return p, nil
}

// SplitSpec takes the architecture off a kernel's name, "" if it has none.
func SplitSpec(spec string) (rest, arch string) {
	for _, a := range Arches {
		if rest, ok := strings.CutSuffix(spec, ":"+a.Name); ok && strings.HasPrefix(spec, "debian:") {
			return rest, a.Name
		}
	}
	return spec, ""
}

// archNames is for messages.
func archNames() string {
	var names []string
	for _, a := range Arches {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

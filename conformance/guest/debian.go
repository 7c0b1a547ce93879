// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// suites is where Debian has kernels of a series. A series that is in none of
// the rows is looked for in all suites.
var suites = []struct{ series, names string }{
	{"5.10", "bullseye-security"},
	{"6.1", "bookworm-security bookworm"},
	{"6.12", "trixie-security trixie"},
	{"6.16", "trixie-backports"}, {"6.17", "trixie-backports"}, {"6.18", "trixie-backports"}, {"6.19", "trixie-backports"},
	{"7.0", "trixie-backports"}, {"7.1", "trixie-backports"}, {"7.2", "sid"}, {"7.3", "trixie-backports"},
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

func suitesOf(series string) []string {
	var all []string
	for _, row := range suites {
		names := strings.Fields(row.names)
		if ofSeries(series, row.series) {
			return names
		}
		for _, name := range names {
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	return all
}

// A mirror is where this machine takes Debian's packages from, and its security
// updates.
type mirror struct{ main, security string }

// parseMirror reads `apt-get indextargets`, one target a line: address, release,
// origin.
func parseMirror(targets string) (m mirror) {
	for line := range strings.Lines(targets) {
		words := strings.Fields(line)
		if len(words) != 3 || words[2] != "Debian" {
			continue
		}
		if strings.HasSuffix(words[1], "-security") {
			m.security = words[0]
		} else if m.main == "" {
			m.main = words[0]
		}
	}
	return m
}

// A candidate is a package that may be had.
type candidate struct{ name, version string }

// parseCandidates reads `apt-cache show`: the packages with a kernel in them,
// newest first. Empty ones, which only require another, are left out by size.
func parseCandidates(records, series string) []candidate {
	var all []candidate
	for record := range strings.SplitSeq(records, "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(record) {
			if name, value, ok := strings.Cut(line, ": "); ok && !strings.HasPrefix(line, " ") {
				fields[name] = strings.TrimSpace(value)
			}
		}
		if len(fields["Size"]) < 7 || !ofSeries(fields["Version"], series) {
			continue
		}
		c := candidate{fields["Package"], fields["Version"]}
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return compareVersions(b.version, a.version) })
	return all
}

// compareVersions is dpkg's order, which knows of ~ and of numbers.
func compareVersions(a, b string) int {
	switch {
	case a == b:
		return 0
	case exec.Command("dpkg", "--compare-versions", a, "lt", b).Run() == nil:
		return -1
	}
	return 1
}

// mirror is where this machine takes Debian's packages from.
func (f *Finder) mirror(ctx context.Context) (m mirror, err error) {
	for _, tool := range []struct{ name, brings string }{{"apt-get", "apt"}, {"apt-cache", "apt"}, {"dpkg-deb", "dpkg"}} {
		if _, err := exec.LookPath(tool.name); err != nil {
			return m, problem(Absent, "debian: kernels need %s, which is Debian's: name an image with --kernel file:/PATH", tool.name)
		}
	}
	if _, err := os.Stat(keyring); err != nil {
		return m, problem(Absent, "%s", missing([]string{keyring}, []string{"debian-archive-keyring"}))
	}
	targets, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(ORIGIN)").Output()
	if err != nil {
		return m, problem(Absent, "apt-get indextargets: %v", err)
	}
	return parseMirror(string(targets)), nil
}

// apt is what fetches from a suite.
func (f *Finder) apt(ctx context.Context, suite string) (*apt, error) {
	m, err := f.mirror(ctx)
	if err != nil {
		return nil, err
	}
	address := m.main
	if strings.HasSuffix(suite, "-security") {
		address = m.security
	}
	if address == "" {
		return nil, fmt.Errorf("apt's sources name no Debian archive for it (apt-get update?)")
	}
	return newApt(filepath.Join(f.Cache, "apt"), suite, address, f.Arch)
}

// debian fetches the newest kernel of a series. An index can name a file that the
// mirror no longer has: then the next older one is tried.
func (f *Finder) debian(ctx context.Context, spec, series string) (Kernel, error) {
	k := Kernel{Spec: spec}
	var reasons []string
	for _, suite := range suitesOf(series) {
		a, err := f.apt(ctx, suite)
		var p *Problem
		if errors.As(err, &p) {
			return k, err
		}
		if err != nil {
			reasons = append(reasons, suite+": "+err.Error())
			continue
		}
		image, c, err := a.fetch(ctx, series, f.Log)
		if ctx.Err() != nil {
			return k, ctx.Err()
		}
		if err != nil {
			reasons = append(reasons, suite+": "+err.Error())
			continue
		}
		k.Package, k.Version = c.name, c.version
		return f.store(k, image)
	}
	return k, problem(Absent, "no kernel %s: %s", series, strings.Join(reasons, "; "))
}

// An apt is a private configuration of apt: it knows one suite, and nothing of
// the machine's own state is read or changed but the proxies.
type apt struct {
	dir  string
	arch Arch
	opts []string
}

func newApt(dir, suite, address string, arch Arch) (*apt, error) {
	dir, err := filepath.Abs(filepath.Join(dir, arch.Debian+"-"+suite))
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "parts"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	source := fmt.Sprintf("deb [arch=%s signed-by=%s] %s %s main\n", arch.Debian, keyring, address, suite)
	for name, text := range map[string]string{"sources.list": source, "status": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	a := &apt{dir: dir, arch: arch}
	for _, o := range []string{
		"Dir::Etc::SourceList=" + dir + "/sources.list", "Dir::Etc::SourceParts=" + dir + "/parts", "Dir::Etc::PreferencesParts=" + dir + "/parts",
		"Dir::Etc::Preferences=/dev/null", "Dir::State=" + dir, "Dir::State::Lists=" + dir + "/lists", "Dir::State::Status=" + dir + "/status",
		"Dir::Cache=" + dir + "/cache", "APT::Architecture=" + arch.Debian, "APT::Architectures::=" + arch.Debian, "Acquire::Languages=none",
		"Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false",
		"APT::Update::Error-Mode=any", "Acquire::Retries=2",
		// The directories are this user's, and apt's own user cannot read them.
		"APT::Sandbox::User=",
	} {
		a.opts = append(a.opts, "-o", o)
	}
	return a, nil
}

func (a *apt) run(ctx context.Context, dir, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, append(slices.Clone(a.opts), args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(said.String()), "\n")
		return "", fmt.Errorf("%s %s: %s", program, args[0], lines[len(lines)-1])
	}
	return string(out), nil
}

func (a *apt) fetch(ctx context.Context, series string, log func(string, ...any)) ([]byte, candidate, error) {
	if _, err := a.run(ctx, a.dir, "apt-get", "update", "-q"); err != nil {
		return nil, candidate{}, err
	}
	// Until 6.18 the kernel is in linux-image-*; from 6.19 on that one is empty
	// and the kernel in linux-binary-*. Cloud kernels are small and have all that
	// a guest needs built in.
	major := strings.ReplaceAll(strings.Join(strings.SplitN(series, ".", 3)[:min(2, strings.Count(series, ".")+1)], "."), ".", `\.`)
	names, err := a.run(ctx, a.dir, "apt-cache", "search", "--names-only", `^linux-(image|binary)-`+major+`[.+~-].*-cloud-`+a.arch.Debian+`$`)
	if err != nil {
		return nil, candidate{}, err
	}
	show := []string{"show"}
	for line := range strings.Lines(names) {
		show = append(show, strings.Fields(line)[0])
	}
	if len(show) == 1 {
		return nil, candidate{}, fmt.Errorf("has no kernel %s", series)
	}
	records, err := a.run(ctx, a.dir, "apt-cache", show...)
	if err != nil {
		return nil, candidate{}, err
	}
	last := fmt.Errorf("has no kernel %s", series)
	for _, c := range parseCandidates(records, series) {
		log("fetching %s %s", c.name, c.version)
		image, err := a.download(ctx, c)
		if err == nil || ctx.Err() != nil {
			return image, c, err
		}
		log("%v", err)
		last = err
	}
	return nil, candidate{}, last
}

// download fetches one package, whose signature apt checks, and takes the kernel out.
func (a *apt) download(ctx context.Context, c candidate) ([]byte, error) {
	dir, err := os.MkdirTemp(a.dir, "download-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := a.run(ctx, dir, "apt-get", "download", "-q", c.name+"="+c.version); err != nil {
		return nil, err
	}
	packages, _ := filepath.Glob(filepath.Join(dir, "*.deb"))
	if len(packages) != 1 {
		return nil, fmt.Errorf("apt-get download %s left %d packages", c.name, len(packages))
	}
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", packages[0])
	files, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	image, err := takeImage(files)
	// What comes after the kernel is of no interest.
	_ = files.Close()
	_ = cmd.Wait()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", c.name, c.version, err)
	}
	return image, nil
}

func takeImage(files io.Reader) ([]byte, error) {
	archive := tar.NewReader(files)
	for {
		header, err := archive.Next()
		if err == io.EOF {
			return nil, fmt.Errorf("there is no kernel in the package")
		}
		if err != nil {
			return nil, err
		}
		name := path.Clean("/" + header.Name)
		here, base := path.Dir(name), path.Base(name)
		if header.Typeflag == tar.TypeReg && (here == "/boot" && strings.HasPrefix(base, "vmlinuz-") ||
			base == "vmlinuz" && (path.Dir(here) == "/usr/lib/modules" || path.Dir(here) == "/lib/modules")) {
			return io.ReadAll(archive)
		}
	}
}

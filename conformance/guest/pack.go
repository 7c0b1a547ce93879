// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"bufio"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Paths in a guest.
const (
	initPath    = "/init" // sydtest, the first process
	sydtestPath = "/usr/local/bin/sydtest"
	sydPath     = "/usr/local/bin/syd"
	jobPath     = "/sydtest-job.json"
)

// A Job is what the first process of a guest is told to do.
type Job struct {
	Runs    []JobRun          `json:"runs"`
	Sysctls map[string]string `json:"sysctls,omitempty"`
}

// A JobRun is one run of the suite: the arguments of `sydtest run` but for the
// build's and the report's, and as whom.
type JobRun struct {
	User string   `json:"user"` // root, or another
	Args []string `json:"args"`
}

// Contents is what goes into a guest.
type Contents struct {
	Syd          string
	Sydtest      string
	Job          Job
	Capabilities []string // that the planned specs require
	Sysroot      string   // where programs are taken from: "" is this machine
}

// Pack writes the initial file system. The notes say what was left out.
func Pack(file string, arch Arch, c Contents) (notes []string, err error) {
	for _, program := range []string{c.Syd, c.Sydtest} {
		found, err := ProgramArch(program)
		if err != nil {
			return nil, err
		}
		if found.Name != arch.Name {
			return nil, problem(WrongArch, "%s is for %s, and the guests are %s", program, found.Name, arch.Name)
		}
	}
	p := &packer{tree: tree{}, root: c.Sysroot, arch: arch, seen: map[string]bool{}}
	if err := p.base(c); err != nil {
		return nil, err
	}
	if err := p.programs(need(c.Capabilities)); err != nil {
		return nil, err
	}
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	if err := errors.Join(p.tree.write(w), w.Flush(), out.Close()); err != nil {
		return nil, fmt.Errorf("write the initial file system: %w", err)
	}
	return p.notes, nil
}

// A packer gathers files of a root directory with all that they need.
type packer struct {
	tree  tree
	root  string
	arch  Arch
	seen  map[string]bool
	dirs  []string // of libraries
	notes []string
}

func (p *packer) base(c Contents) error {
	job, err := json.Marshal(c.Job)
	if err != nil {
		return err
	}
	for _, dir := range []string{"/proc", "/sys", "/dev", "/run", "/root", "/mnt", "/opt", "/srv", "/home", "/var/tmp", "/var/lib", "/usr/local/bin", "/usr/local/sbin"} {
		p.tree.put(dir, entry{mode: typeDir | 0o755})
	}
	p.tree.put("/tmp", entry{mode: typeDir | 0o1777})
	// The kernel gives these to the first process before it mounts /dev.
	p.tree.put("/dev/console", entry{mode: typeChar | 0o600, major: 5, minor: 1})
	p.tree.put("/dev/null", entry{mode: typeChar | 0o666, major: 1, minor: 3})
	p.tree.put(sydtestPath, entry{mode: typeFile | 0o755, source: c.Sydtest})
	p.tree.put(initPath, entry{mode: typeLink | 0o777, data: []byte(sydtestPath)})
	p.tree.put(sydPath, entry{mode: typeFile | 0o755, source: c.Syd})
	p.tree.put(jobPath, entry{mode: typeFile | 0o644, data: job})
	for name, text := range written {
		p.tree.put(name, entry{mode: typeFile | 0o644, data: []byte(text)})
	}
	// Links such as /bin → usr/bin are the machine's own.
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib64"} {
		if _, err := os.Lstat(p.root + dir); err == nil {
			if err := p.add(dir, false); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *packer) programs(all []program) error {
	var absent, packages []string
	for _, row := range all {
		for _, name := range strings.Fields(row.names) {
			where := p.which(name)
			switch {
			case where == "" && row.because == "":
				absent, packages = append(absent, name), append(packages, row.brings)
			case where == "":
				p.notes = append(p.notes, missing([]string{name}, []string{row.brings})+"; specs that require it are unsupported")
			default:
				if err := p.add(where, true); err != nil {
					return err
				}
			}
		}
		if err := p.addPatterns(strings.Fields(row.files)); err != nil {
			return err
		}
	}
	if len(absent) > 0 {
		return problem(Lacking, "%s", missing(absent, packages))
	}
	return p.addPatterns(common)
}

func (p *packer) which(name string) string {
	for _, dir := range searched {
		if info, err := os.Stat(p.root + dir + "/" + name); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return dir + "/" + name
		}
	}
	return ""
}

func (p *packer) addPatterns(patterns []string) error {
	for _, pattern := range patterns {
		found, err := filepath.Glob(p.root + pattern)
		if err != nil {
			return err
		}
		for _, name := range found {
			if err := p.add(strings.TrimPrefix(name, p.root), true); err != nil {
				return err
			}
		}
	}
	return nil
}

// add takes a file in, with the links on the way to it; deep: a directory with
// all that is in it, a program with what it needs to start.
func (p *packer) add(name string, deep bool) error {
	name, err := p.resolve(name)
	if err != nil || p.seen[name] {
		return err
	}
	p.seen[name] = true
	info, err := os.Lstat(p.root + name)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		p.tree.put(name, entry{mode: typeDir | uint32(info.Mode().Perm())})
		if !deep {
			return nil
		}
		return p.addDir(name)
	case info.Mode().IsRegular():
		p.tree.put(name, entry{mode: typeFile | unixMode(info.Mode()), source: p.root + name})
		return p.addNeeded(name)
	}
	return nil // sockets and devices are the machine's own
}

// unixMode is the permissions with set-user-ID and its like, which os keeps elsewhere.
func unixMode(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSetuid != 0 {
		bits |= 0o4000
	}
	if mode&fs.ModeSetgid != 0 {
		bits |= 0o2000
	}
	return bits
}

func (p *packer) addDir(dir string) error {
	entries, err := os.ReadDir(p.root + dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// What Python compiled is made again when it is needed.
		if e.Name() == "__pycache__" || e.Name() == "dist-packages" {
			continue
		}
		err := p.add(path.Join(dir, e.Name()), true)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// resolve follows name's links within the root, and takes each into the tree.
func (p *packer) resolve(name string) (string, error) {
	rest, done := strings.Split(strings.Trim(name, "/"), "/"), ""
	for hops := 0; len(rest) > 0; {
		word := rest[0]
		rest = rest[1:]
		switch word {
		case "", ".":
			continue
		case "..":
			done = strings.TrimSuffix(path.Dir(done), "/")
			continue
		}
		here := done + "/" + word
		info, err := os.Lstat(p.root + here)
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			done = here
			continue
		}
		if hops++; hops > 40 {
			return "", fmt.Errorf("%s: too many links", name)
		}
		target, err := os.Readlink(p.root + here)
		if err != nil {
			return "", err
		}
		p.tree.put(here, entry{mode: typeLink | 0o777, data: []byte(target)})
		if path.IsAbs(target) {
			done = ""
		}
		rest = slices.Concat(strings.Split(strings.Trim(target, "/"), "/"), rest)
	}
	return done, nil
}

// addNeeded takes in what the kernel and the dynamic linker load for a program:
// a script's interpreter, an ELF file's, and its libraries.
func (p *packer) addNeeded(name string) error {
	data, err := os.ReadFile(p.root + name)
	if err != nil {
		return err
	}
	if line, ok := bytes.CutPrefix(data, []byte("#!")); ok {
		line, _, _ = bytes.Cut(line, []byte("\n"))
		words := strings.Fields(string(line))
		if len(words) == 0 || !path.IsAbs(words[0]) {
			return nil
		}
		// The interpreter of a script among a package's files may be missing.
		if err := p.add(words[0], true); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if !bytes.HasPrefix(data, []byte(elf.ELFMAG)) {
		return nil
	}
	file, err := elf.NewFile(bytes.NewReader(data))
	if err != nil || file.Machine != p.arch.ELF {
		return nil // no program that runs here: data
	}
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			start, end := segment.Off, segment.Off+segment.Filesz
			if end > uint64(len(data)) || start >= end {
				return fmt.Errorf("%s: its interpreter's name is not in the file", name)
			}
			if err := p.add(strings.TrimRight(string(data[start:end]), "\x00"), true); err != nil {
				return fmt.Errorf("%s: its interpreter: %w", name, err)
			}
		}
	}
	return p.addLibraries(name, file)
}

func (p *packer) addLibraries(name string, file *elf.File) error {
	libraries, err := file.ImportedLibraries()
	if err != nil {
		return nil // static
	}
	var own []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		paths, _ := file.DynString(tag)
		for _, list := range paths {
			list = strings.NewReplacer("$ORIGIN", path.Dir(name), "${ORIGIN}", path.Dir(name)).Replace(list)
			own = append(own, strings.Split(list, ":")...)
		}
	}
	for _, library := range libraries {
		found := false
		for _, dir := range slices.Concat(own, p.libraryDirs()) {
			if _, err := os.Stat(p.root + dir + "/" + library); err == nil {
				if err := p.add(dir+"/"+library, true); err != nil {
					return err
				}
				found = true
				break
			}
		}
		if !found {
			return problem(Lacking, "%s needs %s, which is in none of %s", name, library, strings.Join(p.libraryDirs(), " "))
		}
	}
	return nil
}

// libraryDirs is where the dynamic linker looks: /etc/ld.so.conf's and its own.
func (p *packer) libraryDirs() []string {
	if p.dirs != nil {
		return p.dirs
	}
	lists, _ := filepath.Glob(p.root + "/etc/ld.so.conf.d/*.conf")
	for _, list := range append([]string{p.root + "/etc/ld.so.conf"}, lists...) {
		text, err := os.ReadFile(list)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "/") {
				p.dirs = append(p.dirs, line)
			}
		}
	}
	for _, dir := range []string{"/lib/" + p.arch.Triplet, "/usr/lib/" + p.arch.Triplet, "/lib64", "/usr/lib64", "/lib", "/usr/lib"} {
		if !slices.Contains(p.dirs, dir) {
			p.dirs = append(p.dirs, dir)
		}
	}
	return p.dirs
}

// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Place is where a path of a task leads: a name in a directory, whether there is
// such a file or not, or a file without a name. What is done at a place is done
// there, however the path's directories are exchanged meanwhile. The caller
// closes it.
type Place struct {
	// Path is the absolute path, without symlinks. Of a deleted file it is the
	// former one.
	Path string
	// Lost: no path leads there (a deleted file, or outside our root).
	Lost bool
	// Nameless: it has no path at all: a pipe, a socket.
	Nameless bool
	// Slash: the path ends in one, so a directory is meant.
	Slash bool
	// Exists: there was a file; Mode and Identity are its. Known of a place that
	// was walked to, not of a quick one.
	Exists   bool
	Mode     uint32
	Identity Identity

	stat Stat   // of an existing file, when it was looked at
	base int    // O_PATH directory that name begins in, or AT_FDCWD
	name string // "": fd is the file
	tid  int    // whose place it is
	fd   int    // O_PATH; -1: none
}

// noLinks has the kernel follow no symlink: a name that has become one ends in
// ELOOP.
const noLinks = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// Close closes what the place holds.
func (p *Place) Close() {
	if p.base >= 0 {
		Close(take(&p.base))
	}
	if p.fd >= 0 {
		Close(take(&p.fd))
	}
}

// IsSymlink and IsDirectory tell the type of an existing file.
func (p *Place) IsSymlink() bool   { return p.Exists && p.Mode&unix.S_IFMT == unix.S_IFLNK }
func (p *Place) IsDirectory() bool { return p.Exists && p.Mode&unix.S_IFMT == unix.S_IFDIR }

// IsRegular, IsFIFO and IsCharDevice, too.
func (p *Place) IsRegular() bool    { return p.Exists && p.Mode&unix.S_IFMT == unix.S_IFREG }
func (p *Place) IsCharDevice() bool { return p.Exists && p.Mode&unix.S_IFMT == unix.S_IFCHR }

// Asked: it took a look into the task's /proc to find it.
func (p *Place) Asked() bool { return p.base != unix.AT_FDCWD }

// Quick is the place that text leads to if there is no symlink on the way. Not
// ok: that can't be said, or not by its text alone; Find can. It looks nothing
// up but the directory that a relative path begins in.
//
// Preconditions: the task's root and mounts are ours.
func (v View) Quick(text string, l Lookup) (p Place, ok bool) {
	if text == "" || len(text) >= PathMax || l.Flags != 0 {
		return p, false
	}
	clean, plain := lexical(text)
	if !plain {
		return p, false
	}
	p = Place{tid: v.TID, base: unix.AT_FDCWD, name: text, fd: -1, Path: clean, Slash: text[len(text)-1] == '/'}
	if text[0] == '/' {
		return p, true
	}
	base, err := v.base(l.DirFD)
	if err != nil {
		return p, false // Find tells which error comes first
	}
	p.base = base
	at, err := linkText(base)
	if _, plain := lexical(at); err != nil || !plain || at[0] != '/' || strings.HasSuffix(at, deletedSuffix) {
		p.Close()
		return p, false
	}
	if p.Path = at; clean != "" {
		p.Path = below(at, clean)
	}
	return p, true
}

const (
	deletedSuffix = " (deleted)" // fs/d_path.c
	memfdPrefix   = "/memfd:"    // mm/memfd.c: no path that ever was
)

// lexical cleans text of empty components and of ".": the path that it is if
// nothing on the way is a symlink. Not plain: it has "..", or a number, which may
// be that of a thread of ours by the time it is opened.
func lexical(text string) (clean string, plain bool) {
	if text == "" {
		return "", false
	}
	tidy := true
	for i := 0; i < len(text); {
		end := strings.IndexByte(text[i:], '/')
		if end < 0 {
			end = len(text) - i
		}
		switch name := text[i : i+end]; {
		case name == "..":
			return "", false
		case name == "." || name == "" && i > 0:
			tidy = false
		case isNumber(name):
			return "", false
		}
		i += end + 1
	}
	if tidy && text[len(text)-1] != '/' {
		return text, true
	}
	if clean = path.Clean(text); clean == "." {
		clean = ""
	}
	return clean, true
}

// Find walks to the place of text, link by link. The last component may be
// missing; a symlink there is followed unless l says no. With an error comes the
// Path of the last directory that was reached.
func (v View) Find(text string, l Lookup) (Place, error) { return v.place(text, l, lastPlace) }

// Name walks to the directory of text's last component, which itself is not
// looked up: for calls that make, remove or rename it. Its name keeps a trailing
// slash.
func (v View) Name(text string, l Lookup) (Place, error) { return v.place(text, l, lastName) }

func (v View) place(text string, l Lookup, last int) (Place, error) {
	w := newWalk(v, l)
	w.last = last
	defer w.close()
	if err := w.follow(text); err != nil {
		return Place{Path: w.at, base: -1, fd: -1}, err
	}
	p := Place{tid: v.TID, Path: w.at, Lost: w.lost, Slash: w.slash, base: take(&w.dir), name: w.name, fd: take(&w.cur)}
	if p.Slash && p.name != "" {
		p.name += "/"
	}
	err := p.describe()
	if err == nil && p.fd >= 0 && isOfOurs(p.fd, &p.stat, v.TID) {
		p.Close()
		return Place{Path: w.at, base: -1, fd: -1}, unix.ENOENT
	}
	return p, err
}

// Held is what descriptor fd of the task, or AtFDCWD, refers to.
func (v View) Held(fd int) (Place, error) {
	own, err := v.base(fd)
	if err != nil {
		return Place{}, err
	}
	return held(own, v.TID)
}

// held takes over a descriptor of ours, of the file that task tid has.
func held(own, tid int) (p Place, err error) {
	p = Place{tid: tid, base: -1, fd: own}
	if p.Path, err = linkText(own); err == nil {
		err = p.describe()
	}
	if err != nil {
		p.Close()
		return Place{}, err
	}
	p.Lost = !leadsTo(p.Path, p.Identity, own)
	p.settle()
	return p, nil
}

// Own is the file that descriptor fd of ours is open on. The caller still owns fd.
func Own(fd int) (Place, error) {
	copied, err := duplicate(fd)
	if err != nil {
		return Place{}, err
	}
	return held(copied, 0)
}

// describe fills in what the descriptor tells.
func (p *Place) describe() error {
	if p.fd < 0 {
		return nil
	}
	err := p.examine(p.fd)
	if err != nil {
		p.Close()
	}
	return err
}

// examine fills in what fd tells, which is open on the file.
func (p *Place) examine(fd int) error {
	if err := unix.Fstat(fd, &p.stat); err != nil {
		return err
	}
	p.Exists, p.Mode, p.Identity = true, p.stat.Mode, Identity{p.stat.Dev, p.stat.Ino}
	p.settle()
	return nil
}

// settle says what a path that leads nowhere means.
func (p *Place) settle() {
	if !p.Lost {
		return
	}
	p.Nameless = !strings.HasPrefix(p.Path, "/") || strings.HasPrefix(p.Path, memfdPrefix)
	p.Path = strings.TrimSuffix(p.Path, deletedSuffix)
}

// Open opens the file as openat2(2) does, and follows no symlink: ELOOP when
// there is one (now). It knows the file's type then. It may sleep.
func (p *Place) Open(flags uint64, mode uint32) (int, error) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Mode: uint64(mode)}
	if p.name != "" {
		how.Resolve = noLinks
		fd, err := openat2(p.base, p.name, how)
		if err != nil {
			return -1, err
		}
		if err = p.examine(fd); err == nil && isOfOurs(fd, &p.stat, p.tid) {
			err = unix.ENOENT
		}
		if err != nil {
			p.Exists = false
			Close(fd)
			return -1, err
		}
		return fd, nil
	}
	if flags&unix.O_PATH != 0 && flags&unix.O_NOFOLLOW != 0 {
		return duplicate(p.fd)
	}
	if p.IsDirectory() && flags&unix.O_NOFOLLOW != 0 {
		how.Resolve = noLinks
		return openat2(p.fd, ".", how) // the flag stays to be seen
	}
	how.Flags &^= unix.O_NOFOLLOW // the magic link is ours
	return openat2(unix.AT_FDCWD, ownFD(p.fd), how)
}

// Look makes sure that there is an O_PATH descriptor of the file, and knows its
// type.
func (p *Place) Look(noFollow bool) error {
	if p.fd >= 0 {
		return nil
	}
	flags := uint64(unix.O_PATH)
	if noFollow {
		flags |= unix.O_NOFOLLOW
	}
	fd, err := p.Open(flags, 0)
	if err == nil {
		p.fd = fd // there was none: it was opened by its name, and examined
	}
	return err
}

// Descriptor is the O_PATH descriptor of the file, the place's own; -1: none.
func (p *Place) Descriptor() int { return p.fd }

// At is the directory and the name in it by which calls with *at reach the
// place, the place's own. Name "" means the file of the directory's descriptor.
func (p *Place) At() (dir int, name string) {
	if p.name == "" {
		return p.fd, ""
	}
	return p.base, p.name
}

// below is the path of name in directory dir.
func below(dir, name string) string {
	if dir == "/" {
		return dir + name
	}
	return dir + "/" + name
}

// isNumber: procfs may have a directory of that name.
func isNumber(name string) bool {
	if name == "" || name[0] == '0' {
		return false
	}
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' {
			return false
		}
	}
	return true
}

// oursByName: name is the number of a thread of ours.
func oursByName(name string) bool {
	number := 0
	for i := range len(name) {
		if name[i] < '0' || name[i] > '9' || number > 1<<22 {
			return false
		}
		number = 10*number + int(name[i]-'0')
	}
	return Ours(number)
}

// Pin has the file opened that was looked at, not what its name leads to now.
func (p *Place) Pin() { p.name = "" }

// MindsSize says whether an open of the file, which was looked at, without O_LARGEFILE
// fails if it is too large for that. A filesystem's own open has to see to it (fs/open.c,
// generic_file_open): ramfs and hugetlbfs have none, and tmpfs since Linux 6.6 only, since
// when it takes O_DIRECT, too (mm/shmem.c, shmem_file_open).
func (p *Place) MindsSize() bool {
	var fs unix.Statfs_t
	if p.fd < 0 || unix.Fstatfs(p.fd, &fs) != nil {
		return true
	}
	switch fs.Type {
	case unix.RAMFS_MAGIC, unix.HUGETLBFS_MAGIC:
		return false
	case unix.TMPFS_MAGIC:
		fd, err := openat2(unix.AT_FDCWD, ownFD(p.fd), unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECT | unix.O_CLOEXEC})
		if err == nil {
			Close(fd)
		}
		return err != unix.EINVAL
	}
	return true
}

// Protected says whether the kernel refuses an open with O_CREAT of the file,
// which was looked at, to a task of this fsuid: it is somebody else's, in a
// sticky directory where others may make files (proc_sys_fs(5), protected_regular
// and protected_fifos; fs/namei.c, may_create_in_sticky; Linux 4.19). For an open
// that the kernel is not told to create by. What can't be found out is protected.
func (p *Place) Protected(fsuid int) bool {
	var setting string
	switch p.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		setting = "fs/protected_regular"
	case unix.S_IFIFO:
		setting = "fs/protected_fifos"
	}
	if setting == "" || p.name == "" || int(p.stat.Uid) == fsuid {
		return false
	}
	fd, err := openat2(p.base, path.Dir(p.name), unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: noLinks})
	if err != nil {
		return true
	}
	defer Close(fd)
	var dir Stat
	if err := unix.Fstat(fd, &dir); err != nil {
		return true
	}
	if dir.Mode&unix.S_ISVTX == 0 || dir.Uid == p.stat.Uid {
		return false
	}
	switch sysctl(setting, 2) {
	case 0:
		return false
	case 1:
		return dir.Mode&unix.S_IWOTH != 0
	}
	return dir.Mode&(unix.S_IWOTH|unix.S_IWGRP) != 0
}

// IsDevice says whether it is the character device of that number.
func (p *Place) IsDevice(number uint64) bool {
	return p.IsCharDevice() && p.stat.Rdev == number
}

// PathOnly says whether descriptor fd of the task was opened with O_PATH: it can
// be neither read nor written to, which its link shows (fs/proc/fd.c,
// tid_fd_update_inode).
func (v View) PathOnly(fd int) bool {
	var st unix.Stat_t
	err := unix.Lstat("/proc/"+strconv.Itoa(v.TID)+"/fd/"+strconv.Itoa(fd), &st)
	return err == nil && st.Mode&0o700 == 0
}

// Search asks whether a name may be looked up where the place's name is: ENOTDIR,
// EACCES.
func (p *Place) Search() error {
	if p.name == "" {
		return nil
	}
	fd, err := openat2(p.base, ".", unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: noLinks})
	if err == nil {
		Close(fd)
	}
	return err
}

// Missing says whether nothing has the place's name.
func (p *Place) Missing() bool {
	dir, name := p.At()
	if name == "" {
		return false
	}
	var st unix.Stat_t
	return unix.Fstatat(dir, strings.TrimRight(name, "/"), &st, unix.AT_SYMLINK_NOFOLLOW) == unix.ENOENT
}

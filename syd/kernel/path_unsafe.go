// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"bytes"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Identity tells two files apart, whatever their names.
type Identity struct{ Dev, Ino uint64 }

// Object is a file that a path led to: an O_PATH descriptor, which the caller
// closes, what it is, and its absolute path now.
type Object struct {
	FD       int
	Path     string
	Identity Identity
	Mode     uint32
	// Deleted: Path no longer leads to it (unlinked, a memfd, outside our root).
	Deleted bool
}

// Close closes the object's descriptor.
func (o Object) Close() { Close(o.FD) }

// IsRegular and IsDirectory tell its type.
func (o Object) IsRegular() bool   { return o.Mode&unix.S_IFMT == unix.S_IFREG }
func (o Object) IsDirectory() bool { return o.Mode&unix.S_IFMT == unix.S_IFDIR }

// View is the file system as a task sees it: its root, its working directory,
// its descriptors, its own /proc/self.
type View struct{ TID int }

// Lookup says how a path is followed.
type Lookup struct {
	DirFD    int  // of the task, or AtFDCWD
	NoFollow bool // don't follow a symlink in the last component
	Empty    bool // an empty path means DirFD itself
	Creates  bool // for open(2) with O_CREAT, which wants no directory
	// Pass, if any, is asked about each directory that the lookup passes through
	// and each symlink that it follows, by its path; an error ends the lookup.
	Pass func(path string) error
	// As, if any, has the calling thread work as the task, which may be refused a
	// step of its lookup, until leave.
	As func() (leave func(), err error)
	// Flags are those of openat2(2): RESOLVE_...
	Flags uint64
}

// Resolve follows path link by link, as task v would, without opening what it
// leads to for anything but its place (O_PATH). Symlinks start again at the
// task's root; /proc/self and /proc/thread-self mean the task; magic links are
// left to the kernel. Errors are those of path_resolution(7).
func (v View) Resolve(path string, l Lookup) (Object, error) {
	w := newWalk(v, l)
	defer w.close()
	if err := w.follow(path); err != nil {
		return Object{}, err
	}
	return describe(take(&w.cur))
}

// Executable is the image that task tid runs (/proc/tid/exe).
func Executable(tid int) (Object, error) { return View{TID: tid}.object("exe") }

// WorkingDirectory is the directory that task tid is in (/proc/tid/cwd).
func WorkingDirectory(tid int) (Object, error) { return View{TID: tid}.object("cwd") }

// FileDescriptor is what descriptor fd of the task refers to.
func (v View) FileDescriptor(fd int) (Object, error) {
	return v.object("fd/" + strconv.Itoa(fd))
}

// ReadHead reads the first bytes of a regular file into buf. An object that
// isn't one, or can't be read, is an error.
func (o Object) ReadHead(buf []byte) (int, error) {
	if !o.IsRegular() {
		return 0, unix.EACCES
	}
	fd, err := openat2(unix.AT_FDCWD, ownFD(o.FD),
		unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC | unix.O_NONBLOCK | unix.O_NOCTTY})
	if err != nil {
		return 0, err
	}
	defer Close(fd)
	return unix.Pread(fd, buf, 0)
}

func (v View) open(link string) (int, error) {
	fd, err := openPath(unix.AT_FDCWD, "/proc/"+strconv.Itoa(v.TID)+"/"+link, 0)
	if err == unix.ENOENT && strings.HasPrefix(link, "fd/") {
		return -1, unix.EBADF
	}
	return fd, err
}

func (v View) object(link string) (Object, error) {
	fd, err := v.open(link)
	if err != nil {
		return Object{}, err
	}
	return describe(fd)
}

// describe takes over fd.
func describe(fd int) (Object, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		Close(fd)
		return Object{}, err
	}
	text, err := linkText(fd)
	if err != nil {
		Close(fd)
		return Object{}, err
	}
	o := Object{FD: fd, Path: text, Identity: Identity{st.Dev, st.Ino}, Mode: st.Mode}
	o.Deleted = !leadsTo(o.Path, o.Identity, fd)
	return o, nil
}

// linkText is what fd is open on: a path, if it has one.
func linkText(fd int) (string, error) {
	text, err := shortText(fd)
	if err == unix.ENAMETOOLONG {
		return longPath(fd)
	}
	return text, err
}

// shortText is what the kernel says fd is open on.
func shortText(fd int) (string, error) {
	var buf [PathMax]byte
	n, err := unix.Readlink(ownFD(fd), buf[:])
	return string(buf[:max(n, 0)]), err
}

// ownFD is the magic link of a descriptor of ours.
func ownFD(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// leadsTo says whether path, followed without any symlink in our own root and
// mount namespace, is the file id. A link's text may be stale, end in
// " (deleted)", or be a place in the task's own mounts that is something else
// in ours: no rule about a path can speak of such a file. fd, on which the file is
// open, tells where the path can't be followed for want of permission.
func leadsTo(path string, id Identity, fd int) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	text := path
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: noLinks}
	dir := unix.AT_FDCWD
	for {
		part := path
		if len(part) >= PathMax {
			part = path[:strings.LastIndexByte(path[:PathMax-1], '/')+1]
		}
		path = path[len(part):]
		next, err := openat2(dir, part, how)
		if dir != unix.AT_FDCWD {
			Close(dir)
		}
		if err != nil {
			return err == unix.EACCES && !strings.HasSuffix(text, deletedSuffix) && mountedHere(fd)
		}
		if path == "" {
			defer Close(next)
			var st unix.Stat_t
			return unix.Fstat(next, &st) == nil && id == Identity{st.Dev, st.Ino}
		}
		dir = next
	}
}

// mountedHere says whether what fd is open on is below a mount of our own mount
// namespace: then its link's text is its path there, as the kernel has it now
// (fs/d_path.c). Mounts have numbers of their own (Linux 5.8).
func mountedHere(fd int) bool {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil || st.Mask&unix.STATX_MNT_ID == 0 {
		return false
	}
	mounts, err := readProc("/proc/self/mountinfo")
	if err != nil {
		return false
	}
	own := []byte(strconv.FormatUint(st.Mnt_id, 10) + " ")
	for line := range bytes.Lines(mounts) {
		if bytes.HasPrefix(line, own) {
			return true
		}
	}
	return false
}

// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	maxSymlinks = 40   // fs/namei.c, MAXSYMLINKS
	maxSteps    = 8192 // our own: more than PATH_MAX has room for, fewer than 40 links of them
	procRootIno = 1    // fs/proc: the inode number of a procfs root directory
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

// Lookup says how the last component is treated.
type Lookup struct {
	DirFD    int  // of the task, or AtFDCWD
	NoFollow bool // don't follow a symlink in the last component
	Empty    bool // an empty path means DirFD itself
}

// Resolve follows path link by link, as task v would, without opening what it
// leads to for anything but its place (O_PATH). Symlinks start again at the
// task's root; /proc/self and /proc/thread-self mean the task; magic links are
// left to the kernel. Errors are those of path_resolution(7).
func (v View) Resolve(path string, l Lookup) (Object, error) {
	if path == "" && !l.Empty {
		return Object{}, unix.ENOENT
	}
	if len(path) >= PathMax {
		return Object{}, unix.ENAMETOOLONG
	}
	root, err := v.open("root")
	if err != nil {
		return Object{}, err
	}
	defer Close(root)
	w := walk{view: v, root: root, cur: -1}
	defer w.close()
	if err := w.start(path, l); err != nil {
		return Object{}, err
	}
	if err := w.run(path, l.NoFollow); err != nil {
		return Object{}, err
	}
	fd := w.cur
	w.cur = -1
	return describe(fd)
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
	fd, err := openat2(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(o.FD),
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
	buf := make([]byte, PathMax)
	n, err := unix.Readlink("/proc/self/fd/"+strconv.Itoa(fd), buf)
	if err != nil {
		Close(fd)
		return Object{}, err
	}
	o := Object{FD: fd, Path: string(buf[:n]), Identity: Identity{st.Dev, st.Ino}, Mode: st.Mode}
	o.Deleted = !leadsTo(o.Path, o.Identity)
	return o, nil
}

// leadsTo says whether path, followed without any symlink in our own root and
// mount namespace, is the file id. A link's text may be stale, end in
// " (deleted)", or be a place in the task's own mounts that is something else
// in ours: no rule about a path can speak of such a file.
func leadsTo(path string, id Identity) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	fd, err := openat2(unix.AT_FDCWD, path, unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return false
	}
	defer Close(fd)
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && id == Identity{st.Dev, st.Ino}
}

// walk is one resolution under way; cur is owned.
type walk struct {
	view      View
	root, cur int
	symlinks  int
	steps     int
}

func (w *walk) close() {
	if w.cur >= 0 {
		Close(w.cur)
	}
}

// move takes over fd as the new position.
func (w *walk) move(fd int, err error) error {
	if err != nil {
		return err
	}
	w.close()
	w.cur = fd
	return nil
}

func (w *walk) toRoot() error { return w.move(unix.FcntlInt(uintptr(w.root), unix.F_DUPFD_CLOEXEC, 0)) }

func (w *walk) start(path string, l Lookup) error {
	switch {
	case strings.HasPrefix(path, "/"):
		return w.toRoot()
	case l.DirFD == AtFDCWD:
		return w.move(w.view.open("cwd"))
	case l.DirFD < 0:
		return unix.EBADF
	}
	return w.move(w.view.open("fd/" + strconv.Itoa(l.DirFD)))
}

// run walks path from where it is. A trailing slash asks for a directory, and
// follows a symlink before it whatever noFollow says.
func (w *walk) run(path string, noFollow bool) error {
	for {
		path = strings.TrimLeft(path, "/")
		if path == "" {
			return nil
		}
		name, rest := path, ""
		if i := strings.IndexByte(path, '/'); i >= 0 {
			name, rest = path[:i], path[i:]
		}
		if name == "." && strings.Trim(rest, "/") != "" {
			path = rest // the next step finds out whether this is a directory
			continue
		}
		if w.steps++; w.steps > maxSteps {
			return unix.ELOOP
		}
		link, err := w.step(name, rest == "" && noFollow)
		if err != nil {
			return err
		}
		path = link + rest
		if rest != "" && link == "" && strings.Trim(rest, "/") == "" {
			return w.mustBeDirectory()
		}
	}
}

// step moves to name, or returns the text of the symlink that it is, having
// gone to the root if that is absolute.
func (w *walk) step(name string, noFollow bool) (link string, err error) {
	if name == ".." {
		if at, err := w.atRoot(); at || err != nil {
			return "", err
		}
	}
	fd, err := openPath(w.cur, name, unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		Close(fd)
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK || noFollow {
		return "", w.move(fd, nil)
	}
	defer Close(fd)
	if w.symlinks++; w.symlinks > maxSymlinks {
		return "", unix.ELOOP
	}
	link, magic, err := w.readLink(fd, name)
	switch {
	case err != nil:
		return "", err
	case magic:
		return "", w.move(openPath(w.cur, name, 0))
	case link == "":
		return "", unix.ENOENT
	case strings.HasPrefix(link, "/"):
		return link, w.toRoot()
	}
	return link, nil
}

// readLink reads the symlink behind fd, which is name in the current
// directory. A symlink of procfs outside its root directory is magic (proc(5)).
func (w *walk) readLink(fd int, name string) (link string, magic bool, err error) {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return "", false, err
	}
	if fs.Type == unix.PROC_SUPER_MAGIC {
		var dir unix.Stat_t
		if err := unix.Fstat(w.cur, &dir); err != nil {
			return "", false, err
		}
		if dir.Ino != procRootIno {
			return "", true, nil
		}
		if name == "self" || name == "thread-self" {
			link, err := w.view.procLink(name, dir.Dev)
			return link, false, err
		}
	}
	buf := make([]byte, PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	return string(buf[:max(n, 0)]), false, err
}

// procLink is what /proc/self and /proc/thread-self are to the task, in the
// procfs whose root is on device dev. One that isn't ours belongs to a PID
// namespace below: the task's own, or nobody's whom it could see there.
func (v View) procLink(name string, dev uint64) (string, error) {
	status, err := ReadStatus(v.TID)
	if err != nil {
		return "", err
	}
	tgid, tid := status.TGID, v.TID
	var ours unix.Stat_t
	if err := unix.Stat("/proc", &ours); err != nil || ours.Dev != dev {
		tgid, tid = status.InnerTGID, status.InnerTID
	}
	link := strconv.Itoa(tgid)
	if name == "thread-self" {
		link += "/task/" + strconv.Itoa(tid)
	}
	return link, nil
}

// atRoot compares mounts too: a bind mount of the root elsewhere is not the root.
func (w *walk) atRoot() (bool, error) {
	var cur, root unix.Statx_t
	const mask = unix.STATX_INO | unix.STATX_MNT_ID // the latter: Linux 5.8
	if err := unix.Statx(w.cur, "", unix.AT_EMPTY_PATH, mask, &cur); err != nil {
		return false, err
	}
	if err := unix.Statx(w.root, "", unix.AT_EMPTY_PATH, mask, &root); err != nil {
		return false, err
	}
	return cur.Ino == root.Ino && cur.Mnt_id == root.Mnt_id &&
		cur.Dev_major == root.Dev_major && cur.Dev_minor == root.Dev_minor, nil
}

func (w *walk) mustBeDirectory() error {
	var st unix.Stat_t
	if err := unix.Fstat(w.cur, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return syscall.ENOTDIR
	}
	return nil
}

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
	locateTries = 3    // how often a directory may move under our hands
	maxSteps    = 8192 // our own: more than PATH_MAX has room for, fewer than 40 links of them
	procRootIno = 1    // fs/proc: the inode number of a procfs root directory

	resolveCached = 0x20 // uapi linux/openat2.h: RESOLVE_CACHED, Linux 5.12
)

// What becomes of the last component of a path.
const (
	lastObject = iota // it leads to a file, which is wanted
	lastPlace         // as lastObject, but it may be missing, and its directory is wanted too
	lastName          // it is not looked up: its directory is wanted
)

// walk is one lookup under way. Its descriptors are owned; -1: none.
type walk struct {
	view   View
	lookup Lookup
	last   int

	root int // of the task; with RESOLVE_IN_ROOT or RESOLVE_BENEATH where the lookup began
	cur  int // where it is; at the end the file, if there is one
	dir  int // at the end: the directory of the last component
	name string

	// at is the path of cur, if anybody wants to know. lost: no path leads there.
	at       string
	lost     bool
	slash    bool // the path ends in one
	symlinks int
	steps    int
	mount    uint64 // with RESOLVE_NO_XDEV
}

func newWalk(v View, l Lookup) *walk { return &walk{view: v, lookup: l, root: -1, cur: -1, dir: -1} }

func (w *walk) close() {
	for _, fd := range []*int{&w.root, &w.cur, &w.dir} {
		if *fd >= 0 {
			Close(take(fd))
		}
	}
}

// take hands over a descriptor.
func take(fd *int) int {
	taken := *fd
	*fd = -1
	return taken
}

// named says whether paths are wanted.
func (w *walk) named() bool { return w.last != lastObject || w.lookup.Pass != nil }

// follow follows a path to its end.
func (w *walk) follow(text string) error {
	switch {
	case text == "" && !w.lookup.Empty:
		return unix.ENOENT
	case len(text) >= PathMax:
		return unix.ENAMETOOLONG
	case w.lookup.Flags&resolveCached != 0:
		return unix.EAGAIN // what is in the kernel's cache can't be told
	case w.scoped(unix.RESOLVE_BENEATH) && strings.HasPrefix(text, "/"):
		return unix.EXDEV
	}
	if err := w.start(text); err != nil {
		return err
	}
	return w.run(text)
}

func (w *walk) scoped(flags uint64) bool { return w.lookup.Flags&flags != 0 }

// start goes to where a path begins.
func (w *walk) start(text string) error {
	scoped := w.scoped(unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT)
	absolute := strings.HasPrefix(text, "/")
	if !scoped {
		var err error
		if w.root, err = w.view.open("root"); err != nil {
			return err
		}
	}
	if absolute && !scoped {
		return w.toRoot()
	}
	if err := w.move(w.view.base(w.lookup.DirFD)); err != nil {
		return err
	}
	if ofOurs(w.cur, w.view.TID) {
		return unix.ENOENT
	}
	if err := w.locate(); err != nil {
		return err
	}
	if scoped {
		var err error
		if w.root, err = duplicate(w.cur); err != nil {
			return err
		}
	}
	return w.sameMount()
}

// base opens what relative paths of the task begin at.
func (v View) base(dirFD int) (int, error) {
	switch {
	case dirFD == AtFDCWD:
		return v.open("cwd")
	case dirFD < 0:
		return -1, unix.EBADF
	}
	return v.open("fd/" + strconv.Itoa(dirFD))
}

// locate finds the path of cur, reached by no name.
func (w *walk) locate() error {
	if !w.named() {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(w.cur, &st); err != nil {
		return err
	}
	for range locateTries {
		text, err := linkText(w.cur)
		if err != nil {
			return err
		}
		known := w.lost && w.at == text
		if w.at, w.lost = text, !leadsTo(text, Identity{st.Dev, st.Ino}, w.cur); !w.lost || known {
			break
		}
	}
	return nil
}

func duplicate(fd int) (int, error) { return unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0) }

// move takes over fd as the new position.
func (w *walk) move(fd int, err error) error {
	if err != nil {
		return err
	}
	if w.cur >= 0 {
		Close(w.cur)
	}
	w.cur = fd
	return nil
}

func (w *walk) toRoot() error {
	if w.scoped(unix.RESOLVE_BENEATH) {
		return unix.EXDEV
	}
	if err := w.move(duplicate(w.root)); err != nil {
		return err
	}
	if err := w.locate(); err != nil {
		return err
	}
	return w.sameMount()
}

// pass asks whether the lookup may go through cur, or follow the symlink there.
func (w *walk) pass(at string) error {
	if w.lookup.Pass == nil {
		return nil
	}
	return w.lookup.Pass(at)
}

// run walks text from where it is. A trailing slash asks for a directory, and
// follows a symlink before it whatever NoFollow says.
func (w *walk) run(text string) error {
	for {
		text = strings.TrimLeft(text, "/")
		if text == "" {
			return nil
		}
		name, rest := text, ""
		if i := strings.IndexByte(text, '/'); i >= 0 {
			name, rest = text[:i], text[i:]
		}
		last := strings.Trim(rest, "/") == ""
		if name == "." && !last {
			text = rest // the next step finds out whether this is a directory
			continue
		}
		if w.steps++; w.steps > maxSteps {
			return unix.ELOOP
		}
		if err := w.pass(w.at); err != nil {
			return err
		}
		w.slash = last && rest != ""
		if last && w.last == lastName {
			w.dir, w.name = take(&w.cur), name
			w.at = below(w.at, name)
			return nil
		}
		link, err := w.step(name, last)
		if w.slash && w.lookup.Creates && (err == nil || err == unix.ENOENT) {
			return unix.EISDIR // whatever is there (fs/namei.c, open_last_lookups)
		}
		if err != nil {
			return err
		}
		if last && link == "" {
			if w.slash && w.cur >= 0 {
				return w.mustBeDirectory()
			}
			return nil
		}
		text = link + rest
	}
}

// step moves to name, or returns the text of the symlink that it is, having
// gone to the root if that is absolute.
func (w *walk) step(name string, last bool) (link string, err error) {
	if name == ".." {
		if at, err := w.atRoot(); at || err != nil {
			if at && w.scoped(unix.RESOLVE_BENEATH) {
				err = unix.EXDEV
			}
			return "", err
		}
	}
	fd, err := w.open(name, unix.O_NOFOLLOW, 0)
	if err == nil && w.isOurs(name) {
		// Asked once it is open: a thread may have got the number just now.
		Close(fd)
		err = unix.ENOENT
	}
	switch {
	case !w.lost || !w.named() || name == "." || name == ".." && err == nil:
		// Where .. leads is located by itself.
	case err == nil:
		// No path leads to where we are: no rule can speak of what is below.
		Close(fd)
		return "", unix.EACCES
	case err == unix.ENOENT:
		return "", err
	}
	if err == unix.ENOENT && last && w.last == lastPlace {
		w.dir, w.name = take(&w.cur), name
		w.at = below(w.at, name)
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		Close(fd)
		return "", err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFLNK || last && w.lookup.NoFollow && !w.slash {
		return "", w.arrive(fd, name, last)
	}
	defer Close(fd)
	if last && w.slash && w.lookup.Creates {
		return "", nil // run says what comes of that
	}
	if w.symlinks++; w.symlinks > maxSymlinks || w.scoped(unix.RESOLVE_NO_SYMLINKS) {
		return "", unix.ELOOP
	}
	if err := w.pass(below(w.at, name)); err != nil {
		return "", err
	}
	if last && w.protected(name, &st) {
		return "", unix.EACCES
	}
	link, magic, err := w.readLink(fd, name)
	switch {
	case err != nil:
		return "", err
	case magic:
		return "", w.jump(name)
	case link == "":
		return "", unix.ENOENT
	case strings.HasPrefix(link, "/"):
		if err := w.toRoot(); err != nil {
			return "", err
		}
		if strings.Trim(link, "/") == "" && last {
			return "", nil
		}
	}
	return link, nil
}

// protected: the task may not follow the symlink name where we are, of which st is
// known (proc_sys_fs(5), protected_symlinks). Of what could be such a link the kernel
// is asked: it judges that before it minds RESOLVE_NO_SYMLINKS (fs/namei.c, pick_link).
func (w *walk) protected(name string, st *unix.Stat_t) bool {
	const sticky = unix.S_ISVTX | unix.S_IWOTH
	var dir unix.Stat_t
	if unix.Fstat(w.cur, &dir) != nil || dir.Mode&sticky != sticky || dir.Uid == st.Uid {
		return false
	}
	fd, err := w.open(name, 0, unix.RESOLVE_NO_SYMLINKS)
	if err == nil {
		Close(fd) // it was a link a moment ago
	}
	return err == unix.EACCES
}

// arrive takes over fd, which is name where we are.
func (w *walk) arrive(fd int, name string, last bool) error {
	if last && w.last == lastPlace && name != "." && name != ".." {
		w.dir, w.name = take(&w.cur), name
	}
	if err := w.move(fd, nil); err != nil {
		return err
	}
	switch name {
	case ".":
	case "..":
		// Where we were may have been moved since: its parent has a path of its own.
		if err := w.locate(); err != nil {
			return err
		}
	default:
		if w.named() {
			w.at = below(w.at, name)
		}
	}
	return w.sameMount()
}

// jump follows the magic link name, which leads to a file, not to a path.
func (w *walk) jump(name string) error {
	switch {
	case w.scoped(unix.RESOLVE_NO_MAGICLINKS):
		return unix.ELOOP
	case w.scoped(unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT):
		return unix.EXDEV // fs/namei.c, nd_jump_link
	case ofOurs(w.cur, w.view.TID):
		return unix.ENOENT
	}
	if err := w.move(w.open(name, 0, 0)); err != nil {
		return err
	}
	if ofOurs(w.cur, w.view.TID) {
		return unix.ENOENT
	}
	if err := w.locate(); err != nil {
		return err
	}
	return w.sameMount()
}

// open opens name where we are, as the task.
func (w *walk) open(name string, flags, resolve uint64) (int, error) {
	if w.lookup.As != nil {
		leave, err := w.lookup.As()
		if err != nil {
			return -1, err
		}
		defer leave()
	}
	return openat2(w.cur, name, unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags, Resolve: resolve})
}

// isOurs: name, where we are, is the directory of a thread of ours in a procfs,
// which stands in its root.
// Nobody in the sandbox looks there, least of all through us.
func (w *walk) isOurs(name string) bool {
	if !oursByName(name) || Ours(w.view.TID) {
		return false
	}
	var fs unix.Statfs_t
	var dir unix.Stat_t
	if unix.Fstatfs(w.cur, &fs) != nil || unix.Fstat(w.cur, &dir) != nil {
		return true
	}
	return fs.Type == unix.PROC_SUPER_MAGIC && dir.Ino == procRootIno
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
	var buf [PathMax]byte
	n, err := unix.Readlinkat(fd, "", buf[:])
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

// sameMount holds the lookup to the mount that it began in (RESOLVE_NO_XDEV).
func (w *walk) sameMount() error {
	if !w.scoped(unix.RESOLVE_NO_XDEV) {
		return nil
	}
	var st unix.Statx_t
	if err := unix.Statx(w.cur, "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &st); err != nil {
		return err
	}
	if w.mount == 0 {
		w.mount = st.Mnt_id + 1
	}
	if w.mount != st.Mnt_id+1 {
		return unix.EXDEV
	}
	return nil
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

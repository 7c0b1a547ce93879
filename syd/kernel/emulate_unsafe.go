// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"math"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What the kernel's calls on files are, made at places: none of these follows a
// symlink that the place is. They may sleep.

// Access asks as access(2) does, of the file that p leads to (faccessat2(2),
// AT_EMPTY_PATH, Linux 5.8). flags: AT_EACCESS. Preconditions: Look.
func (p *Place) Access(mode uint32, flags int) error {
	empty := []byte{0}
	return result(syscall.Syscall6(unix.SYS_FACCESSAT2, uintptr(p.fd), uintptr(unsafe.Pointer(&empty[0])), uintptr(mode),
		uintptr(flags|unix.AT_EMPTY_PATH), GuardFaccessat2.at(4), GuardFaccessat2.at(5)))
}

// Stat is what the file was when it was looked at. Preconditions: Look.
func (p *Place) Stat() Stat { return p.stat }

// Statx is statx(2). Preconditions: Look.
func (p *Place) Statx(flags int, mask uint32) (st unix.Statx_t, err error) {
	err = unix.Statx(p.fd, "", flags|unix.AT_EMPTY_PATH, int(mask), &st)
	return st, err
}

// Statfs describes the file system. Preconditions: Look.
func (p *Place) Statfs() (fs unix.Statfs_t, err error) {
	err = unix.Fstatfs(p.fd, &fs)
	return fs, err
}

// Readlink is the text of the symlink that the place is; of a magic link what it
// leads to now. Preconditions: Look.
func (p *Place) Readlink(buf []byte) (int, error) { return unix.Readlinkat(p.fd, "", buf) }

// Watch adds the file to an inotify instance of ours. Preconditions: Look.
func (p *Place) Watch(instance int, mask uint32) (int, error) {
	path, err := unix.BytePtrFromString(ownFD(p.fd))
	if err != nil {
		return -1, err
	}
	return length(syscall.Syscall6(unix.SYS_INOTIFY_ADD_WATCH, uintptr(instance), uintptr(unsafe.Pointer(path)), uintptr(mask&^unix.IN_DONT_FOLLOW),
		GuardInotifyAddWatch.at(3), GuardInotifyAddWatch.at(4), GuardInotifyAddWatch.at(5)))
}

// named is a path of ours by which calls that have no *at reach the place; they
// must not follow its last component, unless it is the magic link.
func (p *Place) named() (path string, magic bool) {
	if p.fd >= 0 && !p.IsSymlink() {
		return ownFD(p.fd), true
	}
	dir, name := p.At()
	if dir == unix.AT_FDCWD {
		return name, false
	}
	return ownFD(dir) + "/" + name, false
}

// GetXattr and ListXattr are getxattr(2) and listxattr(2), of a symlink itself
// too. Preconditions: Look.
func (p *Place) GetXattr(attribute string, buf []byte) (int, error) {
	at, magic := p.named()
	path, name, err := twoStrings(at, attribute)
	if err != nil {
		return -1, err
	}
	if magic {
		return length(syscall.Syscall6(unix.SYS_GETXATTR, uintptr(path), uintptr(name), uintptr(start(buf)), uintptr(len(buf)),
			GuardGetxattr.at(4), GuardGetxattr.at(5)))
	}
	return length(syscall.Syscall6(unix.SYS_LGETXATTR, uintptr(path), uintptr(name), uintptr(start(buf)), uintptr(len(buf)),
		GuardLgetxattr.at(4), GuardLgetxattr.at(5)))
}

// ListXattr lists the names of attributes.
func (p *Place) ListXattr(buf []byte) (int, error) {
	at, magic := p.named()
	path, err := unix.BytePtrFromString(at)
	if err != nil {
		return -1, err
	}
	if magic {
		return length(syscall.Syscall6(unix.SYS_LISTXATTR, uintptr(unsafe.Pointer(path)), uintptr(start(buf)), uintptr(len(buf)),
			GuardListxattr.at(3), GuardListxattr.at(4), GuardListxattr.at(5)))
	}
	return length(syscall.Syscall6(unix.SYS_LLISTXATTR, uintptr(unsafe.Pointer(path)), uintptr(start(buf)), uintptr(len(buf)),
		GuardLlistxattr.at(3), GuardLlistxattr.at(4), GuardLlistxattr.at(5)))
}

// start is where buf begins; nil asks these calls for the size that they need.
func start(buf []byte) unsafe.Pointer {
	if len(buf) == 0 {
		return nil
	}
	return unsafe.Pointer(&buf[0])
}

// length is the result of a call that returns one.
func length(n, _ uintptr, errno syscall.Errno) (int, error) {
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// Task is a descriptor of thread tid (PIDFD_THREAD, Linux 6.9), or before that of
// its process, the thread being its leader or sharing its descriptors.
func Task(tid int) (int, error) {
	fd, err := pidfdOpen(tid, unix.O_EXCL) // PIDFD_THREAD
	if err != unix.EINVAL {
		return fd, err
	}
	status, err := ReadStatus(tid)
	if err != nil {
		return -1, err
	}
	return pidfdOpen(status.TGID, 0)
}

func pidfdOpen(pid int, flags uint) (int, error) {
	fd, _, errno := syscall.RawSyscall6(unix.SYS_PIDFD_OPEN, uintptr(pid), uintptr(flags),
		GuardPidfdOpen.at(2), GuardPidfdOpen.at(3), GuardPidfdOpen.at(4), GuardPidfdOpen.at(5))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// Borrow is the caller's own copy of descriptor fd of thread tid: the same open
// file, with its offset (pidfd_getfd(2), Linux 5.6).
func Borrow(tid, fd int) (int, error) {
	task, err := Task(tid)
	if err != nil {
		return -1, err
	}
	defer Close(task)
	copied, _, errno := syscall.RawSyscall6(unix.SYS_PIDFD_GETFD, uintptr(task), uintptr(fd), 0,
		GuardPidfdGetfd.at(3), GuardPidfdGetfd.at(4), GuardPidfdGetfd.at(5))
	if errno != 0 {
		return -1, errno
	}
	return int(copied), nil
}

// Ftruncate is ftruncate(2).
func Ftruncate(fd int, size int64) error {
	return result(syscall.Syscall6(unix.SYS_FTRUNCATE, uintptr(fd), uintptr(size),
		GuardFtruncate.at(2), GuardFtruncate.at(3), GuardFtruncate.at(4), GuardFtruncate.at(5)))
}

// FileSizeLimit is tid's soft RLIMIT_FSIZE (proc_pid_limits(5)).
func FileSizeLimit(tid int) (int64, error) {
	text, err := readProc("/proc/" + strconv.Itoa(tid) + "/limits")
	if err != nil {
		return 0, err
	}
	const row = "Max file size"
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, row); ok {
			soft, _, _ := strings.Cut(strings.TrimLeft(rest, " "), " ")
			if limit, err := strconv.ParseInt(soft, 10, 64); err == nil {
				return limit, nil
			}
		}
	}
	return math.MaxInt64, nil // unlimited, or more than a file can have
}

// Getdents is getdents64(2).
func Getdents(fd int, buf []byte) (int, error) {
	n, _, errno := syscall.Syscall6(unix.SYS_GETDENTS64, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)),
		GuardGetdents64.at(3), GuardGetdents64.at(4), GuardGetdents64.at(5))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// OpenNull opens /dev/null, the character device 1:3, for reading and writing.
func OpenNull() (int, error) {
	fd, err := openat2(unix.AT_FDCWD, "/dev/null", unix.OpenHow{
		Flags: unix.O_RDWR | unix.O_CLOEXEC | unix.O_NOCTTY, Resolve: noLinks})
	if err != nil {
		return -1, err
	}
	st, err := Fstat(fd)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(1, 3)) {
		err = unix.ENODEV
	}
	if err != nil {
		Close(fd)
		return -1, err
	}
	return fd, nil
}

// Wakes is those of the signals in set that end what the task sleeps in: neither
// blocked nor ignored.
func (s *Status) Wakes(set uint64) uint64 {
	const ignoredByDefault = 1<<(uint(unix.SIGCHLD)-1) | 1<<(uint(unix.SIGURG)-1) | 1<<(uint(unix.SIGWINCH)-1) | 1<<(uint(unix.SIGCONT)-1)
	return set &^ s.Blocked &^ s.Ignored &^ (ignoredByDefault &^ s.Caught)
}

// Terminal is a task's controlling terminal and its session.
type Terminal struct {
	Device  uint64 // 0: none
	Session int
}

// TerminalOf reads tid's (proc_pid_stat(5), fields 6 and 7).
func TerminalOf(tid int) (Terminal, error) {
	fields, err := statFields(tid)
	if err != nil {
		return Terminal{}, err
	}
	session, _ := strconv.Atoi(string(fields[3]))
	number, _ := strconv.ParseInt(string(fields[4]), 10, 64)
	// Minor device number: bits 31 to 20 and 7 to 0; major: 15 to 8.
	n := uint32(number)
	return Terminal{Device: unix.Mkdev(n>>8&0xfff, n&0xff|n>>12&0xfff00), Session: session}, nil
}

// TerminalPath is where a terminal of that device number usually is (uapi
// linux/major.h: 136 to 143 are UNIX98 pseudo-terminals, 4 consoles and serial
// lines).
func TerminalPath(device uint64) (string, bool) {
	major, minor := unix.Major(device), int(unix.Minor(device))
	switch {
	case major >= 136 && major <= 143:
		return "/dev/pts/" + strconv.Itoa(int(major-136)<<8|minor), true
	case major == 4 && minor < 64:
		return "/dev/tty" + strconv.Itoa(minor), true
	case major == 4:
		return "/dev/ttyS" + strconv.Itoa(minor-64), true
	}
	return "", false
}

// TIOCSCTTY is the request of ioctl(2) for a controlling terminal (ioctl_tty(2)).
const TIOCSCTTY = unix.TIOCSCTTY

// MayControl says whether a character device of that number may be a terminal
// which an open makes the controlling one. Never are the masters of pseudo-terminals, the
// current console, /dev/tty, /dev/console and /dev/ptmx (tty_open; uapi
// linux/major.h: 1 is memory, 2 and 128 to 135 are masters).
func MayControl(device uint64) bool {
	switch major, minor := unix.Major(device), unix.Minor(device); {
	case major <= 2, major == 4 && minor == 0, major == 5 && minor <= 2:
		return false
	default:
		return major < 128 || major > 135
	}
}

// Statfs is struct statfs of the native architecture.
type Statfs = unix.Statfs_t

// Time is struct timespec; a Nsec of UTIME_NOW or UTIME_OMIT is as utimensat(2)
// has it.
type Time = unix.Timespec

// TimeOmit as Nsec leaves a time as it is.
const TimeOmit = unix.UTIME_OMIT

// DescriptorsFull says whether tid has no number free below its RLIMIT_NOFILE. A
// count below the limit is enough to say no: it is the size that /proc/tid/fd
// shows (since Linux 6.2; before, the numbers are looked at).
func DescriptorsFull(tid int) bool {
	var limit unix.Rlimit
	if unix.Prlimit(tid, unix.RLIMIT_NOFILE, nil, &limit) != nil {
		return false
	}
	dir := "/proc/" + strconv.Itoa(tid) + "/fd"
	var st unix.Stat_t
	if unix.Stat(dir, &st) == nil && st.Size > 0 && uint64(st.Size) < limit.Cur {
		return false
	}
	fd, err := openat2(unix.AT_FDCWD, dir, unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC})
	if err != nil {
		return false
	}
	defer Close(fd)
	used := uint64(0)
	for buf := make([]byte, 32<<10); ; {
		n, err := Getdents(fd, buf)
		if err != nil || n <= 0 {
			return used >= limit.Cur
		}
		for rest := buf[:n]; len(rest) > 19; {
			size := int(rest[16]) | int(rest[17])<<8
			if size < 19 || size > len(rest) {
				return false
			}
			name, _, _ := strings.Cut(string(rest[19:size]), "\x00")
			if number, err := strconv.ParseUint(name, 10, 32); err == nil && number < limit.Cur {
				used++
			}
			rest = rest[size:]
		}
	}
}

// ProcLink is the text of /proc/self or /proc/thread-self, if p is one of them,
// as the task sees it.
func (v View) ProcLink(p *Place) (string, bool) {
	name := strings.TrimSuffix(p.name, "/")
	if i := strings.LastIndexByte(name, '/'); i >= 0 {
		name = name[i+1:]
	}
	if name != "self" && name != "thread-self" || p.base < 0 && p.base != unix.AT_FDCWD {
		return "", false
	}
	var fs unix.Statfs_t
	if unix.Fstatfs(p.fd, &fs) != nil || fs.Type != unix.PROC_SUPER_MAGIC {
		return "", false
	}
	link, err := v.procLink(name, p.Identity.Dev)
	return link, err == nil
}

// PathOf is the path that descriptor fd of ours is open on; of a deleted file the
// former one.
func PathOf(fd int) (string, error) {
	text, err := linkText(fd)
	return strings.TrimSuffix(text, deletedSuffix), err
}

// SetFlags is fcntl(2), F_SETFL.
func SetFlags(fd, flags int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFL, flags)
	return err
}

// Allocate is fallocate(2). It may sleep.
func Allocate(fd int, mode uint32, offset, length int64) error {
	return unix.Fallocate(fd, mode, offset, length)
}

// SeekTo sets the offset of fd, a directory's too.
func SeekTo(fd int, offset int64) error {
	_, err := unix.Seek(fd, offset, unix.SEEK_SET)
	return err
}

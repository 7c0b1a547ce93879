// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// PathMax is PATH_MAX with its NUL (uapi linux/limits.h).
const PathMax = unix.PathMax

// Flags that execveat(2) and its like know (uapi linux/fcntl.h).
const (
	AtFDCWD           = unix.AT_FDCWD
	AtEmptyPath       = unix.AT_EMPTY_PATH
	AtSymlinkNofollow = unix.AT_SYMLINK_NOFOLLOW
	AtExecveCheck     = 0x10000 // Linux 6.14
)

// Flags of open(2) whose values differ by architecture, and of openat2(2).
const (
	ODirectory    = unix.O_DIRECTORY
	ONofollow     = unix.O_NOFOLLOW
	ResolveKnown  = 0x3f // NO_XDEV to CACHED (uapi linux/openat2.h)
	ResolveScoped = unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT
)

// PollEvents says which of fds, in order, is ready: readable, or hung up.
type PollEvents struct{ Readable, HungUp bool }

// Polled is a descriptor to wait for: until it is readable or hung up, or if it
// ends only for the latter.
type Polled struct {
	FD   int
	Ends bool
}

// Poll sleeps until something has come to one of fds and says what.
func Poll(fds ...Polled) ([]PollEvents, error) { return poll(-1, fds) }

// Look is Poll without the sleep.
func Look(fds ...Polled) ([]PollEvents, error) { return poll(0, fds) }

func poll(milliseconds int, fds []Polled) ([]PollEvents, error) {
	set := make([]unix.PollFd, len(fds))
	for i, p := range fds {
		set[i].Fd = int32(p.FD)
		if !p.Ends {
			set[i].Events = unix.POLLIN
		}
	}
	for {
		_, err := unix.Poll(set, milliseconds)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, err
		}
		events := make([]PollEvents, len(fds))
		for i, p := range set {
			events[i] = PollEvents{p.Revents&unix.POLLIN != 0, p.Revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0}
		}
		return events, nil
	}
}

// EventFD opens a non-blocking, close-on-exec eventfd.
func EventFD() (int, error) { return unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK) }

// Wake makes an eventfd readable.
func Wake(fd int) {
	one := [8]byte{1, 1, 1, 1, 1, 1, 1}
	write(fd, one[:])
}

// Drain makes an eventfd unreadable again.
func Drain(fd int) {
	var count [8]byte
	unix.Read(fd, count[:])
}

// Close closes fd. It may sleep: the close of a file on FUSE waits for the
// server (fs/fuse/file.c, fuse_flush).
func Close(fd int) {
	syscall.Syscall6(unix.SYS_CLOSE, uintptr(fd), GuardClose.at(1), GuardClose.at(2), GuardClose.at(3),
		GuardClose.at(4), GuardClose.at(5))
}

// TakesFlags says what the kernel has against flags and mode of an open, which it
// looks at before it reads the path (fs/open.c, do_sys_openat2). nil: nothing.
func TakesFlags(flags, mode uint64) error {
	_, err := openat2At(-1, nil, &unix.OpenHow{Flags: flags, Mode: mode})
	if err == unix.EFAULT {
		return nil
	}
	return err
}

// openat2 opens path as openat2(2) does (Linux 5.6); the caller owns the
// descriptor. It may sleep.
func openat2(dir int, path string, how unix.OpenHow) (int, error) {
	var short [256]byte
	name := &short[0]
	if len(path) >= len(short) || strings.IndexByte(path, 0) >= 0 {
		var err error
		if name, err = unix.BytePtrFromString(path); err != nil {
			return -1, err
		}
	} else {
		copy(short[:], path)
	}
	return openat2At(dir, name, &how)
}

func openat2At(dir int, name *byte, how *unix.OpenHow) (int, error) {
	fd, _, errno := syscall.Syscall6(unix.SYS_OPENAT2, uintptr(dir), uintptr(unsafe.Pointer(name)),
		uintptr(unsafe.Pointer(how)), unix.SizeofOpenHow, GuardOpenat2.at(4), GuardOpenat2.at(5))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// openPath opens what path leads to for nothing but its place.
func openPath(dir int, path string, flags uint64) (int, error) {
	return openat2(dir, path, unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC | flags})
}

// write writes p, which is not empty, to fd. It may sleep.
func write(fd int, p []byte) (int, error) {
	n, _, errno := syscall.Syscall6(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)),
		GuardWrite.at(3), GuardWrite.at(4), GuardWrite.at(5))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// readProc reads a whole file below /proc.
func readProc(path string) ([]byte, error) {
	fd, err := openat2(unix.AT_FDCWD, path, unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC})
	if err != nil {
		return nil, err
	}
	defer Close(fd)
	text := make([]byte, 0, 2048)
	for {
		n, err := unix.Read(fd, text[len(text):cap(text)])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n == 0:
			return text, nil
		default:
			text = slices.Grow(text[:len(text)+n], 512)
		}
	}
}

// CloseOnExec sets FD_CLOEXEC on fd. EBADF: it isn't open.
func CloseOnExec(fd int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	return err
}

// WriteAll writes p to fd, waiting while a non-blocking fd is full, and returns
// how much was written. Unlike os.File it leaves the decision on EPIPE to the
// caller.
func WriteAll(fd int, p []byte) (written int, err error) {
	for written < len(p) {
		n, err := write(fd, p[written:])
		switch err {
		case nil:
			written += n
		case unix.EINTR:
		case unix.EAGAIN:
			if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1); err != nil && err != unix.EINTR {
				return written, err
			}
		default:
			return written, err
		}
	}
	return written, nil
}

// Pipe makes a pipe that takes size bytes, a power of two, without waiting for a reader,
// and no more; the caller owns both ends.
func Pipe(size int) (out, in *os.File, err error) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	out, in = os.NewFile(uintptr(ends[0]), "pipe"), os.NewFile(uintptr(ends[1]), "pipe")
	if _, err = unix.FcntlInt(uintptr(ends[1]), unix.F_SETPIPE_SZ, size); err != nil {
		out.Close()
		in.Close()
	}
	return out, in, err
}

func memfd(name string, flags uint) (int, error) {
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		return -1, err
	}
	fd, _, errno := syscall.RawSyscall6(unix.SYS_MEMFD_CREATE, uintptr(unsafe.Pointer(text)), uintptr(flags),
		GuardMemfdCreate.at(2), GuardMemfdCreate.at(3), GuardMemfdCreate.at(4), GuardMemfdCreate.at(5))
	if errno != 0 {
		return -1, errno
	}
	return int(fd), nil
}

// MayExecute says whether path is a regular file that the caller may execute,
// as execvp(3) judges a candidate of its search.
func MayExecute(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return unix.EACCES
	}
	return unix.Faccessat(unix.AT_FDCWD, path, unix.X_OK, unix.AT_EACCESS)
}

// ReadString reads the NUL-terminated string at addr in tid's memory: at most
// max bytes with the NUL. EFAULT: not mapped; ENAMETOOLONG: no NUL in max.
// Reads never cross into a page that the string doesn't reach.
func ReadString(tid int, addr uint64, max int) (string, error) {
	var first [256]byte // most paths are short
	return ReadStringInto(first[:], tid, addr, max)
}

// ReadStringInto is ReadString with the caller's buffer for what is read first.
func ReadStringInto(first []byte, tid int, addr uint64, max int) (string, error) {
	const page = 4096
	var buf []byte
	for len(buf) < max {
		at := addr + uint64(len(buf))
		n := min(page-int(at%page), max-len(buf))
		chunk := first[:min(n, len(first))]
		if len(buf) > 0 {
			chunk = make([]byte, n)
		}
		got, err := readSome(tid, at, chunk)
		if err != nil {
			return "", err
		}
		if end := bytes.IndexByte(chunk[:got], 0); end >= 0 {
			return string(append(buf, chunk[:end]...)), nil
		}
		if got == 0 {
			return "", unix.EFAULT
		}
		buf = append(buf, chunk[:got]...)
	}
	return "", unix.ENAMETOOLONG
}

// readSome reads what there is at addr, without a page that can't be had.
func readSome(tid int, addr uint64, buf []byte) (int, error) {
	local := unix.Iovec{Base: &buf[0]}
	local.SetLen(len(buf))
	remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(buf)}
	n, _, errno := syscall.Syscall6(unix.SYS_PROCESS_VM_READV, uintptr(tid), uintptr(unsafe.Pointer(&local)), 1,
		uintptr(unsafe.Pointer(&remote)), 1, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// Status holds the fields of /proc/PID/status (proc_pid_status(5)) in use.
type Status struct {
	TGID, TracerPID int
	// NStgid, NSpid: the last, which is in the task's own PID namespace.
	InnerTGID, InnerTID int
	Blocked, Ignored    uint64 // SigBlk, SigIgn
	Caught              uint64 // SigCgt
	UID, RealUID        int    // effective, real
	RealGID             int
	FSUID, FSGID        int // what files are judged by
	Groups              []int
	Effective           uint64 // CapEff
	Permitted           uint64 // CapPrm
	Umask               int
	Pending             uint64 // SigPnd: for the thread
	PendingAll          uint64 // ShdPnd: for any thread of its process
	Filters             int    // Seccomp_filters
	// Contained: it is in a user namespace below ours. Filled in by Credentials
	// of a task only.
	Contained bool
}

// YamaScope is kernel.yama.ptrace_scope: who may trace (Linux 3.4). 0, whoever
// natively may, where there is no such setting.
func YamaScope() int { return sysctl("kernel/yama/ptrace_scope", 0) }

// sysctl is a number of /proc/sys, or otherwise where it can't be read.
func sysctl(name string, otherwise int) int {
	text, err := readProc("/proc/sys/" + name)
	if err != nil {
		return otherwise
	}
	value, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return otherwise
	}
	return value
}

// ReadStatus reads /proc/tid/status.
func ReadStatus(tid int) (Status, error) {
	text, err := readProc("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return Status{}, err
	}
	var s Status
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ":\t")
		switch key {
		case "Tgid":
			s.TGID, _ = strconv.Atoi(value)
		case "NStgid":
			s.InnerTGID, _ = strconv.Atoi(value[strings.LastIndexByte(value, '\t')+1:])
		case "NSpid":
			s.InnerTID, _ = strconv.Atoi(value[strings.LastIndexByte(value, '\t')+1:])
		case "TracerPid":
			s.TracerPID, _ = strconv.Atoi(value)
		case "Uid":
			if ids := strings.Fields(value); len(ids) == 4 {
				s.RealUID, _ = strconv.Atoi(ids[0])
				s.UID, _ = strconv.Atoi(ids[1])
				s.FSUID, _ = strconv.Atoi(ids[3])
			}
		case "Gid":
			if ids := strings.Fields(value); len(ids) == 4 {
				s.RealGID, _ = strconv.Atoi(ids[0])
				s.FSGID, _ = strconv.Atoi(ids[3])
			}
		case "Groups":
			for id := range strings.FieldsSeq(value) {
				group, _ := strconv.Atoi(id)
				s.Groups = append(s.Groups, group)
			}
		case "Umask":
			mask, _ := strconv.ParseUint(value, 8, 16)
			s.Umask = int(mask)
		case "CapEff":
			s.Effective, _ = strconv.ParseUint(value, 16, 64)
		case "CapPrm":
			s.Permitted, _ = strconv.ParseUint(value, 16, 64)
		case "SigPnd":
			s.Pending, _ = strconv.ParseUint(value, 16, 64)
		case "ShdPnd":
			s.PendingAll, _ = strconv.ParseUint(value, 16, 64)
		case "Seccomp_filters":
			s.Filters, _ = strconv.Atoi(value)
		case "SigBlk":
			s.Blocked, _ = strconv.ParseUint(value, 16, 64)
		case "SigIgn":
			s.Ignored, _ = strconv.ParseUint(value, 16, 64)
		case "SigCgt":
			s.Caught, _ = strconv.ParseUint(value, 16, 64)
		}
	}
	return s, nil
}

// CommandLine is /proc/tid/cmdline, its arguments joined by spaces, cut at 4 KiB.
func CommandLine(tid int) string {
	fd, err := openat2(unix.AT_FDCWD, "/proc/"+strconv.Itoa(tid)+"/cmdline", unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC})
	if err != nil {
		return ""
	}
	defer Close(fd)
	buf := make([]byte, 4096)
	n, _ := unix.Read(fd, buf)
	n = max(n, 0)
	return string(bytes.ReplaceAll(bytes.TrimRight(buf[:n], "\x00"), []byte{0}, []byte{' '}))
}

// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pages maps n pages and takes the last one's permissions away; it returns them
// and their address.
func pages(t *testing.T, n int) ([]byte, uint64) {
	t.Helper()
	size := os.Getpagesize()
	m, err := unix.Mmap(-1, 0, n*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(m) })
	if err := unix.Mprotect(m[(n-1)*size:], unix.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	return m, uint64(uintptr(unsafe.Pointer(&m[0])))
}

func TestReadString(t *testing.T) {
	const usable = 3 * 4096
	m, base := pages(t, 4)
	for i := range usable {
		m[i] = 'a'
	}
	// An unterminated string that runs into the page that is not there.
	for _, n := range []int{1, 255, 256, 257, 4095} {
		if s, err := ReadString(os.Getpid(), base+uint64(usable-n), PathMax); err != unix.EFAULT {
			t.Errorf("%d bytes without a NUL: got %d bytes, %v, want EFAULT", n, len(s), err)
		}
	}
	// Longer than max, with all of it there.
	if s, err := ReadString(os.Getpid(), base, PathMax); err != unix.ENAMETOOLONG {
		t.Errorf("no NUL in max: got %d bytes, %v, want ENAMETOOLONG", len(s), err)
	}
	if s, err := ReadString(os.Getpid(), base+usable-PathMax, PathMax); err != unix.ENAMETOOLONG {
		t.Errorf("max ends where the memory does: got %d bytes, %v, want ENAMETOOLONG", len(s), err)
	}
	// With a NUL as the last byte that is there, at every distance from it.
	m[usable-1] = 0
	for n := range PathMax + 2 {
		s, err := ReadString(os.Getpid(), base+uint64(usable-1-n), PathMax)
		switch {
		case n < PathMax && (err != nil || s != strings.Repeat("a", n)):
			t.Errorf("%d bytes: got %d, %v", n, len(s), err)
		case n >= PathMax && err != unix.ENAMETOOLONG:
			t.Errorf("%d bytes: got %d, %v, want ENAMETOOLONG", n, len(s), err)
		}
	}
	for _, addr := range []uint64{0, 1, base + usable, ^uint64(0), 1 << 63, ^uint64(0) - 4095} {
		if s, err := ReadString(os.Getpid(), addr, PathMax); err != unix.EFAULT {
			t.Errorf("%#x: got %q, %v, want EFAULT", addr, s, err)
		}
	}
	if _, err := ReadString(1<<23, base, PathMax); err != unix.ESRCH {
		t.Errorf("no such task: got %v, want ESRCH", err)
	}
}

func TestReadStatus(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	signal.Ignore(syscall.SIGUSR2)
	defer signal.Reset(syscall.SIGUSR2)
	var blocked, old unix.Sigset_t
	blocked.Val[0] = 1<<(syscall.SIGUSR1-1) | 1<<(64-1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &blocked, &old); err != nil {
		t.Fatal(err)
	}
	defer unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil)
	s, err := ReadStatus(unix.Gettid())
	if err != nil {
		t.Fatal(err)
	}
	if s.TGID != os.Getpid() || s.UID != os.Geteuid() || s.TracerPID != 0 {
		t.Errorf("got %+v", s)
	}
	if s.Blocked&blocked.Val[0] != blocked.Val[0] {
		t.Errorf("Blocked: got %#x, want %#x in it", s.Blocked, blocked.Val[0])
	}
	usr2, urg := uint64(1)<<(syscall.SIGUSR2-1), uint64(1)<<(syscall.SIGURG-1)
	if s.Ignored&usr2 == 0 || s.Ignored&urg != 0 {
		t.Errorf("Ignored: got %#x", s.Ignored)
	}
	if s.Caught&urg == 0 || s.Caught&usr2 != 0 {
		t.Errorf("Caught: got %#x", s.Caught)
	}
}

// Root's numbers are zero, as is a field that was never read.
func TestReadStatusTellsTheEffectiveUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an ordinary user can't become another, and TestReadStatus sees a number that isn't zero")
	}
	runtime.LockOSThread() // never unlocked: the thread, and its user, end with the test
	const keep, user = ^uintptr(0), 54321
	if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, user, keep); errno != 0 {
		t.Fatal(errno)
	}
	if s, err := ReadStatus(unix.Gettid()); err != nil || s.UID != user {
		t.Errorf("got %+v %v", s, err)
	}
}

// A name with newlines and a colon does not make fields.
func TestReadStatusOfAnOddName(t *testing.T) {
	runtime.LockOSThread() // never unlocked: the thread, and its name, end with the test
	name := []byte("x\nTgid:\t1\nUid\x00")
	if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name[0])), 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	s, err := ReadStatus(unix.Gettid())
	if err != nil || s.TGID != os.Getpid() || s.UID != os.Geteuid() {
		t.Errorf("got %+v %v", s, err)
	}
}

func TestMayExecute(t *testing.T) {
	top := t.TempDir()
	for name, mode := range map[string]os.FileMode{"yes": 0o755, "no": 0o644} {
		if err := os.WriteFile(top+"/"+name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(top+"/fifo", 0o755); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		"/yes": nil, "/no": unix.EACCES, "": unix.EACCES, "/fifo": unix.EACCES, "/none": unix.ENOENT, "/yes/x": unix.ENOTDIR,
	} {
		if err := MayExecute(top + path); err != want {
			t.Errorf("%q: got %v, want %v", path, err, want)
		}
	}
}

func TestEventFD(t *testing.T) {
	fd, err := EventFD()
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	Drain(fd) // empty: doesn't block
	for range 3 {
		Wake(fd)
	}
	if ready, err := Poll(Polled{FD: fd}); err != nil || !ready[0].Readable || ready[0].HungUp {
		t.Errorf("got %v %v", ready, err)
	}
	Drain(fd)
	// Empty again: poll(2) would sleep, so a second one that is awake stands beside it.
	other, err := EventFD()
	if err != nil {
		t.Fatal(err)
	}
	defer Close(other)
	Wake(other)
	if ready, err := Poll(Polled{FD: fd}, Polled{FD: other}); err != nil || ready[0].Readable || !ready[1].Readable {
		t.Errorf("got %v %v", ready, err)
	}
}

func TestCloseOnExec(t *testing.T) {
	fd, err := unix.Dup(0)
	if err != nil {
		t.Fatal(err)
	}
	defer Close(fd)
	if err := CloseOnExec(fd); err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("got %#x %v", flags, err)
	}
	if err := CloseOnExec(9999); err != unix.EBADF {
		t.Errorf("got %v, want EBADF", err)
	}
}

func TestCommandLine(t *testing.T) {
	if got, want := CommandLine(os.Getpid()), strings.Join(os.Args, " "); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestMindsSize: what opens natively is not refused for its size. Of tmpfs the specs
// (PTH-04.98) compare it with native opens, on every kernel. It is a process of its own
// that has a ramfs: a thread that unshares its mounts has a working directory of its
// own, too, which other tests would miss.
func TestMindsSize(t *testing.T) {
	const inside = "SYD_TEST_RAMFS"
	dir := os.Getenv(inside)
	if dir == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestMindsSize$")
		cmd.Env = append(os.Environ(), inside+"="+t.TempDir())
		cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if errors.Is(err, unix.EPERM) {
			t.Skip("unshare: ", err)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	if err := unix.Mount("none", dir, "ramfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{dir + "/file": false, "/etc/passwd": true} {
		p, err := View{TID: os.Getpid()}.Find(path, Lookup{DirFD: AtFDCWD})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.MindsSize(); got != want {
			t.Errorf("%s: got %t", path, got)
		}
		p.Close()
	}
}

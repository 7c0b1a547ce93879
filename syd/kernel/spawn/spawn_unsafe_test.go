// SPDX-License-Identifier: GPL-3.0-or-later

package spawn

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// instruction is struct sock_filter (uapi linux/filter.h).
type instruction struct {
	code   uint16
	jt, jf uint8
	k      uint32
}

func program(list ...instruction) []byte {
	size := len(list) * int(unsafe.Sizeof(instruction{}))
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(&list[0])), size)...)
}

var (
	allowAll = program(instruction{unix.BPF_RET | unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW})
	// traceExec has the tracer decide on execve: without one the kernel answers ENOSYS.
	traceExec = program(
		instruction{unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0, 0, 0}, // the number
		instruction{unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, 0, 1, unix.SYS_EXECVE},
		instruction{unix.BPF_RET | unix.BPF_K, 0, 0, unix.SECCOMP_RET_TRACE},
		instruction{unix.BPF_RET | unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW},
	)
)

// prepare prepares a child on this thread, whose end would be the child's.
func prepare(t *testing.T, r Request) *Child {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	c, err := Prepare(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a test that failed may have left it waiting
		unix.PidfdSendSignal(c.PIDFD, unix.SIGKILL, nil, 0)
		unix.Wait4(c.PID, nil, 0, nil)
		unix.Close(c.PIDFD)
		unix.Close(c.Listener)
	})
	return c
}

func wait(t *testing.T, c *Child) unix.WaitStatus {
	t.Helper()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(c.PID, &status, 0, nil)
		switch {
		case err == unix.EINTR:
		case err != nil || pid != c.PID:
			t.Fatalf("wait4: %d %v", pid, err)
		default:
			return status
		}
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestExecNeedsATracer(t *testing.T) {
	before := descriptors(t)
	t.Run("", func(t *testing.T) {
		c := prepare(t, Request{Path: "/proc/self/exe", Argv: []string{"x"}, Filter: traceExec})
		c.Release()
		if status := wait(t, c); status.ExitStatus() != 127 {
			t.Errorf("status %#x, want exit 127", status)
		}
		err := c.Failure()
		step, ok := errors.AsType[*StepError](err)
		if !ok || step.Step != StepExec || step.Errno != unix.ENOSYS || !errors.Is(err, unix.ENOSYS) {
			t.Errorf("got %v, want exec: ENOSYS", err)
		}
		if err := c.Failure(); err != nil {
			t.Errorf("told twice: %v", err)
		}
	})
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors were open, now %d are", before, after)
	}
}

func TestExecErrors(t *testing.T) {
	top := t.TempDir()
	for name, mode := range map[string]os.FileMode{"no": 0o644, "empty": 0o755} {
		if err := os.WriteFile(top+"/"+name, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("loop", top+"/loop"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]unix.Errno{
		"none": unix.ENOENT, "no": unix.EACCES, "empty": unix.ENOEXEC, "empty/x": unix.ENOTDIR, "loop": unix.ELOOP,
		"": unix.EACCES, strings.Repeat("n", 256): unix.ENAMETOOLONG,
	} {
		t.Run(want.Error(), func(t *testing.T) {
			c := prepare(t, Request{Path: top + "/" + name, Argv: []string{"x"}, Filter: allowAll})
			c.Release()
			wait(t, c)
			if err := c.Failure(); !errors.Is(err, want) || !strings.HasPrefix(err.Error(), "exec: ") {
				t.Errorf("got %v, want exec: %v", err, want)
			}
		})
	}
}

func TestExecuted(t *testing.T) {
	var out [2]int
	if err := unix.Pipe2(out[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(out[0])
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// The image says what it was given, on the descriptor that is handed on.
	fd, err := unix.Dup(out[1])
	if err != nil {
		t.Fatal(err)
	}
	c := prepare(t, Request{
		Path: self, Argv: []string{"zero", "one", ""}, Filter: allowAll,
		Env: []string{"SPAWN_TEST_REPORT=" + strconv.Itoa(fd), "A=b"},
	})
	c.Release()
	status := wait(t, c)
	unix.Close(fd)
	unix.Close(out[1])
	buf := make([]byte, 4096)
	n, err := unix.Read(out[0], buf)
	if want := "zero|one|#SPAWN_TEST_REPORT=" + strconv.Itoa(fd) + "|A=b"; err != nil || string(buf[:max(n, 0)]) != want {
		t.Errorf("got %q %v, want %q", buf[:max(n, 0)], err, want)
	}
	if status.ExitStatus() != 7 {
		t.Errorf("status %#x, want exit 7", status)
	}
	c.Executed()
	if err := c.Failure(); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestKilledWhilePrepared(t *testing.T) {
	c := prepare(t, Request{Path: "/none", Argv: []string{"x"}, Filter: traceExec})
	if err := unix.PidfdSendSignal(c.PIDFD, unix.SIGKILL, nil, 0); err != nil {
		t.Fatal(err)
	}
	if status := wait(t, c); status.Signal() != unix.SIGKILL {
		t.Errorf("status %#x, want killed by SIGKILL", status)
	}
	if err := c.Failure(); err != nil {
		t.Errorf("it left word: %v", err)
	}
	// And the next start isn't disturbed.
	c = prepare(t, Request{Path: "/none", Argv: []string{"x"}, Filter: traceExec})
	c.Release()
	wait(t, c)
	if err := c.Failure(); !errors.Is(err, unix.ENOSYS) {
		t.Errorf("the next start: got %v", err)
	}
}

func TestPreparedChildWaits(t *testing.T) {
	c := prepare(t, Request{Path: "/none", Argv: []string{"x"}, Filter: allowAll})
	var status unix.WaitStatus
	if pid, err := unix.Wait4(c.PID, &status, unix.WNOHANG, nil); pid != 0 || err != nil {
		t.Errorf("it ended: %d %v %#x", pid, err, status)
	}
	for name, fd := range map[string]int{"pidfd": c.PIDFD, "listener": c.Listener} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags %#x %v, want close-on-exec", name, flags, err)
		}
	}
	c.Release()
	wait(t, c)
	if err := c.Failure(); !errors.Is(err, unix.ENOENT) {
		t.Errorf("got %v, want ENOENT", err)
	}
}

func TestFilterThatTheKernelRefuses(t *testing.T) {
	before := descriptors(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for name, filter := range map[string][]byte{
		"empty":           nil,
		"without its end": program(instruction{unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0, 0, 0}),
		"unaligned":       program(instruction{unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0, 0, 2}, instruction{unix.BPF_RET, 0, 0, 0}),
		"beyond its data": program(instruction{unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, 0, 0, 64}, instruction{unix.BPF_RET, 0, 0, 0}),
	} {
		c, err := Prepare(Request{Path: "/none", Argv: []string{"x"}, Filter: filter})
		if err == nil {
			t.Fatalf("%s: got %+v", name, c)
		}
		if want := "seccomp: Invalid argument"; err.Error() != want || !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s: got %v, want %s", name, err, want)
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors were open, now %d are", before, after)
	}
	var status unix.WaitStatus
	if pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); err != unix.ECHILD {
		t.Errorf("a child is left: %d %v", pid, err)
	}
}

func TestStrerror(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		unix.ENOENT: "No such file or directory", unix.EACCES: "Permission denied", unix.ENOEXEC: "Exec format error",
	} {
		if got := Strerror(errno); got != want {
			t.Errorf("%d: got %q, want %q", errno, got, want)
		}
	}
}

func TestQuietSIGCHLD(t *testing.T) {
	QuietSIGCHLD()
	defer func() { // give the runtime its handler back
		c := make(chan os.Signal, 1)
		signal.Notify(c, unix.SIGCHLD)
		signal.Stop(c)
	}()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(status), "SigCgt:\t")
	caught, err := strconv.ParseUint(text[:16], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	if caught&(1<<(unix.SIGCHLD-1)) != 0 || caught == 0 {
		t.Errorf("caught signals: %#x, SIGCHLD is not to be one", caught)
	}
}

func TestMain(m *testing.M) {
	if fd := os.Getenv("SPAWN_TEST_REPORT"); fd != "" {
		text := strings.Join(os.Args, "|") + "#" + strings.Join(os.Environ(), "|")
		number, _ := strconv.Atoi(fd)
		unix.Write(number, []byte(text))
		os.Exit(7)
	}
	os.Exit(m.Run())
}

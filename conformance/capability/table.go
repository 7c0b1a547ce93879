// SPDX-License-Identifier: GPL-3.0-or-later

package capability

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"syd/fixtures"
)

// FixtureDir is where the fixtures were extracted, for probes that run one.
var FixtureDir string

// Run runs a probe's command. A process that reaps orphans replaces it, so that
// the command's status is not reaped with them.
var Run = func(cmd *exec.Cmd) error { return cmd.Run() }

// Table is every capability that a spec may ask for. The releases are those of
// the man pages' HISTORY and of the commit that brought the call.
var Table = []Capability{
	{Name: "execveat", Linux: "3.19", Probe: call("execveat", unix.SYS_EXECVEAT, ^uintptr(0))},
	{Name: "memfd_create", Linux: "3.17", Probe: call("memfd_create", unix.SYS_MEMFD_CREATE, 0, ^uintptr(0))},
	{Name: "seccomp_user_notif", Linux: "5.0", Probe: action("SECCOMP_RET_USER_NOTIF", unix.SECCOMP_RET_USER_NOTIF)},
	{Name: "seccomp_ret_trace", Linux: "4.14", Probe: action("SECCOMP_RET_TRACE", unix.SECCOMP_RET_TRACE)},
	{Name: "pidfd_send_signal", Linux: "5.1", Probe: call("pidfd_send_signal", unix.SYS_PIDFD_SEND_SIGNAL, ^uintptr(0))},
	{Name: "pidfd_open", Linux: "5.3", Probe: call("pidfd_open", unix.SYS_PIDFD_OPEN, ^uintptr(0))},
	{Name: "ptrace_get_syscall_info", Linux: "5.3", Probe: byRelease("5.3")},
	{Name: "clone3", Linux: "5.3", Probe: call("clone3", unix.SYS_CLONE3)},
	{Name: "waitid_pidfd", Linux: "5.4", Probe: waitidPidfd},
	{Name: "openat2", Linux: "5.6", Probe: call("openat2", unix.SYS_OPENAT2)},
	{Name: "faccessat2", Linux: "5.8", Probe: call("faccessat2", unix.SYS_FACCESSAT2, ^uintptr(0))},
	{Name: "fchmodat2", Linux: "6.6", Probe: call("fchmodat2", unix.SYS_FCHMODAT2, ^uintptr(0))},
	{Name: "xattrat", Linux: "6.13", Probe: call("removexattrat", unix.SYS_REMOVEXATTRAT, ^uintptr(0))},
	{Name: "close_range", Linux: "5.9", Probe: call("close_range", unix.SYS_CLOSE_RANGE, 1, 0)},
	{Name: "wait_killable_recv", Linux: "5.19", Probe: filterFlag("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 1<<5|1<<3)},
	{Name: "proc_fd_count", Linux: "6.2", Probe: procFDCount},
	{Name: "pidfd_thread", Linux: "6.9", Probe: pidfdThread},
	{Name: "landlock_scope_signal", Linux: "6.12", Optional: "CONFIG_SECURITY_LANDLOCK, enabled at boot", Probe: scopeSignal},

	{Name: "root", Optional: "user ID 0", Probe: root},
	{Name: "ordinary_user", Optional: "another user ID than 0", Probe: ordinaryUser},
	{Name: "memfd_secret", Linux: "5.14", Optional: "secretmem.enable", Probe: memfdSecret},
	{Name: "seccomp_get_filter", Linux: "4.4", Optional: "CONFIG_CHECKPOINT_RESTORE, CAP_SYS_ADMIN in the first user namespace, and no filter on the suite",
		Probe: fixture("supervisor", "probe")},
	{Name: "audit_log", Optional: "CONFIG_AUDIT, no audit daemon, and the right to read /dev/kmsg", Probe: auditLog},
	{Name: "mseal_shown", Linux: "6.13", Optional: "CONFIG_64BIT", Probe: msealShown},
	{Name: "two_cpus", Optional: "two CPUs", Probe: twoCPUs},
	{Name: "user_namespaces", Optional: "user namespaces for this user", Probe: namespace("user", syscall.CLONE_NEWUSER)},
	{Name: "pid_namespaces", Optional: "the right to make a PID namespace", Probe: pidNamespace},
	{Name: "ns_last_pid", Optional: "CONFIG_CHECKPOINT_RESTORE and the right to make a PID namespace",
		Probe: fixture("fork", "namespace", "0", "fork", "number-probe")},
	{Name: "pid_max_namespace", Linux: "6.14", Optional: "the right to make user and PID namespaces",
		Probe: fixture("fork", "namespace", "400", "fork", "tracer")},
	{Name: "amd64", Optional: "an amd64 machine", Probe: machine("amd64")},
	{Name: "interrupted_arguments", Optional: "a kernel that shows a tracer the arguments of the call that a signal ended (none does on arm64)",
		Probe: func() (bool, string) { return runtime.GOARCH != "arm64", "built for " + runtime.GOARCH }},
	{Name: "perf_events", Optional: "the right to count one's own (kernel.perf_event_paranoid of 2 or less)", Probe: perfEvents},
	{Name: "userfaultfd", Linux: "4.3", Optional: "the right to stall the kernel's own accesses (vm.unprivileged_userfaultfd)",
		Probe: fixture("memory", "userfaultfd")},
	{Name: "fuse", Optional: "the right to open /dev/fuse and to mount it", Probe: fixture("memory", "fuse")},
	{Name: "i386", Optional: "CONFIG_IA32_EMULATION on amd64", Probe: foreignABI},
	{Name: "trace_children", Optional: "a kernel that lets this user trace (kernel.yama.ptrace_scope of 0 or 1; 2 with CAP_SYS_PTRACE)", Probe: traceChildren},
	{Name: "yama_refuses", Optional: "a kernel that lets this user trace nobody (kernel.yama.ptrace_scope of 2 or 3)", Probe: func() (bool, string) {
		traced, evidence := traceChildren()
		return !traced, evidence
	}},
	{Name: "trace_undumpable", Optional: "CAP_SYS_PTRACE", Probe: fixture("reach", "undumpable")},
	{Name: "pty", Optional: "a mounted devpts", Probe: canOpen("/dev/ptmx")},
	{Name: "core_files", Optional: "a plain core_pattern and RLIMIT_CORE", Probe: coreFiles},
	{Name: "user_xattrs", Optional: "user attributes of temporary files", Probe: userXattrs},
	{Name: "file_handles", Optional: "handles of temporary files", Probe: fileHandles},
	{Name: "bash", Optional: "bash", Probe: program("bash")},
	{Name: "git", Optional: "git", Probe: program("git")},
	{Name: "python3", Optional: "python3", Probe: program("python3")},
	{Name: "gcc", Optional: "gcc", Probe: program("gcc")},
	{Name: "make", Optional: "make", Probe: program("make")},
	{Name: "go", Optional: "go", Probe: program("go", "/usr/local/go/bin")},
	{Name: "node", Optional: "node", Probe: program("node")},
	{Name: "perl", Optional: "perl", Probe: program("perl")},
	{Name: "tar", Optional: "tar", Probe: program("tar")},
	{Name: "find", Optional: "find", Probe: program("find")},
	{Name: "sqlite3", Optional: "sqlite3", Probe: program("sqlite3")},
	{Name: "tmux", Optional: "tmux", Probe: program("tmux")},
	{Name: "vim", Optional: "vim", Probe: program("vim")},
}

// call tries a system call with arguments that fail at once: any errno but
// ENOSYS shows that the kernel has it.
func call(name string, number uintptr, args ...uintptr) func() (bool, string) {
	return func() (bool, string) {
		var a [3]uintptr
		copy(a[:], args)
		_, _, errno := unix.RawSyscall(number, a[0], a[1], a[2])
		return errno != unix.ENOSYS, fmt.Sprintf("%s: %s", name, errnoText(errno))
	}
}

// temporary tries something with a file of its own.
func temporary(what string, try func(path string) error) (bool, string) {
	file, err := os.CreateTemp("", "sydtest-")
	if err != nil {
		return false, err.Error()
	}
	defer os.Remove(file.Name())
	defer file.Close()
	if err := try(file.Name()); err != nil {
		return false, what + ": " + err.Error()
	}
	return true, what + ": ok"
}

func userXattrs() (bool, string) {
	return temporary("setxattr", func(path string) error { return unix.Setxattr(path, "user.x", []byte("y"), 0) })
}

func fileHandles() (bool, string) {
	return temporary("name_to_handle_at", func(path string) error {
		_, _, err := unix.NameToHandleAt(unix.AT_FDCWD, path, 0)
		return err
	})
}

func errnoText(errno syscall.Errno) string {
	if errno == 0 {
		return "ok"
	}
	return unix.ErrnoName(errno)
}

func action(name string, value uint32) func() (bool, string) {
	return func() (bool, string) {
		// SECCOMP_GET_ACTION_AVAIL = 2
		_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, 2, 0, uintptr(unsafe.Pointer(&value)))
		return errno == 0, fmt.Sprintf("seccomp(GET_ACTION_AVAIL, %s): %s", name, errnoText(errno))
	}
}

// filterFlag loads a filter from a NULL pointer: EFAULT shows that the flags
// were accepted, EINVAL that one is unknown.
func filterFlag(name string, flags uintptr) func() (bool, string) {
	return func() (bool, string) {
		_, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, 1, flags, 0)
		return errno == unix.EFAULT, fmt.Sprintf("seccomp(SET_MODE_FILTER, %s, NULL): %s", name, errnoText(errno))
	}
}

func byRelease(least string) func() (bool, string) {
	return func() (bool, string) {
		release := Release()
		return AtLeast(release, least), "uname: " + release
	}
}

func waitidPidfd() (bool, string) {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return false, fmt.Sprintf("pidfd_open: %v", err)
	}
	defer unix.Close(fd)
	// ECHILD: no child of ours; EINVAL: a kernel that doesn't know P_PIDFD.
	err = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG, nil)
	return err == unix.ECHILD, fmt.Sprintf("waitid(P_PIDFD, self): %v", err)
}

func pidfdThread() (bool, string) {
	fd, err := unix.PidfdOpen(os.Getpid(), unix.O_EXCL)
	if err != nil {
		return false, fmt.Sprintf("pidfd_open(PIDFD_THREAD): %v", err)
	}
	unix.Close(fd)
	return true, "pidfd_open(PIDFD_THREAD): ok"
}

// procFDCount: stat(2) of /proc/PID/fd tells how many descriptors are open, to
// those too who may not list them.
func procFDCount() (bool, string) {
	var st unix.Stat_t
	err := unix.Stat("/proc/self/fd", &st)
	return err == nil && st.Size > 0, fmt.Sprintf("stat /proc/self/fd: size %d, %v", st.Size, err)
}

// scopeSignal makes a Landlock ruleset that scopes signals and enters no domain.
func scopeSignal() (bool, string) {
	attributes := struct{ fs, net, scoped uint64 }{scoped: 1 << 1} // LANDLOCK_SCOPE_SIGNAL
	fd, _, errno := unix.RawSyscall(unix.SYS_LANDLOCK_CREATE_RULESET,
		uintptr(unsafe.Pointer(&attributes)), unsafe.Sizeof(attributes), 0)
	if errno == 0 {
		unix.Close(int(fd))
	}
	return errno == 0, "landlock_create_ruleset(LANDLOCK_SCOPE_SIGNAL): " + errnoText(errno)
}

func memfdSecret() (bool, string) {
	fd, _, errno := unix.RawSyscall(unix.SYS_MEMFD_SECRET, unix.O_CLOEXEC, 0, 0)
	if errno != 0 {
		return false, "memfd_secret: " + errnoText(errno)
	}
	unix.Close(int(fd))
	return true, "memfd_secret: ok"
}

func ordinaryUser() (bool, string) {
	isRoot, evidence := root()
	return !isRoot, evidence
}

func root() (bool, string) {
	return os.Geteuid() == 0, fmt.Sprintf("geteuid: %d", os.Geteuid())
}

// msealShown seals a page of its own, which stays, and looks for the flag in
// /proc/self/smaps (Linux 6.13 shows it, mseal(2) is of 6.10).
func msealShown() (bool, string) {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return false, "mmap: " + err.Error()
	}
	if _, _, errno := unix.RawSyscall(unix.SYS_MSEAL, uintptr(unsafe.Pointer(&page[0])), uintptr(len(page)), 0); errno != 0 {
		return false, "mseal: " + errnoText(errno)
	}
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return false, err.Error()
	}
	for line := range strings.Lines(string(smaps)) {
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && slices.Contains(strings.Fields(flags), "sl") {
			return true, "VmFlags:" + strings.TrimRight(flags, " \n")
		}
	}
	return false, "no sealed mapping in /proc/self/smaps"
}

// auditLog has a process be killed by its own filter and looks for the record,
// for as long as the kernel's rate limit may hide it: 10 records in 5 s
// (linux/ratelimit_types.h).
func auditLog() (ok bool, evidence string) {
	log, err := os.OpenFile("/dev/kmsg", os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false, err.Error()
	}
	defer log.Close()
	if _, err := log.Seek(0, io.SeekEnd); err != nil {
		return false, "seek in /dev/kmsg: " + err.Error()
	}
	for until := time.Now().Add(6 * time.Second); !ok && time.Now().Before(until); {
		cmd := exec.Command(fixtures.Path(FixtureDir, "filter"), "kill")
		_ = Run(cmd) // it dies
		if cmd.Process == nil {
			return false, "filter kill: not started"
		}
		if ok, evidence = auditRecord(log, cmd.Process.Pid); !ok {
			time.Sleep(100 * time.Millisecond)
		}
	}
	return ok, evidence
}

// auditRecord looks for the record of a death: one read is one record, EAGAIN
// says that there are no more.
func auditRecord(log *os.File, pid int) (bool, string) {
	record := make([]byte, 8192)
	for {
		n, err := unix.Read(int(log.Fd()), record)
		if err != nil {
			return false, fmt.Sprintf("no audit record of a kill by seccomp: %v", err)
		}
		text := string(record[:n])
		if strings.Contains(text, "type=1326") && strings.Contains(text, fmt.Sprintf(" pid=%d ", pid)) {
			return true, strings.TrimSpace(text)
		}
	}
}

func twoCPUs() (bool, string) {
	return runtime.NumCPU() >= 2, fmt.Sprintf("sched_getaffinity: %d", runtime.NumCPU())
}

// traceChildren seizes a child.
func traceChildren() (bool, string) {
	cmd := exec.Command(fixtures.Path(FixtureDir, "process"), "sleep")
	if err := cmd.Start(); err != nil {
		return false, err.Error()
	}
	runtime.LockOSThread() // whose tracee it is
	defer runtime.UnlockOSThread()
	_, _, errno := unix.RawSyscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(cmd.Process.Pid), 0, 0, 0, 0)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	scope, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	if err != nil {
		scope = []byte("none")
	}
	return errno == 0, fmt.Sprintf("PTRACE_SEIZE of a child: %s; kernel.yama.ptrace_scope: %s", errnoText(errno), bytes.TrimSpace(scope))
}

// perfEvents counts this thread's processor time.
func perfEvents() (bool, string) {
	attributes := unix.PerfEventAttr{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_TASK_CLOCK, Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv}
	attributes.Size = uint32(unsafe.Sizeof(attributes))
	fd, err := unix.PerfEventOpen(&attributes, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return false, fmt.Sprintf("perf_event_open: %v", err)
	}
	unix.Close(fd)
	return true, "perf_event_open: ok"
}

func namespace(name string, flag uintptr) func() (bool, string) {
	return func() (bool, string) {
		cmd := exec.Command(fixtures.Path(FixtureDir, "process"), "exit", "0")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flag}
		if err := Run(cmd); err != nil {
			return false, fmt.Sprintf("clone(%s namespace): %v", name, err)
		}
		return true, fmt.Sprintf("clone(%s namespace): ok", name)
	}
}

// pidNamespace needs root or a user namespace.
func pidNamespace() (bool, string) {
	if ok, evidence := namespace("PID", syscall.CLONE_NEWPID)(); ok {
		return ok, evidence
	}
	return namespace("user and PID", syscall.CLONE_NEWUSER|syscall.CLONE_NEWPID)()
}

func machine(name string) func() (bool, string) {
	return func() (bool, string) { return runtime.GOARCH == name, "built for " + runtime.GOARCH }
}

func foreignABI() (bool, string) {
	if !fixtures.ForeignABI {
		return false, "no second ABI on " + runtime.GOARCH
	}
	path := fixtures.ForeignPath(FixtureDir, "process")
	if _, err := os.Stat(path); err != nil {
		return false, "the i386 fixtures are not built"
	}
	err := Run(exec.Command(path, "exit", "0"))
	return err == nil, fmt.Sprintf("exec of an i386 program: %v", err)
}

// fixture runs a fixture's command, which runs another fixture as its own: good
// when all went well.
func fixture(name string, args ...string) func() (bool, string) {
	return func() (bool, string) {
		words := append([]string{}, args...)
		for i, word := range words {
			if word == name {
				words[i] = fixtures.Path(FixtureDir, name)
			}
		}
		err := Run(exec.Command(fixtures.Path(FixtureDir, name), words...))
		return err == nil, fmt.Sprintf("%s %s: %v", name, strings.Join(args, " "), err)
	}
}

func canOpen(path string) func() (bool, string) {
	return func() (bool, string) {
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return false, err.Error()
		}
		file.Close()
		return true, "open " + path + ": ok"
	}
}

func coreFiles() (bool, string) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil {
		return false, err.Error()
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return false, err.Error()
	}
	text := strings.TrimSpace(string(pattern))
	return text != "" && text[0] != '|' && !strings.HasPrefix(text, "@") && limit.Max > 0,
		fmt.Sprintf("core_pattern %q, RLIMIT_CORE hard limit %d", text, limit.Max)
}

// program looks where the harness's PATH leads to, and in more directories.
func program(name string, more ...string) func() (bool, string) {
	return func() (bool, string) {
		dirs := append([]string{"/usr/local/bin", "/usr/bin", "/bin"}, more...)
		for _, dir := range dirs {
			if path := filepath.Join(dir, name); unix.Access(path, unix.X_OK) == nil {
				return true, path
			}
		}
		return false, name + ": not in " + strings.Join(dirs, ", ")
	}
}

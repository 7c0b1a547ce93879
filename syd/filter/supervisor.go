// SPDX-License-Identifier: GPL-3.0-or-later

package filter

import (
	"fmt"
	"slices"
	"sync"
	"syscall"

	"syd/syd/kernel"
)

// Role is what a thread of the supervisor does; each has a filter of its own.
type Role uint8

// The roles. Process is the outer filter, which all threads are under: it
// allows what any of them needs. The others come on top of it.
const (
	Process Role = iota
	Tracer
	Monitor
	Worker
	Writer
	Receiver // only where calls are made for tracees
	numRoles
)

var roleNames = [numRoles]string{"process", "tracer", "monitor", "worker", "writer", "receiver"}

func (r Role) String() string { return roleNames[r] }

// Roles are all there are.
func Roles() []Role {
	all := make([]Role, numRoles)
	for i := range all {
		all[i] = Role(i)
	}
	return all
}

// Options change the rules.
type Options struct {
	// NoCookies: guarded calls are allowed without cookies.
	NoCookies bool
	// Emulate: calls are made for tracees, by receivers.
	Emulate bool
	// Kcapi: the kernel's crypto interface (AF_ALG) may be used.
	Kcapi bool
	// UIDs and GIDs are transitions that the supervisor may make.
	UIDs, GIDs []Transition
}

// Transition is a change of user or group ID from Source to Target.
type Transition struct{ Source, Target uint32 }

// plain: the filters were made beforehand, with and without Emulate.
func (o Options) plain() bool {
	return !o.NoCookies && !o.Kcapi && len(o.UIDs) == 0 && len(o.GIDs) == 0
}

// Values of the kernel's headers.
const (
	protExec      = 0x4         // uapi asm-generic/mman-common.h: PROT_EXEC
	setDumpable   = 4           // uapi linux/prctl.h: PR_SET_DUMPABLE
	setName       = 15          // uapi linux/prctl.h: PR_SET_NAME
	vmaName       = 0x53564d41  // uapi linux/prctl.h: PR_SET_VMA
	execveCheck   = 0x10000     // uapi linux/fcntl.h: AT_EXECVE_CHECK, Linux 6.14
	procmapQuery  = 0xc068_6611 // uapi linux/fs.h: PROCMAP_QUERY, Linux 6.11
	parentFlags   = kernel.ODirectory | oCloexec | kernel.ONofollow
	cloneThread   = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 // VM, FS, FILES, SIGHAND, THREAD
	cloneNoThread = 0x7e020080 | 0x4000 | 0x8000 | cloneUntraced | clonePtrace
	afALG         = 38
	oCloexec      = 0o2000000
	waitLook      = 0x1 | 0x01000000 // uapi linux/wait.h: WNOHANG, WNOWAIT
)

// uncalled is why the tracer's filter has rows that its thread needs no more, or
// not yet.
const uncalled = "as in Syd; nobody calls it yet"

// A rowTable has the rows of all roles.
type rowTable struct {
	roles   [numRoles][]Rule
	kcapi   []Rule // of the process and the tracer, with that option
	runtime []Rule // what the language runtime calls
}

// rows makes the table, for who needs more than what was compiled beforehand. The
// tracer's rows are in Syd's order.
var rows = sync.OnceValue(func() *rowTable {
	var (
		memory = []Rule{
			{Syscall: "mmap", Effect: Allow, Conditions: without(2, protExec), Why: "memory, never executable", Argued: true},
			{Syscall: "mprotect", Effect: Allow, Conditions: without(2, protExec), Why: "memory, never executable", Argued: true},
		}
		outdated = []Rule{
			{Syscall: "open", Effect: Errno, Errno: syscall.ENOSYS, Why: "libc falls back to openat, which kills"},
			{Syscall: "stat", Effect: Errno, Errno: syscall.ENOSYS, Why: "as for open"},
			{Syscall: "lstat", Effect: Errno, Errno: syscall.ENOSYS, Why: "as for open"},
		}
		openParent = []Rule{
			{Syscall: "openat", Effect: Allow, Argued: true,
				Conditions: []Condition{{Arg: 1, Input: DotDot}, {Arg: 2, Mask: ^uint64(0), Value: parentFlags}},
				Why:        "the parent directory, by the program's own constant, on the way up from a path too long to be asked for"},
		}
		unopened   = argued(uncalled, []Rule{{Syscall: "openat2", Effect: Allow, Guarded: true}})
		opening    = []Rule{{Syscall: "openat2", Effect: Allow, Guarded: true, Why: "/proc of a tracee, and what its paths lead to"}}
		closing    = []Rule{{Syscall: "close", Effect: Allow, Guarded: true, Why: "what was opened"}}
		closeRange = []Rule{{Syscall: "close_range", Effect: Allow, Guarded: true, Why: "as close; nobody calls it yet", Argued: true}}
		write      = []Rule{
			{Syscall: "write", Effect: Allow, Conditions: is(0, LogFD), Why: "records"},
			{Syscall: "write", Effect: Allow, Conditions: equals(0, 2), Why: "the last words of a fault"},
			{Syscall: "write", Effect: Allow, Conditions: is(0, EventFD), Why: "the language runtime wakes its poller"},
			{Syscall: "write", Effect: Allow, Guarded: true, Why: "memory of a tracee; our own wake-up", Argued: true},
		}
		advice = argued("", each("madvise", 2, "the collector gives memory back, or asks for huge pages",
			4 /* DONTNEED */, 8 /* FREE */, 14 /* HUGEPAGE */, 15 /* NOHUGEPAGE */, 25 /* COLLAPSE */))
		looks = argued("", each("fcntl", 1, "looks at a descriptor, or copies it",
			1 /* F_GETFD */, 3 /* F_GETFL */, 1030 /* F_DUPFD_CLOEXEC */))
		copying = each("fcntl", 1, "copies a descriptor", 1030 /* F_DUPFD_CLOEXEC */)
		naming  = []Rule{
			{Syscall: "prctl", Effect: Allow, Argued: true,
				Conditions: []Condition{{Arg: 0, Mask: ^uint64(0), Value: vmaName}, {Arg: 1, Mask: ^uint64(0)}},
				Why:        "the collector names its memory, where the kernel has CONFIG_ANON_VMA_NAME"},
		}
		hiding = []Rule{
			{Syscall: "prctl", Effect: Allow, Conditions: []Condition{{Arg: 0, Mask: ^uint64(0), Value: setDumpable}, {Arg: 1, Mask: ^uint64(0)}},
				Why: "not dumpable, once the eldest has left our memory"},
		}
		mappings = []Rule{
			{Syscall: "ioctl", Effect: Allow, Guarded: true, Conditions: equals(1, procmapQuery), Why: "which mapping an address is in; nobody calls it yet", Argued: true},
		}
		handlers = []Rule{
			{Syscall: "rt_sigaction", Effect: Allow, Conditions: equals(1, 0), Why: "asks; a new handler kills", Argued: true},
		}
		kcapi = []Rule{
			{Syscall: "socket", Effect: Allow, Guarded: true, Conditions: equals(0, afALG), Why: "checksums by the kernel"},
			{Syscall: "bind", Effect: Allow, Guarded: true, Why: "as socket"},
			{Syscall: "accept4", Effect: Allow, Guarded: true, Why: "as socket"},
			{Syscall: "pipe2", Effect: Allow, Guarded: true, Conditions: equals(1, oCloexec), Why: "to splice a file through"},
			{Syscall: "splice", Effect: Allow, Why: "a file into it; all registers are in use"},
			{Syscall: "sendfile", Effect: Allow, Guarded: true, Why: "a file into it"},
			{Syscall: "recvmsg", Effect: Allow, Guarded: true, Why: "the checksum"},
			{Syscall: "sendmsg", Effect: Allow, Guarded: true, Why: "the key"},
		}
		// running is what the language runtime needs on any thread.
		running = slices.Concat(
			plain("the language runtime", "futex", "sched_yield", "epoll_pwait", "rt_sigreturn", "exit_group"),
			argued("the language runtime, seldom: locks, preemption, a collection that ends here",
				plain("", "nanosleep", "munmap", "getpid", "gettid", "rt_sigprocmask", "sigaltstack", "restart_syscall")),
			argued("libc's allocator", plain("", "brk")),
			argued("where the vDSO can't be used", plain("", "clock_gettime", "getrandom")),
			[]Rule{{Syscall: "tgkill", Effect: Allow, Conditions: is(0, PID), Why: "the language runtime interrupts a thread"}},
		)
		// killing means no group by its number, nor all processes. It may mean the caller's
		// own group, 0: libseccomp compares a register once.
		killing = []Rule{
			{Syscall: "kill", Effect: Allow, Conditions: without(0, ^uint64(0x7fffffff)), Why: "a tracee that may not go on, by its number"},
		}
		tracing = slices.Concat(plain("the main loop", "waitid"), killing, []Rule{
			{Syscall: "tgkill", Effect: Allow, Conditions: equals(2, 0), Why: "which process a tracee's thread is of"},
			{Syscall: "sched_getaffinity", Effect: Allow, Why: "stays beside a busy tracee"},
			{Syscall: "sched_setaffinity", Effect: Allow, Why: "stays beside a busy tracee, and has workers beside itself"},
			{Syscall: "getcpu", Effect: Allow, Why: "beside which"},
		})
		// sparing is how a call is recognised that is aimed at the supervisor.
		sparing = plain("whom a number means", "getpgid")
		asking  = argued(uncalled, []Rule{
			{Syscall: "execveat", Effect: Allow, Guarded: true, Conditions: with(4, execveCheck)},
			{Syscall: "faccessat2", Effect: Allow, Guarded: true},
			{Syscall: "getdents64", Effect: Allow, Guarded: true},
			{Syscall: "pidfd_getfd", Effect: Allow, Guarded: true},
			{Syscall: "pidfd_open", Effect: Allow, Guarded: true},
			{Syscall: "pidfd_send_signal", Effect: Allow, Guarded: true},
		})
		stops = []Rule{{Syscall: "ptrace", Effect: Allow, Guarded: true, Why: "the tracees' stops"}}

		// What the other roles do.
		reading   = plain("a tracee's /proc", "read")
		answering = plain("a tracee's memory and files", "fstat", "process_vm_readv", "fstatfs", "newfstatat", "readlinkat", "statx")
		limits    = plain("the language runtime looks after the CPU limit of its control group", "pread64")
		climbing  = argued("the way up from a directory whose path is too long to be told", []Rule{{Syscall: "getdents64", Effect: Allow, Guarded: true}})
		arguments = plain("the first bytes of a file that is to be executed", "pread64")
		threads   = slices.Concat([]Rule{
			{Syscall: "clone", Effect: Allow, Conditions: []Condition{{Arg: 0, Mask: cloneThread | cloneNoThread, Value: cloneThread}},
				Why: "a thread of this process, and nothing else"},
			{Syscall: "clone3", Effect: Errno, Errno: syscall.ENOSYS, Why: "its flags are in memory; libc falls back to clone"},
		}, plain("a thread's start", "set_robust_list", "rseq"), plain("a thread's end", "exit"), []Rule{
			{Syscall: "sched_getaffinity", Effect: Allow, Why: "a thread's start"},
			{Syscall: "clock_nanosleep", Effect: Allow, Why: "libc waits a little where a thread can't be had", Argued: true},
			{Syscall: "writev", Effect: Allow, Conditions: equals(0, 2), Why: "libc's last words", Argued: true},
		})
		// receiving is how calls are taken and answered, and what making them takes that
		// changes nothing. A receiver may start another, which is born confined.
		receiving = slices.Concat(
			guarded("ioctl", "a call that waits is taken, or answered, or asked about", 1,
				0xc0502100 /* NOTIF_RECV */, 0xc0182101 /* SEND */, 0x40082102 /* ID_VALID */, 0x40182103 /* ADDFD */),
			[]Rule{
				{Syscall: "faccessat2", Effect: Allow, Guarded: true, Why: "access, for a tracee"},
				{Syscall: "getdents64", Effect: Allow, Guarded: true, Why: "a directory, for a tracee"},
				{Syscall: "pidfd_open", Effect: Allow, Guarded: true, Why: "a tracee whose descriptor is borrowed"},
				{Syscall: "pidfd_getfd", Effect: Allow, Guarded: true, Why: "its descriptor"},
			},
			plain("answers in a tracee's memory: all registers are in use", "process_vm_writev"),
			cookied("for a tracee", "getxattr", "lgetxattr", "listxattr", "llistxattr", "inotify_add_watch"),
			[]Rule{
				{Syscall: "kill", Effect: Allow, Guarded: true, Conditions: killing[0].Conditions, Why: "a tracee, by its number"},
				{Syscall: "memfd_create", Effect: Allow, Guarded: true, Why: "the state, for who reads it"},
				{Syscall: "fcntl", Effect: Allow, Conditions: equals(1, 1033 /* F_ADD_SEALS */), Why: "nobody can write to it"},
				{Syscall: "fcntl", Effect: Allow, Conditions: equals(1, 4 /* F_SETFL */), Why: "for a tracee, where there are append-only files", Argued: true},
				{Syscall: "fallocate", Effect: Allow, Why: "likewise", Argued: true},
				{Syscall: "lseek", Effect: Allow, Why: "a directory that was not all read", Argued: true},
				{Syscall: "prlimit64", Effect: Allow, Conditions: equals(2, 0), Why: "how many descriptors a tracee may have", Argued: true},
				{Syscall: "tgkill", Effect: Allow, Conditions: equals(2, 0), Why: "which process a thread is of"},
				{Syscall: "dup3", Effect: Allow, Guarded: true, Conditions: slices.Concat(is(1, Listener), equals(2, oCloexec)),
					Why: "the listener is closed for good, and its number taken"},
			},
		)
		// becoming is how a receiver works as a tracee.
		becoming = slices.Concat(
			guarded("unshare", "a umask of its own", 0, 0x200 /* CLONE_FS */),
			cookied("works with a tracee's umask or credentials", "umask", "setgroups", "capset"),
			[]Rule{
				{Syscall: "setresuid", Effect: Allow, Guarded: true, Conditions: effectiveOnly, Why: "likewise"},
				{Syscall: "setresgid", Effect: Allow, Guarded: true, Conditions: effectiveOnly, Why: "likewise"},
			},
			plain("whose they are to begin with", "capget", "geteuid", "getegid", "getgroups"),
		)
		// changing are calls that receivers make for tracees and that change files.
		changing = cookied("for a tracee", "mkdirat", "mknodat", "linkat", "symlinkat", "unlinkat", "renameat2", "fchmodat", "fchownat",
			"utimensat", "truncate", "ftruncate", "setxattr", "removexattr")
		polling    = argued("sleeps while its pipe is empty or full", plain("", "ppoll"))
		monitoring = []Rule{
			{Syscall: "read", Effect: Allow, Why: "caught signals, and who sent them"},
			{Syscall: "waitid", Effect: Allow, Conditions: with(3, waitLook), Why: "whether the sender is a tracee; looks, and neither waits nor reaps"},
			{Syscall: "rt_sigaction", Effect: Allow, Guarded: true, Why: "stops the supervisor as the terminal would"},
			{Syscall: "pidfd_send_signal", Effect: Allow, Guarded: true, Why: "forwards a signal to the eldest"},
		}
		ending    = argued("the thread's end", plain("", "exit"))
		titling   = []Rule{{Syscall: "prctl", Effect: Allow, Conditions: equals(0, setName), Why: "a thread takes its name"}}
		confining = []Rule{
			titling[0],
			{Syscall: "seccomp", Effect: Allow, Guarded: true, Conditions: equals(0, setModeFilter), Why: "a thread takes a narrower filter"},
		}
	)
	t := &rowTable{kcapi: kcapi, runtime: slices.Concat(memory, advice, naming, running)}
	t.roles = [numRoles][]Rule{
		Process: slices.Concat(memory, outdated, write, advice, naming, running, limits, threads, confining),
		Tracer: slices.Concat(memory, outdated, openParent, unopened, closing, closeRange, write, advice, looks,
			naming, hiding, mappings, handlers, running, tracing, sparing, asking, stops),
		Monitor: slices.Concat(memory, write, advice, naming, running, polling, monitoring, ending),
		Worker:  slices.Concat(memory, opening, closing, write, advice, copying, naming, running, reading, answering, arguments, climbing, ending),
		Writer:  slices.Concat(memory, write, advice, naming, running, polling, ending),
		Receiver: slices.Concat(memory, opening, closing, write, advice, copying, naming, running, reading, answering,
			receiving, becoming, changing, threads, titling, ending),
	}
	return t
})

// effectiveOnly leaves the real and the saved ID as they are.
var effectiveOnly = []Condition{{Arg: 0, Mask: ^uint64(0), Value: ^uint64(0)}, {Arg: 2, Mask: ^uint64(0), Value: ^uint64(0)}}

// argued are rows that no run shows, and why they are there all the same.
func argued(why string, rows []Rule) []Rule {
	for i := range rows {
		rows[i].Argued = true
		if rows[i].Why == "" {
			rows[i].Why = why
		}
	}
	return rows
}

// guarded are rows for values of a register, with cookies.
func guarded(name, why string, arg uint, values ...uint64) []Rule {
	rules := each(name, arg, why, values...)
	for i := range rules {
		rules[i].Guarded = true
	}
	return rules
}

// cookied are rows with cookies.
func cookied(why string, names ...string) []Rule {
	rules := plain(why, names...)
	for i := range rules {
		rules[i].Guarded = true
	}
	return rules
}

// ByRuntime says whether the language runtime makes a call, and so may make it
// on any thread.
func ByRuntime(name string) bool {
	return slices.ContainsFunc(rows().runtime, func(r Rule) bool { return r.Syscall == name })
}

func plain(why string, names ...string) []Rule {
	rules := make([]Rule, len(names))
	for i, name := range names {
		rules[i] = Rule{Syscall: name, Effect: Allow, Why: why}
	}
	return rules
}

func each(name string, arg uint, why string, values ...uint64) []Rule {
	rules := make([]Rule, len(values))
	for i, v := range values {
		rules[i] = Rule{Syscall: name, Effect: Allow, Conditions: equals(arg, v), Why: why}
	}
	return rules
}

// Rules are the rows of a role's filter; every call that none of them allows
// kills the process.
func Rules(r Role, o Options) []Rule {
	table := rows()
	all := table.roles[r]
	if r == Process {
		for other := Process + 1; other < numRoles; other++ {
			if other != Receiver || o.Emulate {
				all = slices.Concat(all, table.roles[other])
			}
		}
	}
	if r == Process || r == Tracer {
		if o.Kcapi {
			all = slices.Concat(all, table.kcapi)
		}
		all = slices.Concat(all, transitions("u", o.UIDs), transitions("g", o.GIDs))
	}
	return distinct(all, o)
}

// distinct leaves out rows that stand before already, and with the option their
// cookies.
func distinct(all []Rule, o Options) []Rule {
	var rules []Rule
	seen := map[string]bool{}
	for _, r := range all {
		if o.NoCookies {
			r.Guarded = false
		}
		key := fmt.Sprint(r.Syscall, r.Effect, r.Errno, r.Conditions, r.Guarded)
		if !seen[key] {
			seen[key] = true
			rules = append(rules, r)
		}
	}
	return rules
}

// transitions allow the calls that change to a target, and all of whose IDs are
// it: kind u or g. BPF can't see the ID that is changed from: the kernel asks
// for CAP_SETUID or CAP_SETGID.
func transitions(kind string, all []Transition) []Rule {
	var rules []Rule
	for _, t := range all {
		for name, args := range map[string]uint{"set" + kind + "id": 1, "setre" + kind + "id": 2, "setres" + kind + "id": 3} {
			var conditions []Condition
			for arg := range args {
				conditions = append(conditions, equals(arg, uint64(t.Target))...)
			}
			rules = append(rules, Rule{Syscall: name, Effect: Allow, Conditions: conditions, Why: "a configured transition"})
		}
	}
	slices.SortFunc(rules, func(a, b Rule) int { return len(a.Syscall) - len(b.Syscall) })
	return rules
}

// Program is a role's filter but for the inputs, which Fill puts in once.
func Program(r Role, o Options) ([]byte, error) {
	if program := prebuilt(r, o); program != nil {
		return program, nil
	}
	return assemble(supervisorKind, Rules(r, o), exportBPF)
}

// Fill makes program what can be loaded: struct sock_filter entries for
// seccomp(2).
func Fill(program []byte, in Inputs) { patch(program, in) }

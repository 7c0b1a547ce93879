// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

import (
	"slices"
	"strings"

	"syd/conformance/bpf"
)

// emulation are the calls that a supervisor may make, with cookies in all
// registers behind the used ones, that makes calls on files for tracees. Most of
// them are Dangerous to any other.
var emulation = []struct {
	used       int
	names, why string
}{
	{1, "unlink rmdir", "files"},
	{2, "creat truncate ftruncate mkdir rename link symlink chmod fchmod utime utimes removexattr lremovexattr fremovexattr", "files"},
	{3, "mkdirat unlinkat symlinkat chown fchown lchown fchmodat futimesat", "files"},
	{4, "renameat fchmodat2 utimensat removexattrat", "files"},
	{5, "linkat renameat2 fchownat setxattr lsetxattr fsetxattr file_setattr", "files"},
	{3, "mknod", "devices"},
	{4, "mknodat", "devices"},
	{1, "setfsuid setfsgid", "a tracee's credentials"},
	{3, "setresuid setresgid", "a tracee's credentials"},
	{2, "setgroups capset", "a tracee's credentials"},
	{1, "unshare", "CLONE_FS: a umask of its own"},
	{2, "memfd_create", "what is read from the supervisor"},
	{4, "openat2", "files"},
	{4, "faccessat2", "files"},
	{3, "getdents64", "directories"},
	{3, "ioctl", "the listener"},
	{3, "dup3", "the listener"},
	{2, "pidfd_open", "a tracee"},
	{3, "pidfd_getfd", "a tracee's descriptor"},
	{1, "close", "descriptors"},
}

// optional are calls that may have cookies, and need none.
var optional = map[string]int{"umask": 1, "kill": 2, "listxattr": 3, "llistxattr": 3, "inotify_add_watch": 3, "getxattr": 4, "lgetxattr": 4}

// spoken is what may be asked of a listener, and of a mapping (linux/seccomp.h,
// linux/fs.h).
var spoken = []uint64{0xc0502100, 0xc0182101, 0x40082102, 0x40182103, 0x40082104, procmapQuery}

// open are calls of Dangerous that a supervisor which makes calls for tracees may
// make as they are: all registers are in use.
var open = []string{"process_vm_writev"}

// Emulating judges the filters of a thread of a supervisor that makes calls on
// files for tracees: as Thread, but for what that takes, and that with cookies
// alone. listener is the number of the tracees' listener.
func Emulating(chain bpf.Chain, o Options, listener uint64) Judgement {
	t := Table{}
	for _, row := range emulation {
		for name := range strings.FieldsSeq(row.names) {
			t[name] = Call{Name: name, Clause: "PRC-01", Class: Guarded, Used: row.used, Why: row.why}
		}
	}
	j := New()
	j.thread(chain, o, func(name string) bool { _, ok := t[name]; return ok || slices.Contains(open, name) })
	for _, c := range t {
		j.emulated(chain, c, o, listener)
	}
	if !o.NoCookies {
		j.crossed(chain, t)
	}
	return j
}

// emulated expects that a call is killed, or allowed with cookies, and those with
// one argument that tells what is done for that one thing.
func (j *Judgement) emulated(chain bpf.Chain, c Call, o Options, listener uint64) {
	may := allowing(j, chain, c)
	if len(may) == 0 {
		return // not needed
	}
	for _, p := range may {
		j.Rows[c.Clause]++
		value := func(register int, wanted ...uint64) {
			if got, whole := p.Constant(register); !whole || !slices.Contains(wanted, got) {
				j.complain(c, "register %d is not held to %#x: %v", register, wanted, p)
			}
		}
		switch c.Name {
		case "unshare":
			value(0, 0x200)
		case "ioctl":
			value(1, spoken...)
		case "dup3":
			value(1, listener)
		}
	}
	if !o.NoCookies {
		j.guarded(chain, c, may)
	}
}

// Receiver judges the filters of a thread that makes calls for tracees and is
// there for nothing else: what the supervisor may do by another thread, it may not.
func Receiver(chain bpf.Chain, o Options, listener uint64) Judgement {
	j := Emulating(chain, o, listener)
	for _, name := range []string{"ptrace", "execveat", "pidfd_send_signal", "waitid", "wait4", "open", "openat", "creat", "socket", "bind", "accept4",
		"sendmsg", "recvmsg", "tkill", "rt_sigqueueinfo", "sched_setaffinity", "pwrite64", "dup", "dup2"} {
		j.only(chain, Call{Name: name, Clause: "PRC-01", Class: Kills, Why: "another thread's work"}, nil)
	}
	j.only(chain, Call{Name: "prlimit64", Clause: "PRC-01", Class: Kills, Why: "asks for a limit, and sets none"}, func(p bpf.Path) bool {
		limit, whole := p.Constant(2)
		return whole && limit == 0
	})
	j.signals(chain)
	return j
}

// signals expects that what is signalled is one process, by its number.
func (j *Judgement) signals(chain bpf.Chain) {
	c := Call{Name: "kill", Clause: "PRC-01", Class: May, Why: "no group, and not everybody"}
	for _, p := range allowing(j, chain, c) {
		j.Rows[c.Clause]++
		const negative = 1 << 31
		if bits, value := p.Arg(0); bits&negative == 0 || value&negative != 0 {
			j.complain(c, "%v", p)
		}
	}
}

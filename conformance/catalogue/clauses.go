// SPDX-License-Identifier: GPL-3.0-or-later

package catalogue

// Divergences are differences that were looked at and accepted.
var Divergences = []Divergence{
	{"EVT-SIG-01.18", "ptrace reports ignored signals and so interrupts the call; restarted, its time limit would begin anew"},
	{"TRC-03.6", "a group-stop of a traced task is a ptrace-stop, which the kernel shows as t"},
}

// Clauses is every clause in scope, in the order in which it is listed. IDs
// are never re-used; a clause is weakened only with the reason beside it.
var Clauses = []Clause{
	{"LCH-01", Must, Syd, "The exit status is the eldest's exit code, whichever of 0..255."},
	{"LCH-02", Must, Seed, "The eldest dies of signal s: the status is 128+s, for every fatal signal, cored or not, real-time ones too."},
	{"LCH-03", Must, Seed, "The eldest's status cannot be had (nothing left to wait for): 127."},
	{"LCH-04", Must, Seed, "An eldest that really exits 127 gives 127, and does not hang."},
	{"LCH-05", Must, Syd, "The first exec fails: stderr names the error after 'syd: exec error: ', and the status is the errno."},
	{"LCH-06", Must, Seed, "Without trace/exit_wait_all syd leaves once the eldest is reaped, and within 1 s no other tracee lives."},
	{"LCH-07", Must, Seed, "With trace/exit_wait_all syd serves until no tracee is left, then exits with the eldest's status."},
	{"LCH-08", Must, Seed, "How another tracee than the eldest ends never changes the status."},
	{"LCH-09", Must, Syd, "syd inside syd exits 16, in every profile, and the outer sandbox goes on."},
	{"LCH-10", Must, Ours, "A bad option, rule, profile or file: one line that says where and what was expected, status 22 or the file's errno, nothing started."},
	{"LCH-11", Must, Ours, "What the eldest can see of its start equals a native start, but for the listed divergences."},
	{"LCH-12", Must, Ours, "No tracee ever has a descriptor of the supervisor's."},
	{"LCH-13", Must, Ours, "Signals to syd: the terminal's reach the whole group and do not kill syd first, sent ones are forwarded, job control behaves as native."},
	{"LCH-14", Must, Ours, "The supervisor is killed at any moment: after 1 s no tracee lives."},
	{"LCH-15", Must, Ours, "A fault of the supervisor's own: the sandbox is killed, the cause is on stderr, the status is not 0."},
	{"LCH-16", Must, Syd, "-a sets argv[0], -e the environment; -V, -h and --api print and exit 0; --check tells inside from outside."},
	{"LCH-17", Must, Syd, "Every clause holds for an ordinary user, except where the kernel itself asks for root."},

	{"TRC-01", Must, Seed, "A tracee exited: its TID and TGID leave the cache before anything else is done."},
	{"TRC-02", Must, Seed, "A tracee was killed: its TGID and TIDs leave the cache."},
	{"TRC-03", Must, Seed, "A tracee in group-stop stays stopped, and SIGCONT resumes it."},
	{"TRC-04", Must, Seed, "Any other event stop (a new tracee, an interrupt) is resumed without a signal."},
	{"TRC-05", Must, Seed, "A signal-delivery-stop of any signal is resumed with that signal."},
	{"TRC-06", Must, Seed, "A seccomp stop gets the decision on its system call."},
	{"TRC-07", Must, Seed, "A system-call stop gets the exit check of its call."},
	{"TRC-08", Must, Seed, "A fork, vfork or clone event lets parent and child go on."},
	{"TRC-09", Must, Seed, "An exec event gets the check of the new image."},
	{"TRC-10", Must, Seed, "An exit event is noted, and the tracee goes on to its end."},
	{"TRC-11", Must, SeedOurs, "A status that no row knows is never ignored: the sandbox is killed, the status logged, 127 returned."},
	{"TRC-12", Must, Seed, "Interrupted waits are repeated, however many there are."},
	{"TRC-13", Must, Seed, "When there is nothing left to wait for, the loop ends."},
	{"TRC-14", Must, Seed, "Any other error of the wait becomes syd's status."},
	{"TRC-15", Must, SeedOurs, "The loop leaves early only when no user of the filter is left, or on a fault."},
	{"TRC-16", Must, Seed, "After the loop the eldest's status is fetched by its identity; a recycled PID is not mistaken for it."},
	{"TRC-17", Must, Ours, "During that last wait the stops of all tracees are still served."},
	{"TRC-18", Must, Seed, "On leaving, every helper ends within 1 s and the process exits."},
	{"TRC-19", Must, Seed, "One thread makes all ptrace requests and waits, for the whole life of the sandbox."},
	{"TRC-20", Must, Seed, "A tracee that is killed while stopped makes no noise; its death is reported by the next wait."},

	{"EVT-FRK-01", Must, Seed, "Every new process and thread is traced from its first instruction, to any depth."},
	{"EVT-FRK-02", Must, Syd, "With pid/max set, the action of default/pid meets the caller that goes over it, never the supervisor."},
	{"EVT-FRK-03", Must, Seed, "vfork and posix_spawn suspend the parent until the child execs or exits."},
	{"EVT-FRK-04", Must, Ours, "CLONE_UNTRACED and CLONE_PTRACE give EPERM, clone3 gives ENOSYS, in every profile."},
	{"EVT-FRK-05", Must, Ours, "A sibling made with CLONE_PARENT is traced and reaped, and never changes the status."},
	{"EVT-EXE-01", Must, Syd, "After exec the image that really runs is checked; a denied one is killed before its first instruction."},
	{"EVT-EXE-02", Must, Seed, "exec from another thread than the leader leaves one process whose later events are right."},
	{"EVT-EXE-03", Must, Syd, "A denied execve or execveat gives EACCES and the caller lives on; unknown flags give EINVAL first."},
	{"EVT-EXE-04", Must, Syd, "Each link of a script's interpreter chain is checked."},
	{"EVT-EXT-01", Must, Syd, "A process that ends by a core-dumping signal counts as one crash of its executable."},
	{"EVT-SCM-01", Must, Seed, "A seccomp stop that is none kills the tracee; a tracee that is gone is passed over."},
	{"EVT-SCM-02", Must, Syd, "Deny returns the errno and skips the call, allow runs it, a fault kills the tracee and is logged."},
	{"EVT-SCM-03", Must, Ours, "A tracee's own filter that asks for a tracer gets what it gets natively: ENOSYS, and the tracee lives."},
	{"EVT-SYX-01", Must, Seed, "A system-call stop that is no exit kills the tracee; a good result lets it go on."},
	{"EVT-SYX-02", Must, Syd, "After a chdir the directory that was really entered must be one that the rules allow."},
	{"EVT-SIG-01", Must, Seed, "Every signal, however sent, arrives as natively: siginfo, order, coalescing, restarts, masks, stacks."},
	{"EVT-SIG-02", Must, Syd, "A signal interrupts an emulated call only where natively it would, and no side effect happens twice."},
	{"EVT-SIG-03", Must, Seed, "SIGKILL works at once, in whatever stop or call the tracee is."},
	{"EVT-SIG-04", Must, Seed, "Stops and continues are seen by the parent as natively, and none is lost."},

	{"CAC-01", Must, Seed, "With PIDs recycled no decision is taken from a dead process's entry."},
	{"CAC-02", Must, Ours, "After 100,000 short-lived processes the supervisor holds no more memory or descriptors than after 1,000."},
	{"CAC-03", Must, Seed, "When a process goes, the entries of all its threads go."},

	{"CKE-05", Must, Ours, "The language runtime makes no guarded call from the tracer thread; collections, timers, new threads under load never kill it."},
}

// SPDX-License-Identifier: GPL-3.0-or-later

package confinement

import (
	"fmt"
	"slices"
	"strings"
)

// TracerTable is what a tracer thread's filters are to do (CNF-07 to CNF-22).
func TracerTable(o Options) Table {
	t := Table{}
	add := func(clause string, class Class, used int, why, list string, rows ...Row) {
		for name := range strings.FieldsSeq(list) {
			Number(name)
			if _, twice := t[name]; twice {
				panic("confinement: two rows for " + name)
			}
			t[name] = Call{name, clause, class, used, rows, why}
		}
	}
	for _, p := range plain {
		add("CNF-19", May, 6, p.why, p.names)
	}
	for _, d := range slices.Concat(Dangerous, forOthers) {
		add("CNF-23", Kills, 6, d.Why, d.Names)
	}
	add("CNF-23", Kills, 6, "a thread: the tracer makes none", "clone clone3")
	add("CNF-08", Absent, 6, "outdated calls", "open stat lstat")
	add("CNF-07", May, 6, "no executable memory", "mmap mprotect pkey_mprotect", executable()...)
	add("CNF-07", May, 6, "no executable memory", "shmat", sharedExecutable()...)
	add("CNF-13", May, 6, "advice", "madvise", advice()...)
	add("CNF-14", May, 6, "operations on descriptors", "fcntl", operations(1, descriptorOps)...)
	add("CNF-15", May, 6, "operations on itself", "prctl", processRows()...)
	add("CNF-17", May, 6, "signal handlers", "rt_sigaction", handlers()...)
	add("CNF-09", May, 6, "the parent directory only", "openat", parents()...)
	add("CNF-12", May, 6, "known descriptors only", "write", writes(o)...)

	add("CNF-10", Guarded, 4, "files", "openat2", Row{Want: Allow})
	add("CNF-11", Guarded, 1, "descriptors", "close", Row{Want: Allow}, Row{[6]uint64{77}, Allow, "any descriptor"})
	add("CNF-11", Guarded, 3, "descriptors", "close_range", Row{[6]uint64{77, 78}, Allow, "any descriptors"})
	add("CNF-16", Guarded, 3, "PROCMAP_QUERY", "ioctl", requests()...)
	add("CNF-20", Guarded, 5, "AT_EXECVE_CHECK", "execveat", checks()...)
	add("CNF-21", Guarded, 4, "tracees", "faccessat2 pidfd_send_signal ptrace", Row{Want: Allow})
	add("CNF-21", Guarded, 3, "tracees", "getdents64 pidfd_getfd", Row{Want: Allow})
	add("CNF-21", Guarded, 2, "tracees", "pidfd_open", Row{Want: Allow})

	kcapi(add, o)
	transitions(add, "u", o.UIDs)
	transitions(add, "g", o.GIDs)
	return t
}

type adder func(clause string, class Class, used int, why, list string, rows ...Row)

// Values of the kernel's headers.
const (
	afALG        = 38         // linux/socket.h
	oCloexec     = 0o2000000  // asm-generic/fcntl.h
	procmapQuery = 0xc0686611 // linux/fs.h, Linux 6.11
	execveCheck  = 0x10000    // linux/fcntl.h: AT_EXECVE_CHECK, Linux 6.14
	high         = 1 << 32    // a bit that the kernel does not look at in an int
	highHalf     = 0xffffffff << 32
)

func kcapi(add adder, o Options) {
	class, why := Kills, "the network"
	if o.Kcapi {
		class, why = Guarded, "the kernel's crypto interface"
	}
	rows := func(all ...Row) []Row {
		if o.Kcapi {
			return all
		}
		return nil
	}
	add("CNF-18", class, 3, why, "socket", rows(sockets()...)...)
	add("CNF-18", class, 3, why, "bind recvmsg sendmsg", rows(Row{Want: Allow})...)
	add("CNF-18", class, 4, why, "accept4 sendfile", rows(Row{Want: Allow})...)
	add("CNF-18", class, 2, why, "pipe2", rows(pipes()...)...)
	if o.Kcapi {
		class = May // all its registers are in use
	}
	add("CNF-18", class, 6, why, "splice", rows(Row{Want: Allow})...)
	add("CNF-18", Kills, 6, "a pipe that an exec hands on", "pipe")
}

// sockets: AF_ALG alone, compared whole.
func sockets() (rows []Row) {
	for family := uint64(0); family < 48; family++ {
		rows = append(rows, Row{[6]uint64{family, 5}, kill(family != afALG), "address family"})
	}
	return append(rows, Row{[6]uint64{afALG | high, 5}, Kill, "the high half counts"})
}

func pipes() (rows []Row) {
	rows = []Row{{[6]uint64{0, oCloexec}, Allow, "exactly O_CLOEXEC"}, {[6]uint64{}, Kill, "no flags"}}
	for bit := range 64 {
		rows = append(rows, Row{[6]uint64{0, oCloexec ^ 1<<bit}, Kill, "another flag"})
	}
	return rows
}

// kill is Kill if so, Allow otherwise.
func kill(so bool) Want {
	if so {
		return Kill
	}
	return Allow
}

func executable() (rows []Row) {
	const protExec = 4
	for _, prot := range []uint64{4, 5, 6, 7, 4 | 8, 7 | 0x10, 4 | 0x1000000, 4 | 0x2000000, 4 | high, 7 | highHalf, ^uint64(0)} {
		for _, flags := range []uint64{0x22, 0x02, 0x01, 0x32, 0x100022} {
			rows = append(rows, Row{[6]uint64{0x10000, 4096, prot, flags, ^uint64(0)}, Kill, "PROT_EXEC"})
		}
	}
	for bit := range 64 {
		rows = append(rows, Row{[6]uint64{0x10000, 4096, protExec | 1<<bit}, Kill, "PROT_EXEC with another bit"})
	}
	return rows
}

func sharedExecutable() (rows []Row) {
	const shmExec = 0o100000
	for bit := range 64 {
		rows = append(rows, Row{[6]uint64{1, 0, shmExec | 1<<bit}, Kill, "SHM_EXEC"})
	}
	return rows
}

// harmlessAdvice is what madvise(2) may be asked for: hints, and giving memory
// back (asm-generic/mman-common.h). Some values change what others see, what
// dumps show or whether the machine trusts its memory.
var harmlessAdvice = map[uint64]bool{
	0: true, 1: true, 2: true, 3: true, // NORMAL RANDOM SEQUENTIAL WILLNEED
	4: true, 8: true, // DONTNEED FREE
	14: true, 15: true, 16: true, // HUGEPAGE NOHUGEPAGE DONTDUMP
	20: true, 21: true, 22: true, 23: true, // COLD PAGEOUT POPULATE_READ POPULATE_WRITE
	25: true, // COLLAPSE
}

func advice() []Row {
	rows := []Row{{[6]uint64{0x10000, 4096, 4}, Allow, "MADV_DONTNEED: every allocator's"}}
	for value := range uint64(128) {
		if !harmlessAdvice[value] {
			rows = append(rows, Row{[6]uint64{0x10000, 4096, value}, Kill, "no harmless advice"})
		}
		rows = append(rows, Row{[6]uint64{0x10000, 4096, value | high}, Kill, "the high half counts"})
	}
	return rows
}

// descriptorOps are the fcntl(2) operations that may be allowed: they look at a
// descriptor of its own, or copy it, or change its flags.
var descriptorOps = map[uint64]bool{
	1: true, 2: true, 3: true, 4: true, // F_GETFD F_SETFD F_GETFL F_SETFL
	1030: true, 1034: true, 1032: true, 1031: true, // F_DUPFD_CLOEXEC F_GET_SEALS F_GETPIPE_SZ F_SETPIPE_SZ
}

// processOps are the prctl(2) operations that may be allowed: names, and
// questions.
var processOps = map[uint64]bool{
	15: true, 16: true, 0x53564d41: true, // PR_SET_NAME PR_GET_NAME PR_SET_VMA
	2: true, 3: true, 21: true, 39: true, // PR_GET_PDEATHSIG PR_GET_DUMPABLE PR_GET_SECCOMP PR_GET_NO_NEW_PRIVS
}

// operations expects death for all operations that are not in the list.
func operations(arg int, list map[uint64]bool) (rows []Row) {
	row := func(op uint64, why string) {
		for _, value := range []uint64{0, 1, 2, 35, ^uint64(0)} {
			r := Row{Want: Kill, Why: why}
			for i := range r.Args {
				r.Args[i] = value
			}
			r.Args[arg] = op
			rows = append(rows, r)
		}
	}
	var ops []uint64
	for op := range uint64(100) {
		ops = append(ops, op)
	}
	for op := uint64(1024); op < 1048; op++ {
		ops = append(ops, op)
	}
	for _, op := range append(ops, 0x53564d41, 0x59616d61 /* PR_SET_PTRACER */, ^uint64(0)) {
		if !list[op] {
			row(op, fmt.Sprintf("operation %d", op))
		}
		if op>>32 == 0 {
			row(op|high, "the high half counts")
		}
	}
	return rows
}

// processRows leaves PR_SET_DUMPABLE (4) out where it makes the process less
// open than it was: that is harmless.
func processRows() []Row {
	return slices.DeleteFunc(operations(0, processOps), func(r Row) bool { return r.Args[0] == 4 && r.Args[1] == 0 })
}

func handlers() (rows []Row) {
	for signal := uint64(1); signal <= 64; signal++ {
		rows = append(rows, Row{[6]uint64{signal, 0, 0x1000, 8}, Allow, "asks"},
			Row{[6]uint64{signal, 0x1000, 0, 8}, Kill, "installs a handler"},
			Row{[6]uint64{signal, high, 0, 8}, Kill, "the high half counts"})
	}
	return rows
}

// parents is beside what Given.openat judges.
func parents() (rows []Row) {
	for _, path := range []uint64{0, 1, 0x400000, 0x7fffffffe000, ^uint64(0)} {
		for _, flags := range []uint64{0, 1, 2, 0o100, 0o200000, 0o2200000, 0o2600000, 0o10000000, ^uint64(0)} {
			rows = append(rows, Row{[6]uint64{^uint64(99), path, flags, 0o644}, Kill, "another path"})
		}
	}
	return rows
}

// writes is beside what Given.write judges.
func writes(o Options) []Row {
	rows := []Row{{[6]uint64{2, 0x1000, 1}, Allow, "stderr"}}
	if o.NoCookies {
		return rows
	}
	for bit := 12; bit < 64; bit++ {
		rows = append(rows, Row{[6]uint64{2 | 1<<bit, 0x1000, 1}, Kill, "no descriptor of ours; the high half counts"})
	}
	return append(rows, Row{[6]uint64{0, 0x1000, 1}, Kill, "stdin"}, Row{[6]uint64{1, 0x1000, 1}, Kill, "stdout"},
		Row{[6]uint64{^uint64(0), 0x1000, 1}, Kill, "-1"})
}

func requests() []Row {
	rows := []Row{{[6]uint64{3, procmapQuery, 0x1000}, Allow, "PROCMAP_QUERY"}}
	for bit := range 64 {
		rows = append(rows, Row{[6]uint64{3, procmapQuery ^ 1<<bit, 0x1000}, Kill, "another request"})
	}
	for _, request := range []uint64{0x5401, 0x5412, 0x541c, 0xc0502100, 0x8901, 0} { // TCGETS TIOCSTI TIOCLINUX SECCOMP_IOCTL_NOTIF_RECV FIOSETOWN
		rows = append(rows, Row{[6]uint64{3, request, 0x1000}, Kill, "another request"})
	}
	return rows
}

func checks() []Row {
	rows := []Row{{[6]uint64{3, 0x1000, 0x2000, 0x3000, execveCheck}, Allow, "AT_EXECVE_CHECK"}}
	for bit := range 64 {
		if bit == 16 {
			continue
		}
		rows = append(rows, Row{[6]uint64{3, 0x1000, 0x2000, 0x3000, 1 << bit}, Kill, "no AT_EXECVE_CHECK: it would execute"})
	}
	return append(rows, Row{[6]uint64{3, 0x1000, 0x2000, 0x3000}, Kill, "no flags"},
		Row{[6]uint64{3, 0x1000, 0x2000, 0x3000, ^uint64(execveCheck)}, Kill, "all flags but AT_EXECVE_CHECK"})
}

// transitions: the calls that set an ID to a configured target, and nothing else.
func transitions(add adder, kind string, targets []uint64) {
	const unknown = 12345
	for name, ids := range map[string]int{"set" + kind + "id": 1, "setre" + kind + "id": 2, "setres" + kind + "id": 3} {
		if len(targets) == 0 {
			add("CNF-22", Kills, 6, "no transition is configured", name)
			continue
		}
		var rows []Row
		for _, target := range targets {
			var to Row
			for i := range ids {
				to.Args[i] = target
			}
			to.Want, to.Why = Allow, "a configured target"
			rows = append(rows, to)
			for i := range ids {
				for _, other := range []uint64{0, unknown, target ^ 1, target | high} {
					row := to
					row.Args[i], row.Want, row.Why = other, Kill, "another ID"
					rows = append(rows, row)
				}
			}
		}
		add("CNF-22", May, 6, "configured transitions", name, rows...)
	}
}

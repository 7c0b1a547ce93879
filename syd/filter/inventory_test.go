// SPDX-License-Identifier: GPL-3.0-or-later

package filter_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"syd/syd/filter"
)

var inventory = flag.Bool("inventory", false, "compare the filters with what the threads of a running syd call (make syscalls)")

// workload is one run of syd whose threads are watched. Its program first waits
// for a line, so that nothing happens before all threads are.
type workload struct {
	name    string
	options []string
	env     []string
	script  string
	signals []syscall.Signal // to syd, once the program has printed "signal me"
}

var everything = []string{"-m", "sandbox/all:off", "-m", "sandbox/exec,chdir:on", "-m", "allow/exec,chdir+/***"}

// emulated has every call on files made by receivers, of which some are denied.
var emulated = []string{"-m", "allow/all+/***", "-m", "deny/all+/nowhere/***", "-m", "lock:off"}

// emulating says whether a workload has receivers.
func (w workload) emulating() bool { return slices.Contains(w.options, emulated[1]) }

// calls make each call on files that there is, by the program $PATHS, in $DIR.
const calls = `cd "$DIR"; rm -rf made; mkdir -m 777 made; cd made; $PATHS show "mkdir path=a mode=755" "mkdirat path=b mode=700" \
	"mknod path=p kind=fifo mode=644" "mknodat path=s kind=sock mode=644" "open path=x flags=O_CREAT|O_RDWR mode=644" "creat path=w mode=600" \
	"openat path=. flags=O_TMPFILE|O_RDWR mode=600" "openat2 path=x flags=O_RDONLY" "openat path=/nowhere/x" "openat path=a flags=O_PATH" \
	"link path=x to=y" "linkat path=x to=y2" "symlink path=x to=l" "symlinkat path=x to=l2" "linkat path=l to=l3" "rename path=y to=z" \
	"renameat path=z to=y" "renameat2 path=y to=z flags=RENAME_NOREPLACE" "chmod path=x mode=640" "fchmod fd=r:x mode=644" "fchmodat path=x mode=600" \
	"fchmodat2 path=l mode=600 flags=AT_SYMLINK_NOFOLLOW" "chown path=x uid=0 gid=0" "lchown path=l uid=0 gid=0" "fchown fd=r:x uid=0 gid=0" \
	"utime path=x" "utimes path=x" "futimesat path=x" "utimensat path=x" "utimensat path=l flags=AT_SYMLINK_NOFOLLOW" \
	"truncate path=x n=3" "ftruncate fd=rw:x n=4" "setxattr path=x name=user.x value=1" "lsetxattr path=l name=user.x value=1" \
	"fsetxattr fd=r:x name=user.y value=1" "getxattr path=x" "lgetxattr path=l" "fgetxattr fd=r:x" "listxattr path=x" "llistxattr path=l" "flistxattr fd=r:x" \
	"removexattr path=x" "lremovexattr path=l" "fremovexattr fd=r:x name=user.y" "statfs path=x" "fstatfs fd=r:x" "stat path=x" "lstat path=l" \
	"fstat fd=r:x" "statx path=x" "statx path=l flags=AT_SYMLINK_NOFOLLOW" "access path=x want=R_OK" "faccessat path=x want=W_OK" \
	"faccessat2 path=l want=F_OK flags=AT_EACCESS" "readlink path=l" "readlinkat path=l" "readlink path=/proc/self" "readlink path=/proc/self/exe" \
	"inotify_add_watch path=x mask=IN_ALL_EVENTS" "getdents64 fd=dir:." "getdents fd=dir:." "ioctl fd=r:x request=FIONREAD" \
	"stat path=nothing/there" "stat path=@wild" "chdir path=a" "open path=../x" "chdir path=.." \
	"unlink path=z" "unlinkat path=x" "rmdir path=a" "unlinkat path=b flags=AT_REMOVEDIR"; cd ..`

// blocked has more receivers block in opens of FIFOs than there are at first, and
// signals and deaths end some of those opens.
const blocked = `cd "$DIR"; mkfifo f; i=0; while [ $i -lt 40 ]; do (trap : USR1; cat f) & all="$all $!"; i=$((i+1)); done 2>/dev/null; sleep 0.5;
	set -- $all; kill -USR1 $1 $2 $3; kill -KILL $4 $5 $6; sleep 0.3; i=0; while [ $i -lt 200 ]; do test -e f; i=$((i+1)); done;
	echo > f; kill $all; wait; rm f; exit 0`

var workloads = []workload{
	{name: "files", options: emulated, script: calls},
	{name: "files of 32 bits", options: emulated, script: `PATHS=$PATHS32; ` + calls},
	{name: "files of others", options: emulated, script: `mkdir -m 777 "$DIR/o"; cd "$DIR/o"; chmod 755 ..
		for id in 65534 60001; do "$PATHS" show "open path=first flags=O_CREAT" "setresgid gid=$id" "setresuid uid=$id" "umask mode=27" "open path=x$id flags=O_CREAT|O_RDWR mode=666" \
		"mkdir path=d$id mode=777" "unlink path=x$id" "access path=/root want=R_OK" "faccessat2 path=/root want=R_OK flags=AT_EACCESS" "symlink path=x to=l$id" "mknod path=p$id kind=fifo mode=666" \
		"chmod path=p$id mode=600" "link path=p$id to=q$id" "utimensat path=p$id" "open path=first flags=O_WRONLY"; done
		unshare -U sh -c 'echo > in; chmod 700 in; cat in; ls -la'; setpriv --groups 7,8,9 sh -c 'echo > grouped; ls'; true`},
	{name: "commands", options: append(slices.Clone(emulated), "-m", "mask+/etc/hostname", "-m", "append+/tmp/never", "-m", "warn/stat+/etc/passwd"), env: []string{"SYD_LOG=debug"},
		script: `cat /dev/syd; cat /etc/hostname; ls -l /etc/passwd; echo allow/read+/x > "$DIR/c"; exec 5<"$DIR/c"; test -e /dev/syd/load/5; test -e '/dev/syd/sandbox/read?'; test -e /dev/syd/sandbox/read:off
		test -e /dev/syd/stat; test -e /dev/syd/nonsense; : > /dev/tty; test -e /dev/syd/lock:read; cat /dev/syd; true`},
	{name: "ends of actions", options: append(slices.Clone(emulated), "-m", "kill/stat+/kill", "-m", "abort/stat+/abort", "-m", "stop/stat+/stop", "-m", "exit/read+/etc/passwd"), env: []string{"SYD_LOG=debug"},
		script: `sh -c 'test -e /kill'; sh -c 'test -e /abort'; sh -c 'test -e /stop' & sleep 0.3; kill -CONT $!; wait; cat /etc/passwd; true`},
	{name: "panic", options: append(slices.Clone(emulated), "-m", "panic/stat+/panic"), script: `test -e /panic`},
	{name: "ghost", options: emulated, script: `cd "$DIR"; mkfifo f; cat f & cat f & sleep 0.3; test -e /dev/syd/ghost; kill %1 %2; exec true`},
	{name: "blocked", options: emulated, script: blocked},
	{name: "blocked, collector", options: emulated, env: []string{"GOGC=1", "GOMAXPROCS=64"}, script: blocked},
	{name: "blocked, one at a time", options: emulated, env: []string{"GOGC=1", "GOMAXPROCS=1"}, script: blocked},
	{name: "blocked, two at a time", options: emulated, env: []string{"GOGC=1", "GOMAXPROCS=2"}, script: blocked},
	{name: "many files", options: emulated, env: []string{"GOGC=1"}, script: `i=0; while [ $i -lt 50 ]; do /bin/true; ls / >/dev/null; i=$((i+1)); done & find /usr/share/doc | head -n 2000 >/dev/null; wait; true`},
	{name: "the eldest's commands", options: append(slices.Clone(emulated), "-m", "lock:exec"), script: `test -e /dev/syd; (test -e /dev/syd); test -e /dev/syd/append+/tmp/never; cat /dev/syd; true`},
	{name: "one thread killed", options: emulated, script: `kill -KILL $$`},
	{name: "deep", options: emulated, script: `cd "$DIR"; $PATHS show "descend path=@repeat:200:d:d n=30" "open path=x flags=O_CREAT mode=644" "stat path=x" "getcwd" "stat path=../x" "getdents64 fd=dir:."; rm -rf "$DIR"/d*; true`},
	{name: "forks", options: []string{"-p", "off"}, script: `i=0; while [ $i -lt 300 ]; do /bin/true & i=$((i+1)); done; wait; exit 3`},
	{name: "collector", options: everything, env: []string{"GOGC=1", "SYD_LOG=debug"},
		script: `i=0; while [ $i -lt 600 ]; do /bin/true; cd /tmp; cd /; i=$((i+1)); done`},
	{name: "denials", options: slices.Concat(everything, []string{"-m", "deny/exec+/bin/id,/usr/bin/id", "-m", "deny/chdir+/var"}),
		script: `for i in 1 2 3 4 5; do id; (cd /var); cd /nowhere; /nowhere; ln -sf /tmp "$DIR/l"; cd "$DIR/l"; cd /proc/self/fd; cd /; done 2>/dev/null; true`},
	{name: "aimed", options: []string{"-p", "off"}, script: `renice -n 0 -g 0; renice -n 0 -u root; ionice -c 2 -n 4 -u 54321; taskset -p $$; true`},
	{name: "scripts", options: everything, script: `printf '#!/bin/sh\necho hi\n' > "$DIR/s"; chmod +x "$DIR/s"; for i in 1 2 3; do "$DIR/s"; /bin/../bin/true; done`},
	{name: "crashes", options: everything, env: []string{"SYD_LOG=debug"}, script: `for i in 1 2 3; do sh -c 'kill -SEGV $$'; done; exit 0`},
	{name: "limits", options: append([]string{"-m", "pid/max:3", "-m", "default/pid:deny"}, everything...),
		script: `(sleep 0.01 & sleep 0.01 & sleep 0.01 & wait) 2>/dev/null; exit 0`},
	{name: "signals", options: []string{"-p", "off"}, script: `trap 'n=$((n+1))' USR1 USR2 TERM; n=0; echo signal me; while [ $n -lt 3 ]; do sleep 0.01; done`,
		signals: []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGTERM}}, // not HUP, which nohup(1) has ignored: sh can't trap it then
	{name: "stops", options: []string{"-p", "off"}, script: `echo signal me; sleep 0.3; sleep 0.01`,
		signals: []syscall.Signal{syscall.SIGTSTP, syscall.SIGCONT}},
	{name: "busy task", options: everything, script: `i=0; while [ $i -lt 300 ]; do cd /tmp; cd /; i=$((i+1)); done`},
	{name: "killed", options: []string{"-p", "off"}, script: `kill -KILL $$`},
	{name: "timers", options: []string{"-p", "off"}, env: []string{"GOGC=1", "GOMAXPROCS=64"}, script: `sleep 1.3; exit 4`},
}

// traceLine is a line of strace -f -Y: TID<comm> call(
var traceLine = regexp.MustCompile(`^(\d+)<([^>]*)> +([a-z0-9_]+)\(`)

// nameLine is one of a thread that takes its name.
var nameLine = regexp.MustCompile(`^\d+<[^>]*> +prctl\(PR_SET_NAME, "([^"]*)"`)

// roleless is the name of the language runtime's own threads.
const roleless = "syd"

// watch runs a workload under strace and adds what each role calls to used. Its
// own process is in none: strace attaches to threads of syd alone.
func (w workload) watch(t *testing.T, syd string, used map[string]map[string]bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := exec.CommandContext(ctx, syd, append(slices.Clone(w.options), "--", "sh", "-c", "echo ready; read line; "+w.script)...)
	paths, err := filepath.Abs("../../fixtures/bin/amd64/path")
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(append(os.Environ(), "DIR="+dir, "PATHS="+paths, "PATHS32="+strings.Replace(paths, "amd64", "i386", 1)), w.env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // a group that can be stopped
	in, _ := cmd.StdinPipe()
	stdout, _ := cmd.StdoutPipe()
	out := bufio.NewReader(stdout)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := out.ReadString('\n'); line != "ready\n" {
		t.Fatalf("%s: %q %v", w.name, line, err)
	}
	strace := exec.CommandContext(ctx, "strace", "-f", "-Y", "-s", "16", "-o", trace, "-p", fmt.Sprint(cmd.Process.Pid))
	said, _ := strace.StderrPipe()
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(line, "attached") {
		t.Fatalf("%s: strace: %q %v", w.name, line, err)
	}
	// strace keeps the name that it finds when it attaches, and may attach in the
	// middle of the call that changes it.
	names := map[string]string{}
	comms, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/comm", cmd.Process.Pid))
	for _, comm := range comms {
		name, _ := os.ReadFile(comm)
		names[filepath.Base(filepath.Dir(comm))] = strings.TrimSpace(string(name))
	}
	io.WriteString(in, "go\n")
	if len(w.signals) > 0 {
		out.ReadString('\n')
	}
	for _, s := range w.signals {
		for s == syscall.SIGCONT && ctx.Err() == nil { // only what is stopped can be continued
			if text, _ := os.ReadFile(trace); strings.Contains(string(text), "stopped by SIGTSTP") {
				break
			}
		}
		cmd.Process.Signal(s)
	}
	go io.Copy(io.Discard, said)
	io.Copy(io.Discard, out)
	if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled() {
		t.Errorf("%s: killed by a filter: %v", w.name, err)
	}
	strace.Wait()
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		match := traceLine.FindStringSubmatch(line)
		if match == nil {
			continue
		}
		name := match[2]
		if name == roleless && names[match[1]] != "" {
			name = names[match[1]]
		}
		role, named := strings.CutPrefix(name, "syd_")
		switch {
		case match[1] == fmt.Sprint(cmd.Process.Pid):
			role = filter.Tracer.String()
		case name == roleless:
			role = filter.Process.String()
		case !named:
			t.Errorf("%s: a thread is called %q", w.name, name)
		}
		if used[role] == nil {
			used[role] = map[string]bool{}
		}
		used[role][match[3]] = true
		// One that is started later has a name from here on.
		if taken := nameLine.FindStringSubmatch(line); taken != nil {
			names[match[1]] = taken[1]
		}
	}
}

// TestInventory holds each role's filter to what its threads really call, and to
// what a row is there for all the same. It stands here since the threads of a
// program that syd is linked into have few capabilities, and so would have the syd
// that they start.
func TestInventory(t *testing.T) {
	if !*inventory {
		t.Skip("only with -inventory: make syscalls")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may attach to syd's threads: they are not dumpable")
	}
	syd, err := filepath.Abs("../../bin/syd")
	if err != nil {
		t.Fatal(err)
	}
	plain, emulating := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, w := range workloads {
		used := plain
		if w.emulating() {
			used = emulating
		}
		w.watch(t, syd, used)
	}
	// Without receivers the outer filter is narrower.
	compare(t, filter.Process, filter.Options{}, plain)
	for role, calls := range plain {
		if emulating[role] == nil {
			emulating[role] = map[string]bool{}
		}
		maps.Copy(emulating[role], calls)
	}
	for _, r := range filter.Roles() {
		compare(t, r, filter.Options{Emulate: true}, emulating)
	}
	for name := range emulating[filter.Process.String()] {
		if !filter.ByRuntime(name) && !slices.Contains(threadsOwn, name) {
			t.Errorf("a thread without a role calls %s", name)
		}
	}
}

// threadsOwn is what threads without a role call besides what the runtime does on
// any: they start others and end; one reads the poller's eventfd, one the CPU limit
// of the control group; who was started from a receiver drops its capabilities; and
// who takes a role does so.
var threadsOwn = []string{"clone", "clone3", "set_robust_list", "rseq", "sched_getaffinity", "exit", "read", "write", "pread64", "prctl", "seccomp", "capget", "capset"}

func compare(t *testing.T, r filter.Role, o filter.Options, used map[string]map[string]bool) {
	seen := maps.Clone(used[r.String()])
	if seen == nil {
		t.Errorf("%s: no such thread was seen", r)
		return
	}
	t.Logf("%s calls %s", r, strings.Join(slices.Sorted(maps.Keys(seen)), " "))
	// The outer filter is for all threads, and the language runtime may do its work
	// on any: only the tracer's list is held to what that one thread does.
	for _, calls := range used {
		for name := range calls {
			if r == filter.Process || r != filter.Tracer && filter.ByRuntime(name) {
				seen[name] = true
			}
		}
	}
	allowed, argued := map[string]bool{}, map[string]bool{}
	for _, row := range filter.Rules(r, o) {
		if row.Effect != filter.Allow {
			continue
		}
		allowed[row.Syscall] = true
		argued[row.Syscall] = argued[row.Syscall] || row.Argued
	}
	var unexplained, needless []string
	for name := range allowed {
		switch {
		case !seen[name] && !argued[name]:
			unexplained = append(unexplained, name)
		case used[r.String()][name] && argued[name]:
			needless = append(needless, name)
		}
	}
	for name := range seen {
		if !allowed[name] && name != "seccomp" && name != "clone3" { // made before the filter is there; an error
			t.Errorf("%s calls %s, which its filter kills", r, name)
		}
	}
	slices.Sort(unexplained)
	slices.Sort(needless)
	t.Logf("%s is argued to call, and does: %s", r, strings.Join(needless, " "))
	if len(unexplained) > 0 {
		t.Errorf("%s never calls what its filter allows: %s", r, strings.Join(unexplained, " "))
	}
}

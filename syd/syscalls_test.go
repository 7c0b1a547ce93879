// SPDX-License-Identifier: GPL-3.0-or-later

package syd

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

var workloads = []workload{
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
	{name: "signals", options: []string{"-p", "off"}, script: `trap 'n=$((n+1))' USR1 USR2 HUP; n=0; echo signal me; while [ $n -lt 3 ]; do sleep 0.01; done`,
		signals: []syscall.Signal{syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGHUP}},
	{name: "stops", options: []string{"-p", "off"}, script: `echo signal me; sleep 0.3; sleep 0.01`,
		signals: []syscall.Signal{syscall.SIGTSTP, syscall.SIGCONT}},
	{name: "busy task", options: everything, script: `i=0; while [ $i -lt 300 ]; do cd /tmp; cd /; i=$((i+1)); done`},
	{name: "killed", options: []string{"-p", "off"}, script: `kill -KILL $$`},
	{name: "timers", options: []string{"-p", "off"}, env: []string{"GOGC=1", "GOMAXPROCS=64"}, script: `sleep 1.3; exit 4`},
}

// traceLine is a line of strace -f -Y: TID<comm> call(
var traceLine = regexp.MustCompile(`^(\d+)<(syd[a-z_]*)> +([a-z0-9_]+)\(`)

// watch runs a workload under strace and adds what each role calls to used. Its
// own process is in none: strace attaches to threads of syd alone.
func (w workload) watch(t *testing.T, syd string, used map[string]map[string]bool) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	cmd := exec.CommandContext(ctx, syd, append(slices.Clone(w.options), "--", "sh", "-c", "echo ready; read line; "+w.script)...)
	cmd.Env = append(append(os.Environ(), "DIR="+dir), w.env...)
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
	strace := exec.CommandContext(ctx, "strace", "-f", "-Y", "-s", "0", "-o", trace, "-p", fmt.Sprint(cmd.Process.Pid))
	said, _ := strace.StderrPipe()
	if err := strace.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); err != nil || !strings.Contains(line, "attached") {
		t.Fatalf("%s: strace: %q %v", w.name, line, err)
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
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() == 159 {
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
		role, named := strings.CutPrefix(match[2], "syd_")
		switch {
		case match[1] == fmt.Sprint(cmd.Process.Pid):
			role = filter.Tracer.String()
		case !named:
			role = filter.Process.String()
		}
		if used[role] == nil {
			used[role] = map[string]bool{}
		}
		used[role][match[3]] = true
	}
}

// TestInventory holds each role's filter to what its threads really call, and to
// what a row is there for all the same.
func TestInventory(t *testing.T) {
	if !*inventory {
		t.Skip("only with -inventory: make syscalls")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may attach to syd's threads: they are not dumpable")
	}
	syd, err := filepath.Abs("../bin/syd")
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]map[string]bool{}
	for _, w := range workloads {
		w.watch(t, syd, used)
	}
	for _, r := range filter.Roles() {
		compare(t, r, used)
	}
}

func compare(t *testing.T, r filter.Role, used map[string]map[string]bool) {
	seen := maps.Clone(used[r.String()])
	if seen == nil {
		t.Errorf("%s: no such thread was seen", r)
		return
	}
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
	for _, row := range filter.Rules(r, filter.Options{}) {
		if row.Effect != filter.Allow {
			continue
		}
		allowed[row.Syscall] = true
		argued[row.Syscall] = argued[row.Syscall] || row.Argued
	}
	var unexplained []string
	for name := range allowed {
		if !seen[name] && !argued[name] {
			unexplained = append(unexplained, name)
		}
	}
	for name := range seen {
		if !allowed[name] && name != "seccomp" && name != "clone3" { // made before the filter is there; an error
			t.Errorf("%s calls %s, which its filter kills", r, name)
		}
	}
	slices.Sort(unexplained)
	t.Logf("%s calls %s", r, strings.Join(slices.Sorted(maps.Keys(seen)), " "))
	if len(unexplained) > 0 {
		t.Errorf("%s never calls what its filter allows: %s", r, strings.Join(unexplained, " "))
	}
}

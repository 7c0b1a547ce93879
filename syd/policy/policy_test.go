// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// commands makes one command of each line.
func commands(lines ...string) []Command {
	list := make([]Command, len(lines))
	for i, text := range lines {
		list[i] = Command{Where: "-m", Text: text}
	}
	return list
}

func parse(t testing.TB, lines ...string) *Policy {
	t.Helper()
	p, err := Parse(commands(lines...), nil)
	if err != nil {
		t.Fatalf("Parse(%q): %v", lines, err)
	}
	return p
}

func TestNothingSaidIsClosed(t *testing.T) {
	p := parse(t)
	for c := Walk; c < NumCategories; c++ {
		want := Deny
		if c == PID {
			want = Kill
		}
		if !p.Enabled(c) || !p.Judges(c) {
			t.Errorf("%v is off", c)
		}
		if got := p.Decide(Request{Category: c, Path: "/bin/sh"}); got != want {
			t.Errorf("%v: got %v, want %v", c, got, want)
		}
	}
	if p.PIDMax != 0 || p.ExitWaitAll || p.AllowUnsafeEnv {
		t.Errorf("settings are not at rest: %+v", p)
	}
	if want := (SegvGuard{120 * time.Second, 600 * time.Second, 5}); p.SegvGuard != want {
		t.Errorf("SegvGuard: got %+v, want %+v", p.SegvGuard, want)
	}
}

func TestDecide(t *testing.T) {
	const path = "/usr/bin/id"
	for _, row := range []struct {
		name  string
		lines []string
		want  Action
	}{
		{"a rule that matches", []string{"allow/exec+/usr/bin/id"}, Allow},
		{"a rule of another path", []string{"allow/exec+/usr/bin/di"}, Deny},
		{"a rule of another category", []string{"allow/chdir+/***"}, Deny},
		{"a list of categories", []string{"allow/chdir,exec+/***"}, Allow},
		{"the same category twice", []string{"allow/exec,exec+/***", "allow/exec-/***"}, Allow},
		{"last match wins: deny", []string{"allow/exec+/***", "deny/exec+/usr/bin/*"}, Deny},
		{"last match wins: allow", []string{"deny/exec+/usr/bin/*", "allow/exec+/***"}, Allow},
		{"a later rule that doesn't match", []string{"allow/exec+/***", "kill/exec+/bin/*"}, Allow},
		{"default", []string{"default/exec:warn"}, Warn},
		{"default of a list", []string{"default/chdir,exec:stop"}, Stop},
		{"default doesn't beat a rule", []string{"kill/exec+/usr/***", "default/exec:allow"}, Kill},
		{"the last default counts", []string{"default/exec:allow", "default/exec:abort"}, Abort},
		{"off allows", []string{"deny/exec+/***", "sandbox/exec:off"}, Allow},
		{"off and on again", []string{"sandbox/exec:off", "sandbox/exec:on"}, Deny},
		{"minus removes", []string{"allow/exec+/***", "allow/exec-/***"}, Deny},
		{"minus removes the newest", []string{
			"allow/exec+/usr/***", "deny/exec+/***", "allow/exec+/usr/***", "allow/exec-/usr/***"}, Deny},
		{"minus removes one", []string{"allow/exec+/***", "allow/exec+/***", "allow/exec-/***"}, Allow},
		{"minus wants the same action", []string{"allow/exec+/***", "warn/exec-/***"}, Allow},
		{"minus wants the same text", []string{"allow/exec+/***", "allow/exec-/**"}, Allow},
		{"minus of nothing", []string{"allow/exec-/***"}, Deny},
		{"minus in a list of categories", []string{"allow/exec,chdir+/***", "allow/exec-/***"}, Deny},
		{"caret removes all", []string{"allow/exec+/***", "allow/exec+/***", "allow/exec^/***"}, Deny},
		{"caret leaves others", []string{"warn/exec+/***", "allow/exec+/***", "allow/exec^/***"}, Warn},
		{"caret keeps the order", []string{
			"warn/exec+/***", "kill/exec+/***", "allow/exec+/***", "allow/exec^/***"}, Kill},
		{"caret of nothing", []string{"allow/exec^/***"}, Deny},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := parse(t, row.lines...).Decide(Request{Category: Exec, Path: path}); got != row.want {
				t.Errorf("%q: got %v, want %v", row.lines, got, row.want)
			}
		})
	}
}

func TestActions(t *testing.T) {
	names := []string{"allow", "warn", "filter", "deny", "panic", "stop", "abort", "kill", "exit"}
	for i, name := range names {
		action := Action(i + 1)
		if action.String() != name {
			t.Errorf("action %d: got %q, want %q", action, action, name)
		}
		if got := parse(t, name+"/exec+/x").Decide(Request{Category: Exec, Path: "/x"}); got != action {
			t.Errorf("%s rule: got %v", name, got)
		}
		if got := parse(t, "default/pid:"+name).Decide(Request{Category: PID}); got != action {
			t.Errorf("default %s: got %v", name, got)
		}
		if want := name == "allow" || name == "warn"; action.Allows() != want {
			t.Errorf("%s: Allows is %v", name, action.Allows())
		}
	}
	if int(numActions) != len(names)+1 {
		t.Errorf("%d actions, the table has %d", numActions-1, len(names))
	}
}

func TestCategories(t *testing.T) {
	const all = "walk list stat read write exec ioctl create delete rename symlink truncate chdir readdir mkdir rmdir " +
		"chown chgrp chmod chattr chroot utime mkbdev mkcdev mkfifo mktemp"
	var got []string
	for c := Walk; c < PID; c++ {
		got = append(got, c.String())
		p := parse(t, "allow/"+c.String()+"+/a")
		for other := Walk; other < NumCategories; other++ {
			if a := p.Decide(Request{Category: other, Path: "/a"}); (a == Allow) != (other == c) {
				t.Errorf("allow/%v: %v of it is %v", c, other, a)
			}
		}
	}
	if strings.Join(got, " ") != all || PID.String() != "pid" || NumCategories != PID+1 {
		t.Errorf("got %q", got)
	}
	p := parse(t, "sandbox/all:off", "allow/all+/a")
	for c := Walk; c < NumCategories; c++ {
		if p.Enabled(c) != (c == PID) {
			t.Errorf("all: %v is on: %v", c, p.Enabled(c))
		}
	}
}

func TestJudges(t *testing.T) {
	for _, row := range []struct {
		lines []string
		want  bool
	}{
		{nil, true},
		{[]string{"sandbox/read:off"}, false},
		{[]string{"allow/all+/***"}, false},
		{[]string{"allow/all+/**"}, false},
		{[]string{"deny/read+/a", "allow/all+/***"}, false},
		{[]string{"allow/all+/***", "deny/read+/a"}, true},
		{[]string{"allow/all+/***", "deny/write+/a"}, false},
		{[]string{"allow/all+/***", "warn/read+/a"}, true},
		{[]string{"warn/all+/***"}, true},
		{[]string{"allow/all+/*"}, true},
		{[]string{"default/all:allow"}, false},
		{[]string{"default/all:warn"}, true},
		{[]string{"default/all:allow", "allow/read+/a"}, false},
		{[]string{"default/all:allow", "filter/read+/a"}, true},
		{[]string{"mask+/a", "append+/a", "default/all:allow"}, false},
	} {
		if got := parse(t, row.lines...).Judges(Read); got != row.want {
			t.Errorf("%q: got %v", row.lines, got)
		}
	}
	p := parse(t, "allow/all+/***", "default/pid:allow")
	if !p.Judges(Exec) || !p.Judges(Chdir) || p.Judges(PID) || parse(t, "sandbox/exec:off").Judges(Exec) {
		t.Error("files without a path may be executed and entered too")
	}
}

func TestMasksAndAppends(t *testing.T) {
	p := parse(t)
	if p.HasMasks() || p.HasAppends() || p.Masked("/a") || p.AppendOnly("/a") {
		t.Error("something is masked, or append-only")
	}
	p = parse(t, "mask+/a", "mask+/b/***", "append+/c*", "mask+/d", "mask+/d", "mask-/d", "append+/e", "append^/e", "allow/all+/***")
	for path, want := range map[string]string{"/a": "mask", "/b/x": "mask", "/c1": "append", "/d": "mask", "/e": "", "/f": ""} {
		got := ""
		if p.Masked(path) {
			got += "mask"
		}
		if p.AppendOnly(path) {
			got += "append"
		}
		if got != want {
			t.Errorf("%s: got %q", path, got)
		}
	}
	if !p.HasMasks() || !p.HasAppends() || parse(t, "mask+/a", "mask-/a").HasMasks() {
		t.Error("whether there are masks")
	}
}

func TestLock(t *testing.T) {
	if got := parse(t).Lock(); got != LockUnset {
		t.Errorf("got %v", got)
	}
	for l := LockOff; l <= LockOn; l++ {
		p := parse(t, "lock:on", "lock:"+l.String())
		if p.Lock() != l || !strings.Contains(p.Text(), "\nlock:"+l.String()+"\n") || parse(t).WithLock(l).Lock() != l {
			t.Errorf("%v: got %v", l, p.Lock())
		}
	}
	if got := fmt.Sprint(LockUnset, LockOff, LockExec, LockIPC, LockDrop, LockRead, LockOn); got != "unset off exec ipc drop read on" {
		t.Errorf("got %s", got)
	}
}

func TestUnnamedIsNeverAllowed(t *testing.T) {
	for _, row := range []struct {
		lines []string
		want  Action
	}{
		{[]string{"allow/exec+/***"}, Deny},
		{[]string{"default/exec:allow"}, Deny},
		{[]string{"default/exec:warn"}, Deny},
		{[]string{"default/exec:filter"}, Filter},
		{[]string{"default/exec:kill", "allow/exec+/***"}, Kill},
		{[]string{"sandbox/exec:off"}, Allow},
	} {
		r := Request{Category: Exec, Path: "/tmp/gone (deleted)", Unnamed: true}
		if got := parse(t, row.lines...).Decide(r); got != row.want {
			t.Errorf("%q: got %v, want %v", row.lines, got, row.want)
		}
	}
}

func TestObserving(t *testing.T) {
	p := parse(t, "deny/exec+/***", "filter/exec+/f", "allow/exec+/a", "warn/exec+/w", "exit/exec+/e")
	o := p.Observing()
	for path, want := range map[string]Action{"/d": Warn, "/f": Warn, "/a": Allow, "/w": Warn, "/e": Warn} {
		if got := o.Decide(Request{Category: Exec, Path: path}); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	for _, r := range []Request{{Category: Chdir, Path: "/"}, {Category: PID}, {Category: Exec, Path: "/d", Unnamed: true}} {
		if got := o.Decide(r); got != Warn {
			t.Errorf("%+v: got %v, want warn", r, got)
		}
	}
	for path, want := range map[string]Action{"/d": Deny, "/f": Filter, "/e": Exit} {
		if got := p.Decide(Request{Category: Exec, Path: path}); got != want {
			t.Errorf("the policy itself changed: %s: got %v, want %v", path, got, want)
		}
	}
	if got := p.Decide(Request{Category: PID}); got != Kill {
		t.Errorf("the policy itself changed: pid: got %v", got)
	}
}

func TestSettings(t *testing.T) {
	p := parse(t, "pid/max:7", "segvguard/expiry:3", "segvguard/suspension:4", "segvguard/maxcrashes:5")
	if p.PIDMax != 7 || p.SegvGuard != (SegvGuard{3 * time.Second, 4 * time.Second, 5}) {
		t.Errorf("got %+v", p)
	}
	if p := parse(t, "pid/max:2147483647", "segvguard/expiry:2147483647", "pid/max:0"); p.PIDMax != 0 ||
		p.SegvGuard.Expiry != 2147483647*time.Second {
		t.Errorf("got %+v", p)
	}
	for text, want := range map[string]bool{
		"on": true, "1": true, "true": true, "t": true, "off": false, "0": false, "false": false, "f": false,
	} {
		// Both values first, so that a command which does nothing shows.
		for _, before := range []string{"on", "off"} {
			p := parse(t, "trace/exit_wait_all:"+before, "trace/exit_wait_all:"+text,
				"trace/allow_unsafe_env:"+before, "trace/allow_unsafe_env:"+text,
				"sandbox/chdir:"+before, "sandbox/chdir:"+text)
			if p.ExitWaitAll != want || p.AllowUnsafeEnv != want || p.Enabled(Chdir) != want {
				t.Errorf("%s after %s: got %v %v %v", text, before, p.ExitWaitAll, p.AllowUnsafeEnv, p.Enabled(Chdir))
			}
		}
	}
}

func nested(depth int) string { return strings.Repeat("{a,b", depth) + strings.Repeat("}", depth) }

func TestSupervisor(t *testing.T) {
	for _, row := range []struct {
		lines []string
		want  Supervisor
	}{
		{nil, Supervisor{}},
		{[]string{"trace/allow_unsafe_nocookie:1", "trace/allow_unsafe_nomseal:on"}, Supervisor{AllowNoCookie: true, AllowNoMseal: true}},
		{[]string{"trace/allow_unsafe_nocookie:1", "trace/allow_unsafe_nocookie:0"}, Supervisor{}},
		{[]string{"trace/allow_unsafe_exec_speculative:t", "trace/allow_safe_kcapi:true"}, Supervisor{AllowSpeculation: true, AllowKcapi: true}},
		{[]string{"trace/allow_safe_setuid:1", "setuid+0:65534", "setuid+5:4294967294"},
			Supervisor{AllowSetuid: true, Setuid: []Transition{{0, 65534}, {5, 4294967294}}}},
		{[]string{"setgid+1:2", "setgid+3:4", "setgid-1:2", "setgid-3:5"}, Supervisor{Setgid: []Transition{{3, 4}}}},
		{[]string{"setgid+1:2", "setgid+3:4", "setgid^3", "setgid^9"}, Supervisor{Setgid: []Transition{{1, 2}}}},
	} {
		p, err := Parse(commands(row.lines...), nil)
		if err != nil {
			t.Errorf("%q: %v", row.lines, err)
			continue
		}
		got, want := fmt.Sprintf("%+v", p.Supervisor), fmt.Sprintf("%+v", row.want)
		if got != want {
			t.Errorf("%q: got %s, want %s", row.lines, got, want)
		}
	}
	for _, text := range []string{
		"setuid", "setuid+", "setuid+0", "setuid+0:", "setuid+:1", "setuid+a:b", "setuid+0:4294967295", "setuid+0:4294967296",
		"setuid+-1:0", "setuid+0:1:2", "setuid:0:1", "setuid^0:1", "setuid^", "setuid+0:1 ", "trace/allow_safe_setuid:maybe", "trace/allow_safe_setuid+1:2",
	} {
		if _, err := Parse(commands(text), nil); err == nil {
			t.Errorf("%q: accepted", text)
		}
	}
	if _, err := Parse(commands("setuid+0:1", "setuid+0:2"), nil); err == nil {
		t.Error("a second transition of one source: accepted")
	}
}

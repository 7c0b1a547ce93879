// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// files is a reader of files that are there; each is known by its own name.
type files map[string]string

func (f files) read(name string) (Source, error) {
	text, ok := f[name]
	if !ok {
		return Source{}, syscall.ENOENT
	}
	return Source{text, name}, nil
}

// load reads the file named first.
func (f files) load(first string) (*Policy, error) {
	return Parse([]Command{{"-P", first, File}}, f.read)
}

// What is wrong with one command, and the column that says so.
func TestMistakes(t *testing.T) {
	const (
		number   = "a whole number from 0 to 2147483647"
		category = "a category of this version: walk, list, stat, read, write, exec, ioctl, create, delete, rename, symlink, truncate, chdir, " +
			"readdir, mkdir, rmdir, chown, chgrp, chmod, chattr, chroot, utime, mkbdev, mkcdev, mkfifo, mktemp, pid, all"
		action    = "an action: allow, warn, filter, deny, panic, stop, abort, kill, exit"
		boolean   = "on or off"
		operation = "`+`, `-` or `^` and a pattern"
		listKey   = "an action (allow, deny ...), a slash and a category before "
		lock      = "a state of the lock: off, exec, ipc, drop, read, on"
		query     = "a command that changes something: a query can be asked of a running sandbox only"
	)
	for _, row := range []struct {
		text     string
		column   int
		expected string
	}{
		{"lock", 1, anyCommand},
		{"  lock", 3, anyCommand},
		{"reset x", 1, anyCommand},
		{"reset:on", 1, knownKey},
		{"pid/max 1", 1, anyCommand},
		{":", 1, knownKey},
		{"lock:", 6, lock},
		{"lock:unset", 6, lock},
		{"lock:ON", 6, lock},
		{"lock+on", 1, listKey + "`+`"},
		{"mask:/a", 5, operation},
		{"mask/read+/a", 1, listKey + "`+`"},
		{"mask", 1, anyCommand},
		{"append+a", 8, "an absolute path pattern"},
		{"sandbox/exec?", 14, query},
		{"cmd/exec!/bin/sh", 1, knownKey},
		{"allow:exec", 1, knownKey},
		{"PID/max:1", 1, knownKey},
		{"pid/max:", 9, number},
		{"pid/max:-1", 9, number},
		{"pid/max:+1", 9, number},
		{"pid/max:2147483648", 9, number},
		{"pid/max: 1", 9, number},
		{"pid/max:0x1", 9, number},
		{"pid/max:1K", 9, number},
		{"segvguard/expiry:1s", 18, number},
		{"segvguard/suspension:x", 22, number},
		{"segvguard/maxcrashes:1.5", 22, number},
		{"trace/exit_wait_all:yes", 21, boolean},
		{"trace/allow_unsafe_env:ON", 24, boolean},
		{"sandbox/exec:", 14, boolean},
		{"sandbox/net:on", 9, category},
		{"sandbox/exec,net:on", 14, category},
		{"sandbox/:on", 9, category},
		{"sandbox:on", 8, category},
		{"sandbox/exec,,chdir:on", 14, category},
		{"default/net:deny", 9, category},
		{"default/exec:", 14, action},
		{"default/exec:permit", 14, action},
		{"allow/exec:/bin/sh", 11, operation},
		{"allow/net+/***", 7, category},
		{"allow/exec,+/***", 12, category},
		{"allow/exec ,chdir+/***", 1, anyCommand},
		{"allow/pid+/***", 7, "a category of paths"},
		{"allow/exec,pid-/***", 12, "a category of paths"},
		{"allow/exec+", 12, "an absolute path pattern"},
		{"allow/exec+bin", 12, "an absolute path pattern"},
		{"allow/exec-bin", 12, "an absolute path pattern"},
		{"allow/exec^*", 12, "an absolute path pattern"},
		{"allow/exec+/é\xff", 14, "UTF-8"},
		{"allow/exec+/\x00", 13, "no control character (`?` in a pattern stands for any)"},
		{"pid/max:1\r", 10, "no control character (`?` in a pattern stands for any)"},
		{"pid/max\t:1", 8, "no control character (`?` in a pattern stands for any)"},
		{"pid/max:1 ", 10, "no blank at the end (`\\ ` in a pattern is part of the name)"},
		{`allow/exec+/a\\ `, 16, "no blank at the end (`\\ ` in a pattern is part of the name)"},
		{"allow/exec+/a # b", 15, "no comment behind a command (` \\#` in a pattern is no comment)"},
		{`allow/exec+/a\\ # b`, 17, "no comment behind a command (` \\#` in a pattern is no comment)"},
		{"\ufeffpid/max:1", 1, knownKey},
		{"allow/exec+/é[a", 15, "a `]` for the `[`"},
		{"allow/exec+/[]", 14, "a `]` for the `[`"},
		{"allow/exec+/[!]", 14, "a `]` for the `[`"},
		{`allow/exec+/[a\]`, 14, "a `]` for the `[`"},
		{"allow/exec+/[z-a]", 14, "a range that goes up in `[...]`"},
		{"allow/exec+/[a/]", 14, "no `/` in `[...]`"},
		{"allow/exec+/[+-9]", 14, "no `/` in `[...]`"},
		{"allow/exec+/{a,b", 17, "a `}` for the `{`"},
		{"allow/exec+/{a,{b}", 19, "a `}` for the `{`"},
		{`allow/exec+/a\`, 15, "a character after the backslash"},
		{"permit/exec+/***", 1, listKey + "`+`"},
		{"allow+/***", 1, listKey + "`+`"},
		{"sandbox/exec-on", 1, listKey + "`-`"},
		{"pid/max^1", 1, listKey + "`^`"},
		{"allow/exec+/" + nested(2000), 12 + 1 + 4*maxBraces + 1, "fewer braces inside each other"},
		{"allow/exec+/" + strings.Repeat("a", maxLine), maxLine + 1, "the end of a command, which has at most 16384 bytes"},
		{"allow/exec+/" + strings.Repeat("a", maxPattern), 12, "a shorter path pattern"},
		{"setuid+1", 8, idPair},
		{"setuid^1:2", 8, "SRC, a numeric ID"},
	} {
		f := files{"dir/x.syd-3": "# a comment\n\n" + row.text + "\npid/max:1"}
		_, err := f.load("dir/x.syd-3")
		want := fmt.Sprintf("dir/x.syd-3:3:%d: %s: expected %s", row.column, quote(strings.TrimLeft(row.text, " ")), row.expected)
		if err == nil || err.Error() != want {
			t.Errorf("%.60q: got %.300v, want %.300s", row.text, err, want)
		}
	}
	// An option's value is a command, one.
	for text, want := range map[string]string{
		"":         `-m:1:1: "": expected ` + anyCommand,
		"# remark": `-m:1:1: "# remark": expected ` + anyCommand,
		"reset\n":  `-m:1:6: "reset\n": expected no control character (` + "`?` in a pattern stands for any)",
	} {
		if _, err := Parse(commands(text), nil); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestQuote(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"a\n", `"a\n"`},
		{strings.Repeat("a", 200), `"` + strings.Repeat("a", 200) + `"`},
		{strings.Repeat("a", 201), `"` + strings.Repeat("a", 200) + `"...`},
		{strings.Repeat("a", 199) + "éa", `"` + strings.Repeat("a", 199) + `"...`},
	} {
		if got := quote(row.text); got != row.want {
			t.Errorf("%q: got %s", row.text, got)
		}
	}
	if got := position("a\nb", 1, 2); got != `"a\nb":1:2` {
		t.Errorf("got %s", got)
	}
}

func TestAllErrors(t *testing.T) {
	f := files{
		"a.syd-3": "x\npid/max:1\ny\ninclude b.syd-3\nz\n", "b.syd-3": "\nw\ninclude c.syd-3\n",
	}
	_, err := Parse([]Command{
		{"-m", "v", Line}, {"-P", "a.syd-3", File}, {"-p", "u", Profile}, {"-P", "d.syd-3", File}, {"-m", "t", Line},
	}, f.read)
	var places []string
	for _, e := range err.(Errors) {
		places = append(places, e.Where+" "+e.Text)
	}
	want := "-m:1:1 v, a.syd-3:1:1 x, a.syd-3:3:1 y, b.syd-3:2:1 w, b.syd-3:3:9 c.syd-3, a.syd-3:5:1 z, -p u, -P d.syd-3, -m:1:1 t"
	if got := strings.Join(places, ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if !errors.Is(err.(Errors)[4], syscall.ENOENT) || len(strings.Split(err.Error(), "\n")) != len(places) {
		t.Errorf("got %v", err)
	}
	f["a.syd-3"] = strings.Repeat("x\n", 5000)
	_, err = f.load("a.syd-3")
	if got := err.(Errors); len(got) != maxErrors+1 || got[maxErrors].Reason.Error() != "too many errors: what follows was not read" {
		t.Errorf("%d errors, the last %v", len(got), got[len(got)-1])
	}
}

func TestIncludes(t *testing.T) {
	f := files{
		"a.syd-3": "pid/max:1\ninclude d/b.syd-3\n  include_profile quiet", "d/b.syd-3": "pid/max:2\ninclude   c.syd-3\ninclude /e.syd-3",
		"d/c.syd-3": "segvguard/expiry:3\r\n", "/e.syd-3": "segvguard/maxcrashes:4",
	}
	if _, err := f.load("a.syd-3"); err == nil || !strings.HasPrefix(err.Error(), "d/c.syd-3:1:19: ") {
		t.Errorf("got %v", err)
	}
	f["d/c.syd-3"] = "segvguard/expiry:3"
	p, err := f.load("a.syd-3")
	if err != nil {
		t.Fatal(err)
	}
	if p.PIDMax != 2 || p.SegvGuard.Expiry != 3*time.Second || p.SegvGuard.MaxCrashes != 4 || p.defaults[Exec] != Filter {
		t.Errorf("got %s", p.Text())
	}
	p, err = Parse(commands("include d/b.syd-3", "pid/max:5"), f.read)
	if err != nil || p.PIDMax != 5 || p.SegvGuard.MaxCrashes != 4 {
		t.Errorf("got %v", err)
	}
	for name, row := range map[string]struct {
		files files
		want  string
	}{
		"itself":      {files{"a.syd-3": "include a.syd-3"}, `a.syd-3:1:9: "a.syd-3": expected a file that does not include itself`},
		"a cycle":     {files{"a.syd-3": "include b.syd-3", "b.syd-3": "\ninclude a.syd-3"}, `b.syd-3:2:9: "a.syd-3": expected a file that does not include itself`},
		"no name":     {files{"a.syd-3": "include"}, `a.syd-3:1:1: "include": expected ` + anyCommand},
		"other names": {files{"a.syd-3": "include b.conf"}, `a.syd-3:1:9: "b.conf": expected a name that ends in .syd-3`},
		"missing":     {files{"a.syd-3": "include é/b.syd-3"}, `a.syd-3:1:9: "é/b.syd-3": no such file or directory`},
		"no profile":  {files{"a.syd-3": "include_profile x"}, `a.syd-3:1:17: "x": unknown profile: expected container, lib, linux, nomem, nopie, off, quiet, readonly, trace, tty, user`},
	} {
		if _, err := row.files.load("a.syd-3"); err == nil || err.Error() != row.want {
			t.Errorf("%s: got %v, want %s", name, err, row.want)
		}
	}
	// The same file twice is no cycle, and a cycle is one under any name.
	twice := files{"a.syd-3": "include b.syd-3\ninclude b.syd-3", "b.syd-3": "allow/exec+/a"}
	if p, err := twice.load("a.syd-3"); err != nil || len(p.rules.list) != 2 {
		t.Errorf("got %v", err)
	}
	_, err = Parse([]Command{{"-P", "a.syd-3", File}}, func(name string) (Source, error) {
		return Source{"include x/" + name, "one"}, nil
	})
	if err == nil || len(err.(Errors)) != 1 || !strings.Contains(err.Error(), "does not include itself") {
		t.Errorf("got %v", err)
	}
}

func TestBounds(t *testing.T) {
	chain := files{}
	for i := range 16 {
		chain[fmt.Sprintf("%d.syd-3", i)] = fmt.Sprintf("include %d.syd-3", i+1)
	}
	chain["16.syd-3"] = "pid/max:1"
	if p, err := chain.load("1.syd-3"); err != nil || p.PIDMax != 1 {
		t.Errorf("16 files: %v", err)
	}
	if _, err := chain.load("0.syd-3"); err == nil || err.Error() != `15.syd-3:1:9: "16.syd-3": expected at most 16 files inside each other` {
		t.Errorf("17 files: %v", err)
	}
	// Each level doubles what is read; the last is long.
	wide := files{"15.syd-3": strings.Repeat("#", 4000)}
	for i := range 15 {
		wide[fmt.Sprintf("%d.syd-3", i)] = strings.Repeat(fmt.Sprintf("include %d.syd-3\n", i+1), 2)
	}
	_, err := wide.load("0.syd-3")
	if err == nil || !strings.Contains(err.Error(), "expected at most 2 MiB of configuration") {
		t.Errorf("wide: %.200v", err)
	}
}

func TestReset(t *testing.T) {
	p := parse(t, "allow/all+/***", "pid/max:7", "setuid+1:2", "trace/exit_wait_all:on", "reset")
	if p.Text() != parse(t).Text() {
		t.Errorf("got %s", p.Text())
	}
	p = parse(t, "allow/all+/***", "reset", "warn/all+/a")
	if got := p.Decide(Request{Category: Exec, Path: "/b"}); got != Deny {
		t.Errorf("got %v", got)
	}
}

func TestText(t *testing.T) {
	want := ""
	for c := range everything.each {
		want += fmt.Sprintf("sandbox/%v:%s\n", c, boolText(c != Chdir && c != Mktemp))
	}
	for c := range everything.each {
		want += fmt.Sprintf("default/%v:%s\n", c, map[Category]string{Exec: "warn", PID: "stop", Mkbdev: "filter"}[c])
	}
	want = strings.ReplaceAll(want, ":\n", ":deny\n") + `deny/exec+/{b,c}/***
allow/exec+/a\ 
mask+/etc/shadow
allow/walk,stat,chdir+/***
append+/var/log/*
allow/all+/tmp/***
lock:exec
pid/max:7
segvguard/expiry:1
segvguard/suspension:2
segvguard/maxcrashes:3
config/expand:4
trace/exit_wait_all:on
trace/allow_unsafe_env:on
trace/allow_unsafe_exec_speculative:on
trace/allow_unsafe_nocookie:off
trace/allow_unsafe_nomseal:on
trace/allow_safe_kcapi:off
trace/allow_safe_setuid:on
trace/allow_safe_setgid:off
setuid+0:1
setuid+2:3
setgid+4:5
`
	p, err := files{"x.syd-3": want}.load("x.syd-3")
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Text(); got != want {
		t.Errorf("got %s", got)
	}
	reprint(t, p, `/a `)
}

// The worst files that are read: a quarter of maxText.
func TestWorstConfigurations(t *testing.T) {
	fill := func(line func(i int) string) string {
		var b strings.Builder
		for i := 0; b.Len() < maxText/4; i++ {
			b.WriteString(line(i))
		}
		return b.String()
	}
	long := "allow/exec+/" + strings.Repeat("?", maxPattern-1) + "\n"
	choices := "allow/exec+/" + strings.Repeat("{a,b}", maxPattern/5-1) + "\n"
	for name, text := range map[string]string{
		"wildcards":    fill(func(int) string { return long }),
		"alternatives": fill(func(int) string { return choices }),
		"short globs":  fill(func(int) string { return "allow/all+/*\n" }),
		"adding and removing": fill(func(i int) string {
			if i < 20000 {
				return "allow/all+/a\n"
			}
			return "allow/all-/a\n"
		}),
		"other patterns": fill(func(i int) string { return fmt.Sprintf("allow/all+/%d\ndeny/all^/%d\n", i, i-1) }),
		"transitions":    fill(func(i int) string { return fmt.Sprintf("setuid+%d:0\nsetuid^%d\n", i, i-200) }),
		"errors":         fill(func(int) string { return "x\n" }),
		"includes":       fill(func(int) string { return "include_profile off\n" }),
		"resets":         fill(func(int) string { return "reset\n" }),
		"one line":       fill(func(int) string { return "x" }),
	} {
		t.Run(name, func(t *testing.T) {
			took := cost(t, func() { files{"x.syd-3": text}.load("x.syd-3") })
			t.Logf("took %v", took)
			if took > bound {
				t.Error("that is too long")
			}
		})
	}
}

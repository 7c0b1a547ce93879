// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"strings"
	"testing"
)

func useProfiles(t testing.TB, from Sources, names ...string) *Policy {
	t.Helper()
	var list []Command
	for _, name := range names {
		list = append(list, Command{"-p", name, Profile})
	}
	p, err := ParseIn(list, from)
	if err != nil {
		t.Fatalf("%q: %v", names, err)
	}
	return p
}

func TestProfiles(t *testing.T) {
	if got := strings.Join(Profiles(), " "); got != "container lib linux nomem nopie off quiet readonly trace tty user" {
		t.Errorf("got %s", got)
	}
	use := func(name string) *Policy {
		return useProfiles(t, testSources, name)
	}
	for _, name := range Profiles() {
		use(name)
	}
	p := use("off")
	if p.Enabled(Exec) || p.Enabled(Chdir) || p.Enabled(PID) || p.SegvGuard.Expiry != 0 || !p.AllowUnsafeEnv {
		t.Errorf("off: got %+v", p)
	}
	p = use("lib")
	if p.Enabled(Exec) || p.Enabled(Chdir) || p.Enabled(PID) || p.SegvGuard.Expiry == 0 || p.AllowUnsafeEnv {
		t.Errorf("lib: got %+v", p)
	}
	p = use("quiet")
	for c, want := range map[Category]Action{Exec: Filter, Chdir: Filter, PID: Kill} {
		if got := p.Decide(Request{Category: c, Path: "/"}); got != want {
			t.Errorf("quiet: %v: got %v", c, got)
		}
	}
	for _, name := range []string{"", "no-such", "Off", "off ", "../profiles/off", "off.syd-3", "."} {
		_, err := Parse([]Command{{"-p", name, Profile}}, nil)
		if err == nil || !strings.HasSuffix(err.Error(), ": unknown profile: expected container, lib, linux, nomem, nopie, off, quiet, readonly, trace, tty, user") {
			t.Errorf("%q: got %v", name, err)
		}
	}
}

// Each profile says at its head what it is, and there is nothing left to say twice.
func TestProfilesAreCommented(t *testing.T) {
	for _, name := range Profiles() {
		text, _ := profile(name)
		if !strings.HasPrefix(text, "# SPDX-License-Identifier: GPL-3.0-or-later\n# "+name+": ") {
			t.Errorf("%s: no head:\n%s", name, text)
		}
		reprint(t, useProfiles(t, testSources, name), "/usr/bin/id")
	}
}

// What the profiles come to, for paths that everybody knows.
func TestWhatProfilesDo(t *testing.T) {

	for _, row := range []struct{ profiles, path, allowed string }{
		{"linux", "/usr/bin/id", "walk,list,stat,read,exec,ioctl,chdir,readdir"},
		{"linux", "/", "walk,list,stat,ioctl,chdir,readdir"},
		{"linux", "/etc/passwd", "walk,list,stat,read,ioctl,chdir,readdir"},
		{"linux", "/etc/shadow", "walk,list,stat,ioctl,chdir,readdir"},
		{"linux", "/etc/ssh/ssh_host_rsa_key", "walk,list,stat,ioctl,chdir,readdir"},
		{"linux", "/proc/kcore", "walk,list,stat,ioctl,chdir,readdir"},
		{"linux", "/proc/7/task/8/mem", "walk,list,stat,ioctl,chdir,readdir"},
		{"linux", "/dev/null", "walk,stat,read,write,ioctl,truncate"},
		{"linux", "/dev/sda", "walk,ioctl"},
		{"linux", "/home/me/x", "walk,ioctl"},
		{"container", "/work/a/b", "walk,list,stat,read,write,exec,ioctl,create,delete,rename,symlink,truncate,chdir,readdir,mkdir,rmdir,chmod,utime,mkfifo,mktemp"},
		{"container", "/home/me/x", "walk,ioctl"},
		{"user", "/home/me/x", "walk,list,stat,read,write,exec,ioctl,create,delete,rename,symlink,truncate,chdir,readdir,mkdir,rmdir,chown,chgrp,chmod,chattr,utime,mkfifo,mktemp"},
		{"user", "/home/me/.user.syd-3", "walk,list,stat,read,exec,ioctl,chdir,readdir,mkdir,rmdir,utime,mkfifo,mktemp"},
		{"user", "/home/you/x", "walk,ioctl"},
		{"user", "/tmp/x", "walk,list,stat,read,write,exec,ioctl,create,delete,rename,symlink,truncate,chdir,readdir,mkdir,rmdir,chown,chgrp,chmod,chattr,utime,mkfifo,mktemp"},
		{"user", "/dev/pts/3", "walk,stat,read,write,ioctl,truncate,chown,chgrp,chmod,utime"},
		{"tty", "/dev/tty", "walk,stat,read,write,ioctl,truncate"},
		{"readonly", "/home/me/x", ""},
		{"readonly", "/dev/tty", "write,truncate"},
		{"lib readonly", "/home/me/x", "walk,list,stat,read,exec,ioctl,chdir,readdir,chroot"},
		{"user readonly", "/home/me/x", "walk,list,stat,read,exec,ioctl,chdir,readdir"},
		{"trace", "/home/me/x", "all"},
		{"nomem nopie", "/usr/bin/id", ""},
		{"linux quiet", "/usr/bin/id", "walk,list,stat,read,exec,ioctl,chdir,readdir"},
	} {
		p := useProfiles(t, testSources, strings.Fields(row.profiles)...)
		var allowed categories
		for c := range paths.each {
			allowed.put(c, p.Decide(Request{Category: c, Path: row.path}).Allows())
		}
		if got := allowed.names(); got != row.allowed {
			t.Errorf("%s: %s: got %s", row.profiles, row.path, got)
		}
	}
	if p := useProfiles(t, testSources, "trace"); p.Decide(Request{Category: Write, Path: "/x"}) != Warn || p.Decide(Request{Category: PID}) != Warn {
		t.Error("trace: no warning")
	}
	if useProfiles(t, testSources, "nomem", "nopie").Text() != parse(t).Text() {
		t.Error("nomem and nopie change something")
	}
}

// user reads two files, if they are there, in this order.
func TestUserProfileReadsItsFiles(t *testing.T) {
	f := files{"/etc/user.syd-3": "pid/max:1\nallow/read+/a", "/home/me/.user.syd-3": "pid/max:2\ninclude more.syd-3", "/home/me/more.syd-3": "deny/read+/a"}
	from := Sources{f.read, testSources.Getenv}
	p := useProfiles(t, from, "user")
	if p.PIDMax != 2 || p.Decide(Request{Category: Read, Path: "/a"}) != Deny {
		t.Errorf("got %s", p.Text())
	}
	delete(f, "/home/me/.user.syd-3")
	if p := useProfiles(t, from, "user"); p.PIDMax != 1 || p.Decide(Request{Category: Read, Path: "/a"}) != Allow {
		t.Errorf("got %s", p.Text())
	}
	f["/etc/user.syd-3"] = "wrong\ninclude none.syd-3"
	_, err := ParseIn([]Command{{"-p", "user", Profile}}, from)
	if err == nil || !strings.HasPrefix(err.Error(), `/etc/user.syd-3:1:1: "wrong": expected `) || !strings.HasSuffix(err.Error(), `/etc/user.syd-3:2:9: "/etc/none.syd-3": no such file or directory`) {
		t.Errorf("got %v", err)
	}
	if _, err := Parse([]Command{{"-p", "user", Profile}}, f.read); err == nil || !strings.Contains(err.Error(), "expected HOME to be set in the environment") {
		t.Errorf("got %v", err)
	}
	// Only profiles may leave it to the file whether it is there.
	if _, err := Parse(commands("include_existing x.syd-3"), f.read); err == nil || !strings.HasSuffix(err.Error(), "expected "+anyCommand) {
		t.Errorf("got %v", err)
	}
}

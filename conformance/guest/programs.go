// SPDX-License-Identifier: GPL-3.0-or-later

package guest

import (
	"slices"
	"strings"
)

// A program is what the specs start in a guest beside syd and the fixtures. It
// is taken from this machine, with the libraries that it needs.
type program struct {
	names   string // of executables, split at spaces
	brings  string // the Debian package that has them
	because string // a capability: taken only for specs that require it, and only if it is there
	files   string // further files and directories, patterns, those that are there
}

// programs is all of them. Without because, a guest does not start when one is
// missing here: its specs would fail for a reason that has nothing to do with
// the kernel.
var programs = []program{
	{names: "sh", brings: "dash"},
	{names: "basename cat chgrp chmod chown cp cut date dd dirname echo env expr false head id ln ls mkdir mkfifo mknod mktemp mv nice nohup " +
		"od printf pwd readlink realpath rm rmdir seq sleep sort stat stdbuf stty sync tail tee test timeout touch tr true truncate tty uname uniq wc yes [",
		brings: "coreutils", files: "/usr/libexec/coreutils/libstdbuf.so"},
	{names: "setpriv setsid unshare prlimit flock getopt", brings: "util-linux"},
	{names: "mount umount", brings: "mount"},
	{names: "grep", brings: "grep"},
	{names: "sed", brings: "sed"},
	{names: "gzip", brings: "gzip"},
	{names: "find xargs", brings: "findutils"},
	{names: "diff cmp", brings: "diffutils"},
	{names: "awk", brings: "mawk"},
	{names: "kill ps", brings: "procps"},
	{names: "tar", brings: "tar"},
	{names: "bash", brings: "bash"},
	{names: "strace", brings: "strace", because: "strace"},
	{names: "git", brings: "git", because: "git", files: "/usr/lib/git-core /usr/share/git-core"},
	{names: "perl", brings: "perl", because: "perl", files: "/usr/lib/*/perl-base /usr/lib/*/perl /usr/share/perl /etc/perl"},
	{names: "python3", brings: "python3", because: "python3", files: "/usr/lib/python3.[0-9]*"},
	{names: "sqlite3", brings: "sqlite3", because: "sqlite3"},
	{names: "tmux", brings: "tmux", because: "tmux", files: "/lib/terminfo /usr/share/terminfo/t"},
	{names: "vim", brings: "vim", because: "vim"},
}

// searched is where programs are looked for, in this order: the PATH that the
// harness gives to every program.
var searched = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// common is what programs read, where the machine has it.
var common = []string{"/usr/lib/locale/C.utf8", "/lib/terminfo/x/xterm*", "/lib/terminfo/l/linux", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d"}

// written is what a guest has in /etc, whatever the machine has.
var written = map[string]string{
	"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/:/usr/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
	"/etc/group":         "root:x:0:\ndaemon:x:1:\ntty:x:5:\nnogroup:x:65534:\n",
	"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
	"/etc/hosts":         "127.0.0.1 localhost guest\n",
	"/etc/hostname":      "guest\n",
	"/etc/shells":        "/bin/sh\n",
}

// need says which programs go into a guest: the ones that every guest has, and
// those that a capability of the planned specs asks for.
func need(capabilities []string) []program {
	var chosen []program
	for _, p := range programs {
		if p.because == "" || slices.Contains(capabilities, p.because) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// missing says in one line what a machine lacks and how to bring it.
func missing(names, packages []string) string {
	slices.Sort(packages)
	return strings.Join(names, ", ") + ": not on this machine; apt-get install " + strings.Join(slices.Compact(packages), " ")
}

// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// pathOwn is what means the caller itself, or something of its own.
var pathOwn = []struct {
	id   int
	text string
	pathTry
	says string // a line of the native run, so that it shows anything
}{
	{1, "/proc/self is the caller", pathTry{steps: []string{"readlink path=/proc/self", "readlinkat path=/proc/self", "openat path=/proc/self/comm", "read fd=@last", "openat path=/proc/self/status flags=O_RDONLY|O_CLOEXEC", "lstat path=/proc/self"}}, `read.text path\x0a`},
	{2, "/proc/self is the caller's process in a thread", pathTry{command: "thread", steps: []string{"readlink path=/proc/self", "openat path=/proc/self/comm", "read fd=@last", "readlink path=/proc/self/exe"}}, ""},
	{3, "/proc/thread-self is the calling thread", pathTry{command: "thread", steps: []string{"readlink path=/proc/thread-self", "openat path=/proc/thread-self/comm", "read fd=@last", "getdents64 fd=dir:/proc/thread-self/fd", "getdents64 fd=dir:/proc/self/task"}}, ""},
	{4, "/proc/self/exe is the caller's program", pathTry{steps: []string{"readlink path=/proc/self/exe", "openat path=/proc/self/exe", "stat path=/proc/self/exe", "lstat path=/proc/self/exe", "openat path=/proc/self/exe flags=O_NOFOLLOW", "access path=/proc/self/exe want=X_OK"}}, "openat ELOOP"},
	{5, "/proc/self/cwd and root are the caller's directories", pathTry{steps: []string{"readlink path=/proc/self/cwd", "openat path=/proc/self/cwd/file", "openat path=/proc/self/cwd flags=O_DIRECTORY", "stat path=/proc/self/cwd/dir/..", "openat path=/proc/self/root/proc/self/comm", "chdir path=dir", "readlink path=/proc/self/cwd",
		"openat path=/proc/self/cwd/a", "openat path=/proc/self/cwd/new flags=O_CREAT|O_WRONLY mode=640", "mkdir path=/proc/self/cwd/made mode=755", "rename path=/proc/self/cwd/new to=/proc/self/cwd/newer", "unlink path=/proc/thread-self/cwd/newer"}}, "openat ok"},
	{6, "/proc/self/fd lists the caller's descriptors", pathTry{steps: []string{"openat path=file", "openat path=dir", "getdents64 fd=dir:/proc/self/fd", "getdents64 fd=dir:/proc/self/fdinfo", "getdents64 fd=dir:/dev/fd", "readlink path=/proc/self/fd/3", "readlink path=/proc/self/fd/4", "lstat path=/proc/self/fd/3", "stat path=/proc/self/fd/3", "readlink path=/proc/self/fd/9"}}, "getdents64.entry 4 type 10"},
	{7, "/dev/fd/N is the caller's descriptor, opened anew", pathTry{steps: []string{"openat path=file flags=O_RDWR", "read fd=3 size=3", "openat path=/dev/fd/3", "read fd=@last", "openat path=/dev/fd/3 flags=O_WRONLY|O_APPEND", "openat path=/dev/fd/3 flags=O_RDWR|O_TRUNC", "fstat fd=3", "openat path=/dev/fd/77", "openat path=/dev/fd/3 flags=O_NOFOLLOW", "stat path=/dev/fd/3", "access path=/dev/fd/3 want=R_OK",
		"truncate path=/dev/fd/3 n=7", "chmod path=/dev/fd/3 mode=600", "utimensat path=/dev/fd/3 atime=5 mtime=6", "link path=/dev/fd/3 to=new", "linkat path=/dev/fd/3 to=new2 flags=AT_SYMLINK_FOLLOW"}}, "read.text content\\x0a"},
	{8, "/proc/self/fd/N of a directory is a way into it", pathTry{steps: []string{"openat path=dir flags=O_DIRECTORY", "openat path=/proc/self/fd/3/a", "openat path=/proc/self/fd/3/../file", "stat path=/proc/self/fd/3/sub/c", "openat path=/proc/self/fd/3", "getdents64 fd=@last", "mkdir path=/proc/self/fd/3/new mode=755", "openat path=/proc/self/fd/3/new/x flags=O_CREAT|O_RDWR mode=600", "openat path=/dev/fd/3/missing", "rename path=/dev/fd/3/a to=moved",
		"chdir path=/proc/self/fd/3", "getcwd"}}, "openat ok"},
	{9, "/dev/stdin, stdout and stderr are the caller's", pathTry{launch: []LaunchOption{Stdin("typed\n")}, steps: []string{"readlink path=/dev/stdin", "stat path=/dev/stdin", "openat path=/dev/stdin", "read fd=@last", "openat path=/dev/stdout flags=O_WRONLY", "write fd=@last value=said%0a", "openat path=/dev/stderr flags=O_WRONLY", "readlink path=/proc/self/fd/0", "fstat fd=0", "access path=/dev/stdin want=R_OK"}}, "said"},
	{11, "/proc/self/fd/N of a file that is gone is that file", pathTry{steps: []string{"openat path=other flags=O_RDWR", "unlink path=other", "readlink path=/proc/self/fd/3", "stat path=/proc/self/fd/3", "fstat fd=3", "openat path=other", "newfstatat dir=3 path= flags=AT_EMPTY_PATH", "fchmod fd=3 mode=600", "ftruncate fd=3 n=1"}}, "stat.is file 0644 links 0"},
	{12, "/proc/PID/fd/N is the other process's descriptor", pathTry{command: "beside", steps: []string{"openat path=/proc/CHILD/fd/3", "read fd=@last", "readlink path=/proc/CHILD/fd/3", "stat path=/proc/CHILD/fd/3", "openat path=/proc/CHILD/fd/3 flags=O_RDWR", "openat path=/proc/CHILD/fd/77", "lstat path=/proc/CHILD/fd/3"}}, "read.text content\\x0a"},
	{13, "/proc/PID/cwd is the other process's directory", pathTry{command: "beside", steps: []string{"readlink path=/proc/CHILD/cwd", "openat path=/proc/CHILD/cwd/a", "openat path=/proc/CHILD/cwd/file", "openat path=/proc/CHILD/cwd/../file", "openat path=/proc/CHILD/comm", "read fd=@last", "readlink path=/proc/CHILD/exe", "openat path=/proc/CHILD/root/proc/self/comm", "stat path=/proc/CHILD"}}, "openat ENOENT"},
	{14, "/dev/tty is what a session without a terminal doesn't have", pathTry{command: "session", steps: []string{"openat path=/dev/tty", "openat path=/dev/tty flags=O_RDWR|O_NOCTTY", "stat path=/dev/tty", "access path=/dev/tty want=R_OK", "openat path=/proc/self/fd/0"}}, "openat ENXIO"},
	{15, "/dev/tty is the terminal that the caller has acquired by opening it", pathTry{command: "terminal", steps: []string{"openat path=/dev/tty", "openat path=TERMINAL flags=O_RDWR", "openat path=/dev/tty flags=O_RDWR brief=1", "ioctl fd=@last request=TIOCGWINSZ", "write fd=@last value=x", "readlink path=/proc/self/fd/3"}}, "ioctl ok"},
	{16, "/dev/tty is nothing to who has opened a terminal with O_NOCTTY", pathTry{command: "terminal", steps: []string{"openat path=TERMINAL flags=O_RDWR|O_NOCTTY", "openat path=/dev/tty", "openat2 path=TERMINAL flags=O_RDWR|O_NOCTTY|O_CLOEXEC", "openat2 path=/dev/tty", "stat path=TERMINAL", "openat path=TERMINAL flags=O_WRONLY", "openat path=/dev/tty", "openat path=/dev/null brief=1", "openat path=TERMINAL", "openat path=/dev/tty brief=1"}}, "openat ENXIO"},
	{17, "/proc/self/ns is the caller's namespaces", pathTry{steps: []string{"readlink path=/proc/self/ns/user", "readlink path=/proc/self/ns/mnt", "readlink path=/proc/thread-self/ns/net", "openat path=/proc/self/ns/pid", "stat path=/proc/self/ns/pid", "getdents64 fd=dir:/proc/self/ns", "openat path=/proc/self/ns/none", "openat path=/proc/self/ns/uts flags=O_RDWR", "lstat path=/proc/self/ns/ipc"}}, "openat ok"},
	{18, "/proc/net and /proc/mounts are links by way of /proc/self", pathTry{steps: []string{"readlink path=/proc/net", "readlink path=/proc/mounts", "openat path=/proc/mounts", "openat path=/proc/net/unix", "stat path=/proc/net/dev", "getdents64 fd=dir:/proc/net size=60000", "openat path=/proc/self/mountinfo", "openat path=/proc/mounts flags=O_NOFOLLOW"}}, "readlink.text self/net"},
	{19, "/proc/self/task has the caller's threads", pathTry{command: "thread", steps: []string{"getdents64 fd=dir:/proc/self/task", "openat path=/proc/self/task flags=O_DIRECTORY", "stat path=/proc/self/task", "readlink path=/proc/self/task/1/exe", "openat path=/proc/self/task/1"}}, "openat ENOENT"},
	{20, "/proc/self/mem, maps and environ are the caller's own", pathTry{steps: []string{"openat path=/proc/self/mem", "openat path=/proc/self/maps", "openat path=/proc/self/environ", "read fd=@last size=5", "openat path=/proc/self/cmdline", "read fd=@last size=4", "openat path=/proc/self/auxv", "read fd=@last size=0", "stat path=/proc/self/mem"}}, "openat ok"},
	{21, "magic links are not followed by who says so", pathTry{steps: []string{"openat path=file", "openat path=/proc/self/fd/3 flags=O_NOFOLLOW", "openat2 path=/proc/self/fd/3 resolve=RESOLVE_NO_MAGICLINKS", "openat2 path=/proc/self/cwd/file resolve=RESOLVE_NO_SYMLINKS", "openat2 path=/proc/self/root resolve=RESOLVE_NO_MAGICLINKS", "openat2 path=/proc/self/cwd/file resolve=RESOLVE_BENEATH", "readlink path=/proc/self/fd/3/x", "statx path=/proc/self/exe flags=AT_SYMLINK_NOFOLLOW"}}, "openat2 ELOOP"},
	{22, "/dev/ptmx is a new terminal for each open", pathTry{steps: []string{"openat path=/dev/ptmx flags=O_RDWR|O_NOCTTY", "openat path=/dev/ptmx flags=O_RDWR|O_NOCTTY|O_CLOEXEC", "stat path=/dev/ptmx"}}, "openat ok"},
	{29, "/dev/tty, once it is open, is that device", pathTry{command: "terminal", steps: []string{"openat path=TERMINAL", "openat path=/dev/tty"}}, "device 5:0"},
	{23, "what lies outside is seen as far as natively", pathTry{steps: []string{"stat path=/proc/1", "openat path=/proc/1/status", "openat path=/proc/999999999", "openat path=/proc/sys/kernel/ostype", "read fd=@last", "openat path=/proc/sys/kernel/ostype/x", "statfs path=/proc", "openat path=/sys/kernel flags=O_DIRECTORY"}}, `read.text Linux\x0a`},
}

var _ = Describe("what a path of /proc or /dev means to a caller: that", func() {
	for _, own := range pathOwn {
		Spec(fmt.Sprintf("PTH-05.%d", own.id), own.text, func(ctx context.Context) {
			// The fixture `beside` opens its file first.
			if own.command == "beside" {
				own.steps = append([]string{"file"}, own.steps...)
			}
			native := own.same(ctx, pathEverything)
			if own.says != "" {
				Expect(native.Stdout).To(ContainSubstring(own.says))
			}
		})
	}

	Spec("PTH-05.10", "/proc/self/fd/N of a pipe is that pipe", func(ctx context.Context) {
		script := `"$@" | cat`
		steps := []string{"readlink path=/proc/self/fd/1", "stat path=/proc/self/fd/1", "openat path=/proc/self/fd/1 flags=O_WRONLY|O_NONBLOCK", "write fd=@last value=through%0a", "openat path=/proc/self/fd/1 flags=O_DIRECTORY",
			"truncate path=/proc/self/fd/1 n=0", "access path=/proc/self/fd/1 want=W_OK", "getxattr path=/proc/self/fd/1", "statfs path=/proc/self/fd/1", "openat path=/dev/stdout flags=O_WRONLY|O_APPEND"}
		_, native := SameAsNative(ctx, pathEverything, append([]string{"sh", "-c", script, "sh"}, Fixture("path", append([]string{"show"}, steps...)...)...)...)
		Expect(native).To(SayLine("through"))
	})

	Spec("PTH-05.24", "/proc/mounts and /proc/self/ns are those of the caller's own mount namespace", func(ctx context.Context) {
		script := `[ "$(readlink /proc/self/ns/mnt)" != "$(readlink /proc/1/ns/mnt)" ] && echo own; cmp /proc/mounts /proc/$$/mounts && echo mounts; cmp /proc/self/mountinfo /proc/$$/mountinfo && echo mountinfo`
		_, native := SameAsNative(ctx, pathEverything, "unshare", "-m", "--propagation", "unchanged", "sh", "-c", script)
		Expect(native.Lines()).To(Equal([]string{"own", "mounts", "mountinfo"}))
	}, RootOnly)

	Spec("PTH-05.25", "/proc/net is the network of the caller's own namespace", func(ctx context.Context) {
		script := `wc -l </proc/net/dev; wc -l </proc/self/net/dev; wc -l </proc/thread-self/net/route; test /proc/self/ns/net -ef /proc/1/ns/net; echo $?`
		SameAsNative(ctx, pathEverything, "unshare", "-n", "sh", "-c", script)
	}, RootOnly)

	Spec("PTH-05.26", "/proc/self is the caller in a PID namespace of its own, by its number outside", func(ctx context.Context) {
		script := `[ $$ = 1 ] && [ "$(readlink /proc/self)" != 1 ] && cat /proc/self/comm && test -d /proc/self/fd && readlink /proc/self/cwd`
		_, native := SameAsNative(ctx, pathEverything, "unshare", "-pf", "sh", "-c", script)
		Expect(native).To(SayLine("cat"))
	}, RootOnly, Requires("pid_namespaces"))

	Spec("PTH-05.28", "/proc/self/uid_map is that of the caller's user namespace", func(ctx context.Context) {
		_, native := SameAsNative(ctx, pathEverything, "unshare", "-Ur", "sh", "-c", `id -u; cat /proc/self/uid_map /proc/self/setgroups | tr -s " "`)
		Expect(native).To(SayLine("0"))
	}, Requires("user_namespaces", "ordinary_user"))

	for i, foreign := range []bool{false, true} {
		text, fixture, needs := "a terminal is acquired whatever signals come meanwhile", Fixture, "pty"
		if foreign {
			text, fixture, needs = text+", by a program of the foreign ABI", ForeignFixture, "i386"
		}
		Spec(fmt.Sprintf("PTH-05.%d", 30+i), text, func(ctx context.Context) {
			_, native := SameAsNative(ctx, pathEverything, fixture("path", "acquire", "100")...)
			Expect(native.Lines()).To(Equal([]string{"acquired 100"}))
		}, Requires("pty", needs))
	}

	Spec("PTH-05.27", "/dev/tty is the terminal that syd was started on", func(ctx context.Context) {
		cmd := Fixture("path", "do", "openat path=/dev/tty flags=O_RDWR", "ioctl fd=@last request=TIOCGWINSZ", "write fd=@last value=typed%0a", "openat2 path=/dev/tty", "access path=/dev/tty want=W_OK")
		native := With(Pty()).Native(ctx, cmd...)
		Expect(native.Stdout).To(ContainSubstring("ioctl ok"))
		result := With(Pty()).Syd(ctx, pathEverything, cmd...)
		Expect(result).To(EqualNative(native))
	}, Requires("pty"))
})

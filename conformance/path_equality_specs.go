// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/capability"
	"syd/conformance/catalogue"
	. "syd/conformance/harness"
)

// everyPathCall is every call that takes a path, made with this one, first those
// that change nothing. keys are added to each.
func everyPathCall(path, keys string) []string {
	steps := []string{
		"open flags=O_NONBLOCK", "openat flags=O_NONBLOCK", "openat2 flags=O_NONBLOCK", "openat flags=O_WRONLY|O_NONBLOCK",
		"openat flags=O_DIRECTORY", "openat flags=O_NOFOLLOW|O_NONBLOCK", "stat", "lstat", "newfstatat", "newfstatat flags=AT_SYMLINK_NOFOLLOW", "statx",
		"statx flags=AT_SYMLINK_NOFOLLOW", "access want=R_OK", "faccessat want=F_OK", "faccessat2 flags=AT_SYMLINK_NOFOLLOW", "readlink", "readlinkat", "statfs",
		"getxattr", "lgetxattr", "listxattr", "llistxattr", "listxattrat flags=AT_SYMLINK_NOFOLLOW", "inotify_add_watch mask=IN_MODIFY",
		"inotify_add_watch mask=IN_MODIFY|IN_DONT_FOLLOW",
		"truncate n=3", "chmod mode=750", "fchmodat mode=640", "fchmodat2 mode=604 flags=AT_SYMLINK_NOFOLLOW", "chown", "lchown", "fchownat flags=AT_SYMLINK_NOFOLLOW",
		"utime", "utimes", "futimesat", "utimensat", "utimensat flags=AT_SYMLINK_NOFOLLOW", "setxattr name=user.y value=1", "lsetxattr name=user.z value=2",
		"removexattr name=user.y", "lremovexattr name=user.y",
		"mkdir mode=755", "mkdirat mode=755", "mknod kind=reg mode=644", "mknodat kind=fifo mode=644", "symlink to=PATH path=target", "symlinkat to=PATH path=target",
		"link to=linked", "linkat to=linked2", "linkat to=linked3 flags=AT_SYMLINK_FOLLOW", "link path=file to=PATH", "linkat path=file to=PATH",
		"open flags=O_CREAT|O_EXCL|O_WRONLY mode=644", "openat flags=O_CREAT|O_WRONLY|O_NONBLOCK mode=644", "openat2 flags=O_CREAT|O_RDWR mode=644", "creat mode=644",
		"openat flags=O_TMPFILE|O_RDWR mode=600", "rmdir", "unlinkat flags=AT_REMOVEDIR", "unlink", "unlinkat", "rename path=other to=PATH", "renameat to=renamed",
		"rename to=renamed2", "renameat2 path=empty to=PATH flags=RENAME_NOREPLACE", "renameat2 to=renamed3", "chdir",
	}
	for i, step := range steps {
		if strings.Contains(step, "to=PATH") {
			step = strings.ReplaceAll(step, "to=PATH", "to="+path)
		}
		if !strings.Contains(step, "path=") {
			step += " path=" + path
		}
		steps[i] = strings.TrimSpace(step + " " + keys)
	}
	return steps
}

// pathModes is the steps for each of the modes.
func pathModes(format string, modes ...string) []string {
	var steps []string
	for i, mode := range modes {
		steps = append(steps, fmt.Sprintf(format, i, mode))
	}
	return steps
}

// A pathEquality is steps whose outcome is the native one.
type pathEquality struct {
	id    int
	text  string
	steps []string
	pathTry
	needs []string
}

var pathEqualities = []pathEquality{
	{id: 1, text: "gives a descriptor the flags that it was opened with", steps: pathModes("openat path=file flags=%[2]s", "O_RDONLY", "O_WRONLY", "O_RDWR",
		"O_RDWR|O_APPEND", "O_RDONLY|O_NONBLOCK", "O_RDWR|O_SYNC", "O_RDWR|O_DSYNC", "O_RDONLY|O_DIRECT", "O_RDONLY|O_NOATIME", "O_ASYNC", "O_LARGEFILE", "O_NOCTTY",
		"O_NOFOLLOW", "O_ACCMODE", "O_CREAT", "O_TRUNC", "O_DIRECTORY", "0x40000000|O_RDWR", "0x10000000", "0xffffffff")},
	{id: 2, text: "sets O_CLOEXEC when it is asked for, and only then", steps: []string{"open path=file flags=O_CLOEXEC", "open path=file", "openat path=dir flags=O_CLOEXEC|O_DIRECTORY",
		"openat path=dir", "openat2 path=file flags=O_CLOEXEC|O_RDWR", "openat2 path=file", "creat path=new mode=600", "openat path=new2 flags=O_CREAT|O_CLOEXEC|O_WRONLY mode=600",
		"openat path=. flags=O_TMPFILE|O_CLOEXEC|O_RDWR mode=600"}},
	{id: 3, text: "takes the lowest free number", steps: []string{"openat path=file", "openat path=other", "openat path=dir", "close fd=4", "openat path=empty", "close fd=3", "close fd=5",
		"openat2 path=file", "creat path=new mode=644", "open path=dir", "close fd=0", "openat path=other", "openat path=other", "close fd=1000", "fcntl fd=3 request=F_DUPFD n=20", "openat path=file"}},
	{id: 4, text: "creates files with the mode that the umask leaves", steps: slices.Concat(
		[]string{"umask mode=22"}, pathModes("openat path=a%d flags=O_CREAT|O_WRONLY mode=%s", "666", "777", "0", "4755", "2755", "1755", "7777", "400", "177777"),
		[]string{"umask mode=77"}, pathModes("creat path=b%d mode=%s", "666", "777", "0", "7777"),
		[]string{"umask mode=0"}, pathModes("openat2 path=c%d flags=O_CREAT|O_RDWR mode=%s", "666", "7777", "0", "17777"),
		[]string{"umask mode=777"}, pathModes("open path=d%d flags=O_CREAT|O_RDWR mode=%s", "666", "777"),
		[]string{"umask mode=27"}, pathModes("openat path=. flags=O_TMPFILE|O_RDWR mode=%[2]s", "666", "777"))},
	{id: 5, text: "creates directories, nodes and links with the mode that the umask leaves", steps: slices.Concat(
		[]string{"umask mode=22"}, pathModes("mkdir path=a%d mode=%s", "777", "0", "1777", "7777", "177777"),
		[]string{"umask mode=77"}, pathModes("mkdirat path=b%d mode=%s", "777", "2777"), pathModes("mknod path=c%d kind=fifo mode=%s", "666", "7777"),
		[]string{"umask mode=0"}, pathModes("mknodat path=d%d kind=reg mode=%s", "666", "7777"), pathModes("mknodat path=e%d kind=sock mode=%s", "777"),
		[]string{"symlink path=file to=f", "lstat path=f", "link path=file to=g", "umask mode=22"})},
	{id: 6, text: "gives what is created in a set-group-ID directory its group", steps: []string{"openat path=setgid/a flags=O_CREAT|O_WRONLY mode=2775", "creat path=setgid/b mode=644",
		"mkdir path=setgid/c mode=755", "mkdirat path=setgid/d mode=2700", "mknod path=setgid/e kind=fifo mode=644", "symlink path=x to=setgid/f", "link path=file to=setgid/g",
		"openat path=setgid/c/h flags=O_CREAT|O_WRONLY mode=600", "mkdir path=setgid/c/i mode=755", "openat path=setgid flags=O_TMPFILE|O_RDWR mode=600"}},
	{id: 7, text: "creates exclusively or not at all", steps: []string{"openat path=file flags=O_CREAT|O_EXCL|O_WRONLY mode=644", "openat path=link flags=O_CREAT|O_EXCL|O_WRONLY mode=644",
		"openat path=dangling flags=O_CREAT|O_EXCL|O_WRONLY mode=644", "openat path=dir flags=O_CREAT|O_EXCL mode=644", "openat path=loop flags=O_CREAT|O_EXCL mode=644",
		"openat path=new flags=O_CREAT|O_EXCL|O_RDWR mode=644", "openat path=new flags=O_CREAT|O_EXCL|O_RDWR mode=644", "openat path=file flags=O_EXCL", "openat path=/ flags=O_CREAT|O_EXCL mode=644",
		"openat path=new2/ flags=O_CREAT|O_EXCL|O_WRONLY mode=644", "openat2 path=file flags=O_CREAT|O_EXCL mode=644"}},
	{id: 8, text: "creates where a file is missing, and through a dangling link", steps: []string{"openat path=dangling flags=O_CREAT|O_WRONLY mode=640", "lstat path=dangling", "stat path=nowhere",
		"openat path=missing/x flags=O_CREAT|O_WRONLY mode=644", "openat path=file/x flags=O_CREAT|O_WRONLY mode=644", "openat path=dir flags=O_CREAT mode=644", "openat path=dir flags=O_CREAT|O_RDWR mode=644",
		"openat path=dir/ flags=O_CREAT|O_RDWR mode=644", "openat path=. flags=O_CREAT|O_WRONLY mode=644", "openat path=dir/.. flags=O_CREAT|O_WRONLY mode=644", "openat path=/ flags=O_CREAT|O_WRONLY mode=644",
		"openat path=dangling flags=O_CREAT|O_NOFOLLOW|O_WRONLY mode=644", "openat path=new flags=O_CREAT mode=400", "read fd=@last", "write fd=@last value=x", "openat path=new2 flags=O_CREAT|O_WRONLY mode=0",
		"write fd=@last value=written", "openat path=new3 flags=O_CREAT|O_DIRECTORY|O_RDWR mode=644", "openat path=dirlink/new4 flags=O_CREAT|O_WRONLY mode=644"}},
	{id: 9, text: "truncates when it is asked for", steps: []string{"openat path=file flags=O_TRUNC|O_WRONLY", "openat path=dir flags=O_TRUNC", "openat path=dir flags=O_TRUNC|O_WRONLY",
		"openat path=fifo flags=O_TRUNC|O_RDWR", "openat path=link flags=O_TRUNC|O_WRONLY", "openat path=dir/a flags=O_TRUNC", "openat path=attributed flags=O_TRUNC|O_CREAT|O_EXCL|O_WRONLY mode=600",
		"openat2 path=dir/b flags=O_TRUNC|O_RDWR", "creat path=dir/sub/c mode=777", "openat path=/dev/null flags=O_TRUNC|O_WRONLY", "openat path=missing flags=O_TRUNC|O_WRONLY"}},
	{id: 10, text: "makes files without a name, that can be linked", steps: []string{"openat path=dir flags=O_TMPFILE|O_RDWR mode=640", "write fd=@last value=text", "fstat fd=@last", "linkat dir=3 path= to=named flags=AT_EMPTY_PATH",
		"linkat path=/proc/self/fd/3 to=named2 flags=AT_SYMLINK_FOLLOW", "stat path=named2", "openat path=dir flags=O_TMPFILE|O_WRONLY|O_EXCL mode=600", "linkat path=/proc/self/fd/4 to=named3 flags=AT_SYMLINK_FOLLOW",
		"openat path=dir flags=O_TMPFILE mode=600", "openat path=file flags=O_TMPFILE|O_RDWR mode=600", "openat path=missing flags=O_TMPFILE|O_RDWR mode=600", "openat path=dirlink flags=O_TMPFILE|O_RDWR mode=600",
		"openat path=dirlink flags=O_TMPFILE|O_RDWR|O_NOFOLLOW mode=600", "openat path=dir/new flags=O_TMPFILE|O_RDWR|O_CREAT mode=600", "openat path=/proc flags=O_TMPFILE|O_RDWR mode=600", "openat2 path=dir/ flags=O_TMPFILE|O_RDWR mode=666",
		"openat path=readonly flags=O_TMPFILE|O_RDWR mode=600"}},
	{id: 11, text: "leaves an O_PATH descriptor its limits", steps: []string{"openat path=file flags=O_PATH", "read fd=3", "write fd=3 value=x", "fstat fd=3", "fstatfs fd=3", "fchmod fd=3 mode=600", "fchown fd=3", "ftruncate fd=3 n=0",
		"fgetxattr fd=3", "fsetxattr fd=3 value=1", "flistxattr fd=3", "ioctl fd=3 request=FIONREAD", "lseek fd=3", "getdents64 fd=3", "fchdir fd=3", "fcntl fd=3 request=F_GETFL", "fcntl fd=3 request=F_SETFL n=1024",
		"fcntl fd=3 request=F_DUPFD", "utimensat dir=3 path=@null", "openat dir=3 path=x", "openat path=/proc/self/fd/3 flags=O_RDWR", "read fd=@last", "newfstatat dir=3 path= flags=AT_EMPTY_PATH",
		"openat path=dir flags=O_PATH|O_DIRECTORY", "getdents64 fd=@last", "fchdir fd=@last", "getcwd"}},
	{id: 12, text: "has an O_PATH descriptor of a symlink stand for the link", steps: []string{"openat path=link flags=O_PATH|O_NOFOLLOW", "fstat fd=3", "readlinkat dir=3 path=", "newfstatat dir=3 path= flags=AT_EMPTY_PATH",
		"statx dir=3 path= flags=AT_EMPTY_PATH", "readlink path=/proc/self/fd/3", "openat path=/proc/self/fd/3", "fchdir fd=3", "openat dir=3 path=x", "faccessat2 dir=3 path= want=R_OK flags=AT_EMPTY_PATH",
		"linkat dir=3 path= to=other-link flags=AT_EMPTY_PATH", "openat path=dangling flags=O_PATH|O_NOFOLLOW", "openat path=loop flags=O_PATH|O_NOFOLLOW", "fstat fd=@last", "openat path=dangling flags=O_PATH"}},
	{id: 13, text: "opens directories as directories, and nothing else as one", steps: []string{"openat path=dir flags=O_DIRECTORY", "openat path=file flags=O_DIRECTORY", "openat path=link flags=O_DIRECTORY", "openat path=dirlink flags=O_DIRECTORY",
		"openat path=dirlink flags=O_DIRECTORY|O_NOFOLLOW", "openat path=dir flags=O_WRONLY", "openat path=dir flags=O_RDWR|O_DIRECTORY", "openat path=fifo flags=O_DIRECTORY", "openat path=dangling flags=O_DIRECTORY",
		"openat path=missing flags=O_DIRECTORY", "openat path=dir flags=O_DIRECT", "openat path=dir flags=O_APPEND", "read fd=dir:dir"}},
	{id: 14, text: "does not follow the last link when it is told so", steps: []string{"openat path=link flags=O_NOFOLLOW", "openat path=dirlink flags=O_NOFOLLOW", "openat path=dirlink/ flags=O_NOFOLLOW", "openat path=dirlink/a flags=O_NOFOLLOW",
		"openat path=dangling flags=O_NOFOLLOW", "openat path=file flags=O_NOFOLLOW", "newfstatat path=link flags=AT_SYMLINK_NOFOLLOW", "newfstatat path=dirlink/ flags=AT_SYMLINK_NOFOLLOW", "lstat path=dirlink/.", "lstat path=chain",
		"statx path=link flags=AT_SYMLINK_NOFOLLOW", "readlink path=chain", "readlink path=slashed", "readlink path=slashed/", "fchownat path=dangling flags=AT_SYMLINK_NOFOLLOW", "utimensat path=link flags=AT_SYMLINK_NOFOLLOW",
		"lstat path=link", "stat path=file", "fchmodat2 path=link mode=600 flags=AT_SYMLINK_NOFOLLOW", "faccessat2 path=dangling flags=AT_SYMLINK_NOFOLLOW", "unlink path=link", "rename path=chain to=new", "lstat path=new", "openat path=. flags=O_NOFOLLOW", "openat path=dir/.. flags=O_NOFOLLOW", "openat path=dir/ flags=O_NOFOLLOW"}},
	{id: 15, text: "takes trailing slashes for what they say", steps: slices.Concat(
		pathModes("openat path=%[2]s flags=O_NONBLOCK", "file/", "link/", "dir/", "dirlink/", "dangling/", "missing/", "fifo/", "dir///", "file/.", "slashed", "filelinkslash", "loop/"),
		pathModes("stat path=%[2]s", "file/", "dir/", "link/", "filelinkslash"), pathModes("lstat path=%[2]s", "file/", "dirlink/", "link/", "dangling/"),
		pathModes("readlink path=%[2]s", "link/", "dirlink/", "dangling/"), pathModes("openat flags=O_CREAT|O_WRONLY mode=644 path=%[2]s", "new/", "file/", "dir/", "dangling/"),
		[]string{"truncate path=file/ n=1", "chmod path=file/ mode=600", "chdir path=file/", "statfs path=file/", "access path=file/", "utimensat path=file/", "mknod path=new/ kind=reg mode=644", "link path=file to=new/", "link path=file/ to=new",
			"symlink path=x to=new/", "mkdir path=new/ mode=755", "rename path=file to=new2/", "rename path=file/ to=new2", "rename path=new/ to=new2/", "unlink path=file/", "unlink path=dirlink/", "rmdir path=dirlink/", "unlink path=new2/",
			"rmdir path=new2/", "rename path=dirlink/ to=moved", "rename path=link/ to=moved"})},
	{id: 16, text: "takes dots for what they say", steps: slices.Concat(
		pathModes("openat path=%[2]s", ".", "..", "dir/.", "dir/..", "dir/../file", "file/.", "file/..", "file/../file", "missing/..", "dirlink/..", "dirlink/../file", "dirlink/a", "/..", "/../..", "//", "./././file", "dir/sub/../../file", "link/..", "up", "far", "...", "..file"),
		[]string{"rmdir path=.", "rmdir path=..", "rmdir path=dir/.", "rmdir path=dir/..", "unlink path=.", "unlink path=..", "unlink path=dir/.", "rename path=. to=x", "rename path=dir to=.", "rename path=dir to=..", "rename path=dir/.. to=x",
			"mkdir path=. mode=755", "mkdir path=dir/.. mode=755", "mkdir path=new/. mode=755", "mknod path=.. kind=reg mode=644", "symlink path=x to=.", "link path=file to=dir/.", "rmdir path=/", "unlink path=/", "mkdir path=/ mode=755", "rename path=/ to=x",
			"unlinkat path=. flags=AT_REMOVEDIR"})},
	{id: 17, text: "takes an empty path for none", steps: everyPathCall("", "")},
	{id: 18, text: "gives EFAULT for a path that is nowhere", steps: slices.Concat(everyPathCall("@wild", ""), everyPathCall("@kernel", "")[:30]), pathTry: pathTry{launch: nil}},
	{id: 19, text: "gives for a NULL path what the call gives", steps: everyPathCall("@null", "")},
	{id: 20, text: "reads a path up to a page's end, and no further", steps: slices.Concat(everyPathCall("@edge:file", ""), everyPathCall("@cut:other", ""))},
	{id: 21, text: "knows the longest path", steps: slices.Concat(everyPathCall("@repeat:2045:./:file", "")[:45], everyPathCall("@repeat:2046:./:file", ""), everyPathCall("@repeat:5000:./:file", "")[:20],
		[]string{"openat path=@repeat:4095:/:", "stat path=@repeat:4096:/:", "symlink path=@repeat:4095:x: to=long", "symlink path=@repeat:4096:x: to=longer", "readlink path=long size=5000", "stat path=long"})},
	{id: 22, text: "knows the longest name", steps: slices.Concat(everyPathCall("@repeat:255:n:", ""), everyPathCall("@repeat:256:m:", ""), everyPathCall("dir/@repeat:256:m:", "")[:5],
		[]string{"openat path=@repeat:256:m:/x", "mkdir path=@repeat:255:d: mode=755", "stat path=@repeat:255:d:/x"})},
	{id: 23, text: "follows a dangling link to nothing", steps: everyPathCall("dangling", "")},
	{id: 24, text: "gives ELOOP for a link to itself", steps: everyPathCall("loop", "")},
	{id: 25, text: "goes through 40 links, and not through 41", steps: pathChain()},
	{id: 26, text: "gives ENOTDIR below a file", steps: slices.Concat(everyPathCall("file/below", ""), everyPathCall("link/below/x", "")[:30])},
	{id: 27, text: "gives ENOENT below nothing", steps: slices.Concat(everyPathCall("missing/below", ""), everyPathCall("dangling/below", "")[:30])},
	{id: 28, text: "changes a missing path's place when it creates one, and nothing else", steps: everyPathCall("missing", "")},
	{id: 29, text: "does to a file what each call does", steps: everyPathCall("file", "")},
	{id: 30, text: "does to a directory what each call does", steps: everyPathCall("dir", "")},
	{id: 31, text: "does to a symlink what each call does", steps: everyPathCall("link", "")},
	{id: 32, text: "does to a FIFO what each call does", steps: everyPathCall("fifo", "")},
	{id: 33, text: "does to a symlink to a directory what each call does", steps: everyPathCall("dirlink", "")},
	{id: 34, text: "looks a path up from a directory's descriptor", steps: slices.Concat(everyPathCall("a", "dir=dir:dir todir=dir:dir"), everyPathCall("../dir/b", "dir=dir:dir todir=dir:dir/sub")[:45])},
	{id: 35, text: "ignores the descriptor for an absolute path", steps: slices.Concat(everyPathCall("$W/file", "dir=@bad todir=@bad"), everyPathCall("$W/dir/a", "dir=r:script todir=-1")[:45])},
	{id: 36, text: "gives EBADF for a number that is no descriptor", steps: slices.Concat(everyPathCall("file", "dir=@bad todir=@bad"), everyPathCall("file", "dir=-1 todir=-1")[:20], everyPathCall("@wild", "dir=@bad todir=@bad")[:46], everyPathCall("", "dir=@bad")[:30])},
	{id: 37, text: "gives ENOTDIR for a file as the directory", steps: slices.Concat(everyPathCall("x", "dir=r:file todir=r:file"), everyPathCall("x", "dir=0 todir=0")[:46])},
	{id: 38, text: "finds nothing in a directory that is gone", steps: []string{"openat path=closed flags=O_DIRECTORY", "openat path=closed", "chdir path=closed", "rmdir path=../closed", "openat dir=3 path=x", "openat dir=3 path=.", "openat dir=3 path=..", "newfstatat dir=3 path=.", "newfstatat dir=3 path= flags=AT_EMPTY_PATH",
		"openat dir=3 path=new flags=O_CREAT|O_WRONLY mode=644", "mkdirat dir=3 path=new mode=755", "symlinkat todir=3 path=x to=new", "linkat path=$W/file todir=3 to=new", "renameat path=$W/file todir=3 to=new", "getdents64 fd=4", "openat dir=3 path= flags=O_TMPFILE|O_RDWR mode=600",
		"openat dir=4 path=. flags=O_TMPFILE|O_RDWR mode=600", "getcwd", "openat path=.", "openat path=x", "stat path=.", "mkdir path=y mode=755", "stat path=..", "openat path=../file"}},
	{id: 39, text: "refuses flags that a call does not know", steps: slices.Concat(pathModes("%[2]s path=file flags=0x40000000", "newfstatat", "statx", "faccessat2", "fchmodat2", "fchownat", "utimensat", "unlinkat", "linkat", "renameat2", "listxattrat"),
		pathModes("%[2]s path=@wild flags=0x40000000", "newfstatat", "statx", "faccessat2", "fchmodat2", "fchownat", "utimensat", "unlinkat", "linkat", "renameat2", "listxattrat"),
		pathModes("%[2]s path=missing dir=@bad flags=0x40000000", "newfstatat", "statx", "faccessat2", "fchmodat2", "fchownat", "utimensat", "unlinkat", "linkat", "renameat2"),
		[]string{"unlinkat path=file flags=AT_SYMLINK_NOFOLLOW", "fchownat path=file flags=AT_REMOVEDIR", "linkat path=file to=new flags=AT_SYMLINK_NOFOLLOW", "statx path=file flags=AT_STATX_FORCE_SYNC|AT_STATX_DONT_SYNC", "statx path=file mask=0x80000000",
			"access path=file want=8", "faccessat path=file want=0x100", "faccessat2 path=@wild want=8", "inotify_add_watch path=file mask=0", "inotify_add_watch path=missing mask=0", "inotify_add_watch path=file mask=IN_MODIFY|IN_ONLYDIR",
			"setxattr path=file value=1 flags=8", "setxattr path=missing value=1 flags=8", "renameat2 path=file to=other flags=RENAME_NOREPLACE|RENAME_EXCHANGE", "newfstatat path=file flags=AT_NO_AUTOMOUNT"})},
	{id: 40, text: "acts on the descriptor itself with AT_EMPTY_PATH", steps: []string{"openat path=file flags=O_RDWR", "newfstatat dir=3 path= flags=AT_EMPTY_PATH", "statx dir=3 path= flags=AT_EMPTY_PATH", "statx dir=3 path=@null flags=AT_EMPTY_PATH", "newfstatat dir=3 path=@null flags=AT_EMPTY_PATH",
		"faccessat2 dir=3 path= want=R_OK flags=AT_EMPTY_PATH", "fchownat dir=3 path= flags=AT_EMPTY_PATH", "fchmodat2 dir=3 path= mode=600 flags=AT_EMPTY_PATH", "linkat dir=3 path= to=linked flags=AT_EMPTY_PATH",
		"utimensat dir=3 path= flags=AT_EMPTY_PATH", "utimensat dir=3 path=@null", "listxattrat dir=3 path= flags=AT_EMPTY_PATH", "listxattrat dir=3 path=@null flags=AT_EMPTY_PATH", "newfstatat dir=@cwd path=@null flags=AT_EMPTY_PATH", "statx dir=@cwd path=@null flags=AT_EMPTY_PATH",
		"newfstatat dir=3 path=@null flags=AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW", "newfstatat dir=3 path=@null flags=AT_EMPTY_PATH|AT_NO_AUTOMOUNT", "statx dir=3 path=@null flags=AT_EMPTY_PATH|AT_NO_AUTOMOUNT", "statx dir=3 path=@null flags=AT_EMPTY_PATH|AT_SYMLINK_NOFOLLOW",
		"faccessat2 dir=3 path=@null want=R_OK flags=AT_EMPTY_PATH", "fchownat dir=3 path=@null flags=AT_EMPTY_PATH", "fchmodat2 dir=3 path=@null mode=600 flags=AT_EMPTY_PATH", "linkat dir=3 path=@null to=null flags=AT_EMPTY_PATH",
		"newfstatat dir=@bad path=@null flags=AT_EMPTY_PATH", "listxattrat dir=@bad path=@null flags=AT_EMPTY_PATH",
		"newfstatat dir=@cwd path= flags=AT_EMPTY_PATH", "statx dir=@cwd path= flags=AT_EMPTY_PATH", "faccessat2 dir=@cwd path= want=X_OK flags=AT_EMPTY_PATH", "newfstatat dir=@bad path= flags=AT_EMPTY_PATH", "statx dir=@bad path=@null flags=AT_EMPTY_PATH", "newfstatat dir=0 path= flags=AT_EMPTY_PATH",
		"newfstatat dir=2 path= flags=AT_EMPTY_PATH", "unlinkat dir=3 path= flags=AT_EMPTY_PATH", "openat dir=3 path= flags=0", "openat2 dir=3 path=", "newfstatat dir=3 path=x flags=AT_EMPTY_PATH", "newfstatat dir=dir:dir path=a flags=AT_EMPTY_PATH"}},
	{id: 41, text: "answers what may be done with a file", steps: slices.Concat(
		pathAccess("file", "dir", "unreadable", "readonly", "sealed", "script", "link", "dangling", "fifo", "/dev/null", "/proc/self/mem", "/sys"),
		[]string{"faccessat2 path=file want=R_OK flags=AT_EACCESS", "faccessat2 path=unreadable want=R_OK flags=AT_EACCESS", "faccessat2 path=script want=X_OK flags=AT_EACCESS|AT_SYMLINK_NOFOLLOW"})},
	{id: 42, text: "fails at the limit of descriptors before it looks, and creates nothing", steps: []string{"nofile n=5", "openat path=file", "openat path=other", "openat path=file", "openat path=missing", "openat path=new flags=O_CREAT|O_WRONLY mode=644", "openat2 path=file", "openat path=@wild",
		"creat path=file mode=644", "openat path=. flags=O_TMPFILE|O_RDWR mode=600", "openat dir=@bad path=x", "openat path=file flags=0x40000000", "openat path=", "stat path=file", "mkdir path=made mode=755", "close fd=4", "openat path=dir flags=O_DIRECTORY", "nofile n=0", "openat path=file"}},
	{id: 43, text: "keeps to the limit of a file's size", steps: []string{"fsize n=100", "truncate path=file n=50", "truncate path=file n=101", "openat path=other flags=O_RDWR", "ftruncate fd=3 n=100", "ftruncate fd=3 n=200", "openat path=empty flags=O_RDWR|O_TRUNC", "truncate path=empty n=101"}},
	{id: 44, text: "writes no more than a buffer takes", steps: []string{"readlink path=link size=0", "readlink path=link size=1", "readlink path=link size=4", "readlink path=link size=5", "readlink path=link size=-1", "readlink path=missing size=0", "readlink path=link buf=@edge:4 size=4096",
		"readlink path=link buf=@edge:2 size=4096", "readlink path=link buf=@wild", "readlink path=link buf=@null", "readlink path=file buf=@wild", "readlinkat path=link size=2", "readlinkat path=link size=0", "getcwd size=1", "getcwd size=0", "getcwd buf=@wild", "getcwd buf=@edge:3",
		"getxattr path=attributed size=0", "getxattr path=attributed size=2", "getxattr path=attributed size=5", "getxattr path=attributed buf=@wild", "getxattr path=attributed buf=@null size=0", "listxattr path=attributed size=0", "listxattr path=attributed size=2", "listxattr path=attributed buf=@wild",
		"stat path=file buf=@wild", "stat path=file buf=@null", "lstat path=link buf=@edge:10", "newfstatat path=file buf=@kernel", "stat path=missing buf=@wild", "statx path=file buf=@wild", "statx path=file buf=@edge:100", "statfs path=. buf=@wild", "statfs path=. buf=@edge:20", "fstat fd=r:file buf=@wild"}},
	{id: 45, text: "lists a directory's entries", steps: []string{"openat path=dir", "getdents64 fd=3", "getdents64 fd=3", "lseek fd=3 n=0", "getdents fd=3", "getdents fd=3", "openat path=closed", "getdents64 fd=4", "getdents64 fd=r:file", "getdents64 fd=@bad", "getdents64 fd=dir:dir size=10",
		"getdents64 fd=dir:dir size=0", "getdents64 fd=dir:dir buf=@wild", "getdents64 fd=dir:dir buf=@edge:30", "getdents fd=dir:dir size=5", "rmdir path=closed", "getdents64 fd=4", "lseek fd=4 n=0", "getdents64 fd=4", "getdents64 fd=dir:. size=60000", "getdents64 fd=0", "getdents64 fd=dir:dir size=-1"}},
	{id: 46, text: "judges openat2's structure", steps: []string{"openat2 path=file size=0", "openat2 path=file size=8", "openat2 path=file size=23", "openat2 path=file size=24", "openat2 path=file size=32", "openat2 path=file size=32 more=1", "openat2 path=file size=5000", "openat2 path=file how=@wild", "openat2 path=file how=@null",
		"openat2 path=@wild how=@wild", "openat2 path=file size=8 how=@wild", "openat2 path=file flags=0x40000000", "openat2 path=file flags=0x100000000", "openat2 path=file mode=644", "openat2 path=new flags=O_CREAT|O_WRONLY mode=10644", "openat2 path=new flags=O_CREAT|O_WRONLY mode=644", "openat2 path=file resolve=0x100",
		"openat2 path=file flags=O_ACCMODE", "openat2 path=dir flags=O_TMPFILE|O_RDWR", "openat2 path=dir flags=O_CREAT|O_DIRECTORY mode=755", "openat2 path=file flags=O_NOFOLLOW|O_APPEND|O_RDWR", "openat2 path=", "openat2 path=@wild flags=0x40000000"}, needs: []string{"openat2"}},
	{id: 47, text: "resolves within the bounds of openat2's resolve", steps: slices.Concat(
		pathModes("openat2 resolve=RESOLVE_BENEATH path=%[2]s", "file", "dir/../file", "..", "../w/file", "/etc", "up", "far", "dirlink/a", "dir/../../w/file", "/proc/self/cwd"),
		pathModes("openat2 resolve=RESOLVE_NO_SYMLINKS path=%[2]s", "file", "link", "dirlink/a", "dir/a", "dangling"),
		pathModes("openat2 resolve=RESOLVE_NO_SYMLINKS flags=O_NOFOLLOW path=%[2]s", "link", "dirlink/a"),
		pathModes("openat2 resolve=RESOLVE_NO_MAGICLINKS path=%[2]s", "link", "/proc/self/fd/0", "/proc/self/exe", "/proc/self/cwd/file", "/proc/self/status"),
		pathModes("openat2 resolve=RESOLVE_IN_ROOT dir=dir:. path=%[2]s", "/file", "../../file", "up", "far", "/dir/../../file", "dirlink/a", "/etc/passwd", "dangling"),
		pathModes("openat2 resolve=RESOLVE_NO_XDEV path=%[2]s", "file", "/proc", "/", "/proc/self", "link"),
		pathModes("openat2 dir=dir:dir resolve=RESOLVE_BENEATH path=%[2]s", "a", "../file", "sub/../a", "sub/../../file"),
		[]string{"openat2 path=dir/../new flags=O_CREAT|O_WRONLY mode=644 resolve=RESOLVE_BENEATH", "openat2 path=../new2 flags=O_CREAT|O_WRONLY mode=644 resolve=RESOLVE_BENEATH", "openat2 path=file resolve=RESOLVE_BENEATH|RESOLVE_IN_ROOT",
			"openat2 path=x resolve=RESOLVE_BENEATH dir=@bad", "openat2 path=x resolve=RESOLVE_BENEATH dir=r:file"}), needs: []string{"openat2"}},
	{id: 48, text: "makes directories and no others", steps: []string{"mkdir path=file mode=755", "mkdir path=dir mode=755", "mkdir path=link mode=755", "mkdir path=dangling mode=755", "mkdir path=loop mode=755", "mkdir path=new mode=1755", "mkdir path=new/below mode=755", "mkdir path=new/x/y mode=755", "mkdirat dir=dir:new path=z mode=700",
		"rmdir path=new", "rmdir path=new/below", "rmdir path=file", "rmdir path=link", "rmdir path=dirlink", "rmdir path=missing", "unlinkat path=new/z flags=AT_REMOVEDIR", "unlinkat path=file flags=AT_REMOVEDIR", "unlinkat path=new", "unlink path=new", "rmdir path=new", "mkdir path=closed mode=755"}},
	{id: 49, text: "renames as rename does", steps: []string{"rename path=file to=new", "rename path=new to=other", "rename path=other to=dir", "rename path=dir to=other", "rename path=closed to=new", "rename path=new to=dir", "rename path=dir/sub to=new/sub", "rename path=new to=new/sub/x", "rename path=dir to=new", "rename path=hard to=hard", "rename path=missing to=x",
		"rename path=missing to=missing/x", "rename path=other to=missing/x", "rename path=other to=dir/a", "rename path=link to=dirlink", "lstat path=dirlink", "rename path=dangling to=dir/b", "lstat path=dir/b", "rename path=other/x to=y", "renameat2 path=empty to=hard flags=RENAME_NOREPLACE", "renameat2 path=empty to=fresh flags=RENAME_NOREPLACE",
		"renameat2 path=fresh to=hard flags=RENAME_EXCHANGE", "renameat2 path=fresh to=new flags=RENAME_EXCHANGE", "renameat2 path=fresh to=gone flags=RENAME_EXCHANGE", "renameat2 path=new to=new/sub flags=RENAME_EXCHANGE", "renameat dir=dir:dir path=a todir=dir:. to=moved", "rename path=@wild to=x", "rename path=hard to=@wild", "rename path= to=x", "rename path=hard to="}},
	{id: 50, text: "renames a file onto its other name without a change", steps: []string{"rename path=file to=hard", "stat path=file", "stat path=hard", "link path=file to=third", "rename path=third to=file", "stat path=third", "renameat2 path=file to=hard flags=RENAME_EXCHANGE", "unlink path=third", "unlink path=hard", "stat path=file"}},
	{id: 51, text: "links as link does", steps: []string{"link path=file to=new", "link path=dir to=newdir", "link path=file to=other", "link path=link to=newlink", "lstat path=newlink", "linkat path=link to=followed flags=AT_SYMLINK_FOLLOW", "lstat path=followed", "linkat path=dangling to=x flags=AT_SYMLINK_FOLLOW", "link path=dangling to=y", "lstat path=y",
		"link path=file to=/proc/x", "link path=/proc/self/status to=z", "link path=missing to=z", "link path=file to=missing/z", "link path=fifo to=fifo2", "link path=file to=dir/", "linkat dir=dir:dir path=a todir=dir:closed to=a", "link path=@wild to=z", "link path=file to=@wild", "linkat path=file dir=@bad to=@wild"}},
	{id: 52, text: "makes symlinks of any text", steps: []string{"symlink path= to=new", "symlink path=nonsense%20with%20%ff to=new", "readlink path=new", "symlink path=x to=file", "symlink path=x to=dangling", "symlink path=x to=missing/y", "symlink path=@wild to=y", "symlink path=x to=@wild", "symlink path=@edge:text to=edge", "readlink path=edge", "symlink path=@cut:text to=cut",
		"symlinkat path=../file todir=dir:dir to=s", "stat path=dir/s", "symlinkat path=x todir=@bad to=s", "symlink path=/ to=root", "stat path=root/..", "symlink path=. to=self", "stat path=self/self/self/file", "lstat path=new"}},
	{id: 53, text: "changes modes as chmod does", steps: slices.Concat(pathModes("chmod path=file mode=%[2]s", "0", "7777", "4755", "2644", "1644", "644", "177777"), []string{"stat path=file", "chmod path=link mode=600", "stat path=file", "chmod path=dangling mode=600", "fchmodat path=dir mode=2750", "chmod path=dir mode=0", "stat path=dir/a", "chmod path=dir mode=755",
		"fchmod fd=r:file mode=640", "fchmod fd=@bad mode=600", "fchmodat2 path=file mode=604", "fchmodat2 path=link mode=600 flags=AT_SYMLINK_NOFOLLOW", "fchmodat2 path=file mode=600 flags=AT_SYMLINK_NOFOLLOW", "chmod path=/proc/self/status mode=600", "chmod path=setgid mode=2777", "stat path=setgid"})},
	{id: 54, text: "changes owners as chown does, and clears the set-ID bits", steps: []string{"chmod path=file mode=6755", "chown path=file", "stat path=file", "chmod path=other mode=6777", "chown path=other uid=UID", "stat path=other", "chmod path=other mode=6777", "chown path=other gid=GID", "stat path=other", "lchown path=link uid=UID gid=GID", "chown path=dangling uid=UID",
		"lchown path=dangling uid=UID", "fchown fd=r:file uid=UID", "chown path=file uid=12345 gid=54321", "stat path=file", "chown path=dir uid=12345", "fchownat path=link gid=77 flags=AT_SYMLINK_NOFOLLOW", "lstat path=link", "chown path=unreadable uid=4294967294", "stat path=unreadable"}},
	{id: 55, text: "sets times as utimensat does", steps: []string{"utimensat path=file times=@null", "utimensat path=file atime=now mtime=now", "utimensat path=file atime=omit mtime=5.000000007", "stat path=file", "utimensat path=file atime=omit mtime=omit", "utimensat path=missing atime=omit mtime=omit", "utimensat path=@wild atime=omit mtime=omit", "utimensat path=missing atime=1 mtime=2",
		"utimensat path=file atime=1.1000000000 mtime=2", "utimensat path=file times=@wild", "utimensat path=@wild times=@wild", "utimensat path=link atime=3 mtime=4", "utimensat path=link atime=5 mtime=6 flags=AT_SYMLINK_NOFOLLOW", "utimensat dir=r:other path=@null atime=7 mtime=8", "utimensat dir=@bad path=@null", "utimensat dir=@cwd path=@null",
		"utimensat dir=r:other path=@null flags=AT_SYMLINK_NOFOLLOW", "utime path=dir/a atime=11 mtime=12", "utime path=dir/a times=@null", "utime path=dir/b times=@wild", "utimes path=dir/b atime=13.5 mtime=14.6", "utimes path=dir/b atime=13.1000000 mtime=14", "futimesat dir=dir:dir path=b atime=15 mtime=16", "futimesat dir=r:other path=@null atime=17 mtime=18",
		"utimensat path=dir atime=-5 mtime=-6", "utimensat path= atime=1 mtime=1", "utimensat path=file/ atime=1 mtime=1"}},
	{id: 56, text: "keeps extended attributes as natively", needs: []string{"user_xattrs"}, steps: []string{"getxattr path=attributed", "getxattr path=attributed name=user.none", "setxattr path=attributed name=user.x value=1 flags=XATTR_CREATE", "setxattr path=attributed name=user.none value=1 flags=XATTR_REPLACE", "setxattr path=attributed name=user.new value=two flags=XATTR_CREATE",
		"setxattr path=attributed name=user.x value=three flags=XATTR_REPLACE", "listxattr path=attributed", "getxattr path=attributed name=user.new", "setxattr path=attributed name= value=1", "setxattr path=attributed name=@repeat:256:u: value=1", "setxattr path=attributed name=user.@repeat:255:u: value=1", "setxattr path=attributed name=nonsense value=1",
		"setxattr path=attributed name=@wild value=1", "setxattr path=attributed value=@wild size=5", "setxattr path=attributed value=x size=70000", "setxattr path=attributed name=user.empty value= size=0", "setxattr path=link name=user.l value=1", "lsetxattr path=link name=user.l value=1", "lgetxattr path=link name=user.l", "setxattr path=fifo value=1",
		"setxattr path=dir name=user.d value=1", "removexattr path=attributed name=user.none", "removexattr path=attributed name=user.new", "fremovexattr fd=r:attributed name=user.x", "fsetxattr fd=r:attributed name=user.f value=1", "fgetxattr fd=r:attributed name=user.f", "flistxattr fd=r:attributed", "getxattr path=missing name=@wild",
		"setxattr path=missing name=nonsense value=1", "getxattr path=file name=trusted.x", "setxattr path=file name=system.nonsense value=1", "getxattr path=file name=security.capability", "listxattrat path=attributed"}},
	{id: 57, text: "truncates as truncate does", steps: []string{"truncate path=file n=3", "truncate path=file n=10", "truncate path=file n=-1", "truncate path=missing n=-1", "truncate path=dir n=0", "truncate path=fifo n=0", "truncate path=link n=1", "truncate path=/dev/null n=0", "truncate path=missing n=0", "ftruncate fd=rw:other n=2", "ftruncate fd=r:other n=1",
		"ftruncate fd=@bad n=1", "ftruncate fd=w:other n=-1", "ftruncate fd=0 n=1", "truncate path=other n=0x7fffffffffffffff", "truncate path=/proc/self/status n=0"}},
	{id: 58, text: "makes nodes as mknod does", steps: []string{"mknod path=a kind=reg mode=644", "mknod path=b kind=0 mode=644", "mknod path=c kind=fifo mode=600", "mknod path=d kind=sock mode=600", "mknod path=e kind=dir mode=755", "mknod path=f kind=lnk mode=755", "mknod path=g kind=0160000 mode=644", "mknod path=file kind=reg mode=644", "mknod path=dangling kind=fifo mode=644",
		"mknod path=missing/x kind=reg mode=644", "mknodat dir=dir:dir path=n kind=fifo mode=644", "mknod path=@wild kind=dir mode=644", "mknod path=@wild kind=reg mode=644", "openat path=d", "stat path=d", "mknod path=h kind=reg mode=644 dev=1:3", "stat path=h"}},
	{id: 59, text: "opens FIFOs that need no partner at once", steps: []string{"openat path=fifo flags=O_WRONLY|O_NONBLOCK", "openat path=fifo flags=O_RDONLY|O_NONBLOCK", "openat path=fifo flags=O_WRONLY|O_NONBLOCK", "write fd=@last value=through", "read fd=3", "openat path=fifo flags=O_RDWR", "openat path=fifo flags=O_WRONLY", "openat2 path=fifo flags=O_RDWR|O_NONBLOCK", "read fd=3"}},
	{id: 60, text: "opens devices", steps: []string{"openat path=/dev/null flags=O_RDWR", "write fd=@last value=x", "read fd=@last", "openat path=/dev/zero", "read fd=@last size=3", "openat path=/dev/full flags=O_WRONLY", "write fd=@last value=x", "openat path=/dev/null flags=O_CREAT|O_EXCL mode=600", "openat path=/dev/null flags=O_CREAT|O_WRONLY mode=600", "openat path=/dev/null flags=O_DIRECTORY",
		"stat path=/dev/null", "statx path=/dev/zero", "access path=/dev/null want=W_OK"}},
	{id: 61, text: "does not write to a program that runs", steps: []string{"openat path=/proc/self/exe flags=O_WRONLY", "openat path=/proc/self/exe flags=O_RDWR|O_TRUNC", "truncate path=/proc/self/exe n=0", "openat path=/proc/self/exe", "read fd=@last size=4"}},
	{id: 62, text: "shares offsets by dup and not by another open", steps: []string{"openat path=file flags=O_RDWR", "openat path=file", "dup fd=3", "read fd=3 size=3", "lseek fd=5 n2=SEEK_CUR", "lseek fd=4 n2=SEEK_CUR", "read fd=4 size=2", "lseek fd=3 n=-1 n2=SEEK_END", "read fd=5", "write fd=3 value=more", "read fd=4", "openat path=file flags=O_WRONLY|O_APPEND", "lseek fd=@last n=0", "write fd=@last value=end",
		"lseek fd=@last n2=SEEK_CUR", "fcntl fd=@last request=F_SETFL n=0", "fcntl fd=@last request=F_GETFL", "openat path=/proc/self/fd/3", "lseek fd=@last n2=SEEK_CUR"}},
	{id: 63, text: "works in a directory deeper than a path can say", steps: []string{"descend n=20 path=@repeat:250:d:", "getcwd", "openat path=here flags=O_CREAT|O_RDWR mode=644", "write fd=@last value=deep", "stat path=here", "lstat path=./here", "openat path=.", "getdents64 fd=@last", "openat path=../@repeat:250:d:/here", "mkdir path=sub mode=755", "rename path=here to=sub/there", "symlink path=sub/there to=l",
		"openat path=l", "read fd=@last", "readlink path=l", "chdir path=sub", "stat path=there", "unlink path=there", "chdir path=..", "rmdir path=sub", "access path=l", "unlink path=l", "chdir path=../..", "getcwd size=60000", "statx path=@repeat:250:d:", "truncate path=@repeat:250:d: n=0", "openat path=x flags=O_CREAT|O_EXCL|O_WRONLY mode=600", "utimensat path=x", "chmod path=x mode=640",
		"openat2 path=x resolve=RESOLVE_BENEATH", "openat path=$W/file"}},
	{id: 64, text: "keeps what is open when its name goes", steps: []string{"openat path=file flags=O_RDWR", "unlink path=file", "unlink path=hard", "fstat fd=3", "read fd=3", "write fd=3 value=more", "fchmod fd=3 mode=600", "ftruncate fd=3 n=2", "fstat fd=3", "newfstatat dir=3 path= flags=AT_EMPTY_PATH", "openat path=file", "rename path=other to=file", "fstat fd=3", "openat path=file flags=O_CREAT|O_EXCL mode=600", "fstatfs fd=3", "utimensat dir=3 path=@null"}},
	{id: 65, text: "tells all of a file's metadata", steps: []string{"stat path=$W/../still exact=1", "lstat path=$W/../still exact=1", "newfstatat path=$W/../still exact=1", "fstat fd=r:$W/../still exact=1", "statx path=$W/../still exact=1", "statx path=$W/../still mask=0xffff exact=1", "statx path=$W/../still mask=0 exact=1", "statx path=$W/../still mask=1 exact=1 flags=AT_STATX_FORCE_SYNC",
		"statx path=$W/../still mask=0x20 exact=1 flags=AT_STATX_DONT_SYNC", "statx dir=r:$W/../still path= flags=AT_EMPTY_PATH exact=1", "statfs path=$W/../still", "fstatfs fd=r:$W/../still", "statfs path=/proc", "statfs path=/dev/null", "statx path=/ mask=0", "newfstatat path=/dev/null exact=1"}},
	{id: 66, text: "makes each call from another thread as from the first", steps: slices.Concat(everyPathCall("file", ""), []string{"nofile n=4", "openat path=x"}), pathTry: pathTry{command: "thread"}},
	{id: 67, text: "watches with inotify as natively", steps: []string{"inotify_add_watch path=file mask=IN_ALL_EVENTS", "inotify_add_watch path=dangling mask=IN_MODIFY", "inotify_add_watch path=dangling mask=IN_MODIFY|IN_DONT_FOLLOW", "inotify_add_watch path=file mask=IN_MODIFY|IN_ONLYDIR", "inotify_add_watch path=dir mask=IN_MODIFY|IN_ONLYDIR", "inotify_add_watch path=@wild mask=IN_MODIFY",
		"inotify_add_watch path=missing mask=IN_MODIFY", "inotify_add_watch path=file/x mask=IN_MODIFY", "inotify_add_watch path=unreadable mask=IN_MODIFY", "inotify_add_watch path=link mask=0x40000000", "inotify_add_watch path= mask=IN_MODIFY"}},
	{id: 68, text: "takes names of any bytes", steps: slices.Concat(everyPathCall("name%20with%20%ff", "")[:30], []string{"openat path=%01%02 flags=O_CREAT|O_WRONLY mode=644", "mkdir path=%f0%9f%92%a9 mode=755", "getdents64 fd=dir:.", "openat path=*", "openat path=\\ flags=O_CREAT|O_WRONLY mode=644", "symlink path=%0a to=%0d", "readlink path=%0d"})},
	{id: 69, text: "lets root be another user in what it may do", needs: []string{"root"}, steps: slices.Concat([]string{"openat path=unreadable", "setresgid gid=65534", "setresuid uid=65534"}, pathPrivate)},
	{id: 70, text: "lets a user do to others' files what it may", needs: []string{"root"}, pathTry: pathTry{launch: []LaunchOption{As(65534, 65534)}}, steps: pathPrivate},
	{id: 71, text: "opens with O_PATH what is only to be named", steps: slices.Concat(pathModes("openat path=file flags=%[2]s", "O_PATH", "O_PATH|O_RDWR|O_APPEND|O_TRUNC", "O_PATH|O_CLOEXEC", "O_PATH|O_CREAT|O_EXCL", "O_PATH|O_DIRECTORY"),
		pathModes("openat flags=O_PATH path=%[2]s", "dir", "link", "dirlink", "fifo", "unreadable", "sealed", "dangling", "missing", "loop", "file/", "file/x", "", "@wild", ".", "/dev/null", "/proc/self"),
		[]string{"openat path=dir flags=O_PATH|O_DIRECTORY", "openat dir=@last path=a", "openat2 path=file flags=O_PATH|O_RDWR", "openat2 path=file flags=O_PATH|O_CLOEXEC", "openat2 path=new flags=O_PATH|O_CREAT", "mkdirat dir=path:dir path=new mode=755", "mknod path=socket kind=sock mode=600", "openat path=socket flags=O_PATH"})},
	{id: 73, text: "works in a directory below one that may not be searched", steps: []string{"openat path=. flags=O_DIRECTORY", "openat path=dir flags=O_DIRECTORY", "chdir path=dir/sub", "fchmod fd=3 mode=640", "stat path=.", "openat path=new flags=O_CREAT|O_RDWR mode=644", "write fd=@last value=more", "mkdir path=made mode=755",
		"rename path=new to=made/moved", "openat path=made/moved", "renameat2 path=missing to=. flags=RENAME_NOREPLACE", "symlink path=made/moved to=way", "stat path=way", "readlink path=way", "unlink path=way", "openat path=../a", "newfstatat dir=4 path=a", "openat dir=4 path=a flags=O_RDWR", "access path=$W/file want=R_OK", "openat path=$W/dir/a",
		"readlink path=/proc/self/cwd", "openat path=/proc/self/cwd/made", "chdir path=made", "rename path=moved to=../back", "chdir path=..", "rmdir path=made", "rmdir path=../sub", "chmod path=back mode=600", "truncate path=back n=1", "fchmod fd=3 mode=755", "stat path=$W/dir/sub/back"}},
	{id: 72, text: "has the errno of a call that the kernel lacks or that makes no sense", steps: []string{"ioctl fd=r:file request=TIOCGWINSZ", "ioctl fd=r:dir request=FS_IOC_GETFLAGS", "ioctl fd=@bad request=FIONREAD", "fchdir fd=r:file", "fchdir fd=@bad", "fchdir fd=0", "chdir path=unreadable", "fgetxattr fd=@bad", "fstat fd=@bad", "fstat fd=0", "fstatfs fd=@bad", "fstatfs fd=1", "fchown fd=@bad", "statx dir=@bad path=x"}},
	{id: 74, text: "opens regular files only for who asks for that (Linux 7.2)", steps: append(
		pathModes("openat2 flags=OPENAT2_REGULAR path=%[2]s", "file", "link", "dir", "dirlink", "missing", "dangling", "/dev/null", "closed/x", "/proc/self/exe", "/proc/self/fd/0"),
		"openat2 path=fifo flags=OPENAT2_REGULAR|O_NONBLOCK", "openat2 path=dir flags=OPENAT2_REGULAR|O_DIRECTORY", "openat2 path=file flags=OPENAT2_REGULAR|O_DIRECTORY", "openat2 path=link flags=OPENAT2_REGULAR|O_NOFOLLOW", "openat2 path=dir flags=OPENAT2_REGULAR|O_PATH",
		"openat2 path=new flags=OPENAT2_REGULAR|O_CREAT|O_RDWR mode=640", "openat2 path=new flags=OPENAT2_REGULAR|O_CREAT|O_WRONLY|O_TRUNC mode=640", "openat2 path=dir flags=OPENAT2_REGULAR|O_CREAT mode=640", "openat2 path=fifo flags=OPENAT2_REGULAR|O_CREAT|O_NONBLOCK mode=640",
		"openat2 path=dir flags=OPENAT2_REGULAR|O_TMPFILE|O_RDWR mode=600", "openat2 path=@wild flags=OPENAT2_REGULAR", "openat path=dir flags=OPENAT2_REGULAR"), needs: []string{"openat2"}},
}

// pathPrivate is what is refused to who doesn't own the tree.
var pathPrivate = slices.Concat(pathAccess("file", "unreadable", "sealed", "readonly", "dir", "sticky"), []string{
	"openat path=unreadable", "openat path=file flags=O_WRONLY", "openat path=file", "openat path=dir/b", "openat path=sealed", "openat path=sealed/x", "openat path=sealed/x flags=O_CREAT|O_WRONLY mode=644", "stat path=sealed/..", "stat path=sealed/.", "chdir path=sealed",
	"openat path=new flags=O_CREAT|O_WRONLY mode=644", "openat path=sticky/mine flags=O_CREAT|O_RDWR mode=640", "openat path=missing/x flags=O_CREAT|O_WRONLY mode=644", "openat path=readonly/x flags=O_CREAT|O_WRONLY mode=644", "mkdir path=readonly/x mode=755", "mkdir path=sticky/d mode=755", "unlink path=file", "unlink path=missing", "rename path=file to=new", "rename path=sticky/mine to=sticky/mine2",
	"chmod path=file mode=777", "chmod path=sticky/mine2 mode=4755", "stat path=sticky/mine2", "chown path=file uid=65534", "chown path=sticky/mine2 uid=0", "chown path=sticky/mine2 gid=65534", "utimensat path=file", "utimensat path=file times=@null", "truncate path=file n=0", "truncate path=sticky/mine2 n=1", "setxattr path=file value=1", "getxattr path=unreadable", "link path=file to=sticky/linked",
	"link path=unreadable to=sticky/linked2", "symlink path=x to=sticky/l", "symlink path=x to=l", "mknod path=sticky/n kind=chr mode=666 dev=1:3", "mknod path=sticky/f kind=fifo mode=666", "openat path=file flags=O_NOATIME", "openat path=dir flags=O_TMPFILE|O_RDWR mode=600", "openat path=sticky flags=O_TMPFILE|O_RDWR mode=600", "rmdir path=dir/sub", "rmdir path=sticky/d",
	"faccessat2 path=unreadable want=R_OK flags=AT_EACCESS", "listxattr path=sealed/x", "statfs path=sealed", "inotify_add_watch path=unreadable mask=IN_MODIFY", "readlink path=sealed/x", "openat path=/etc/shadow", "openat path=/proc/1/environ", "readlink path=/proc/1/exe", "openat path=/proc/1/mem",
})

func pathAccess(paths ...string) []string {
	var steps []string
	for _, path := range paths {
		for _, want := range []string{"F_OK", "R_OK", "W_OK", "X_OK", "R_OK|W_OK|X_OK"} {
			steps = append(steps, "access path="+path+" want="+want, "faccessat2 path="+path+" want="+want+" flags=AT_EACCESS")
		}
	}
	return steps
}

// pathChain makes 41 links, each to the one before it, and follows them.
func pathChain() []string {
	steps := []string{"symlink path=file to=c1"}
	for i := 2; i <= 41; i++ {
		steps = append(steps, fmt.Sprintf("symlink path=c%d to=c%d", i-1, i))
	}
	for _, end := range []string{"c39", "c40", "c41"} {
		steps = append(steps, "openat path="+end, "stat path="+end, "lstat path="+end, "access path="+end, "openat flags=O_NOFOLLOW path="+end, "chdir path="+end,
			"openat flags=O_CREAT|O_WRONLY mode=644 path="+end, "truncate n=2 path="+end, "chmod mode=600 path="+end, "readlink path="+end, "openat2 path="+end, "linkat flags=AT_SYMLINK_FOLLOW to=of-"+end+" path="+end)
	}
	return steps
}

func (e pathEquality) try() pathTry {
	t := e.pathTry
	for _, step := range e.steps {
		step = strings.ReplaceAll(step, "=UID", fmt.Sprint("=", os.Geteuid()))
		t.steps = append(t.steps, strings.ReplaceAll(step, "=GID", fmt.Sprint("=", os.Getegid())))
	}
	return t
}

var _ = Describe("a call on a path that is intercepted and allowed", func() {
	for _, e := range pathEqualities {
		decorators := []any{}
		if len(e.needs) > 0 {
			decorators = append(decorators, Requires(e.needs...))
		}
		Spec(fmt.Sprintf("PTH-04.%d", e.id), e.text, func(ctx context.Context) {
			File("still", "still\n", 0o644)
			e.try().same(ctx, pathEverything)
		}, decorators...)
	}

	Spec("PTH-04.75", "is refused a directory that it would create, where nothing may be created, as natively", func(ctx context.Context) {
		pathTry{steps: []string{"openat path=dir flags=O_CREAT mode=644", "openat path=dirlink flags=O_CREAT mode=644", "open path=dir flags=O_CREAT|O_RDWR mode=644", "openat path=dir/ flags=O_CREAT mode=644",
			"openat path=file flags=O_CREAT|O_RDWR mode=644", "openat path=fifo flags=O_CREAT|O_NONBLOCK mode=644", "openat path=link flags=O_CREAT|O_WRONLY mode=644", "openat path=link flags=O_CREAT|O_NOFOLLOW mode=644", "openat path=file flags=O_CREAT|O_EXCL mode=644"},
		}.same(ctx, append(slices.Clone(pathEverything), "-m", "deny/create+/***"))
	})

	Spec("PTH-04.76", "follows no link of somebody else's in a directory of everybody's, where the kernel protects from that", func(ctx context.Context) {
		dir := TempDir() + "/everybody"
		Expect(os.Mkdir(dir, 0o755)).To(Succeed())
		Expect(os.Chmod(dir, 0o777|os.ModeSticky)).To(Succeed())
		for name, to := range map[string]string{"l": "/etc/passwd", "d": "/etc", "own": "/etc/passwd"} {
			Expect(os.Symlink(to, dir+"/"+name)).To(Succeed())
			if name != "own" {
				Expect(os.Lchown(dir+"/"+name, 65534, 65534)).To(Succeed())
			}
		}
		Expect(os.Symlink(dir, TempDir()+"/way")).To(Succeed())
		Expect(os.Symlink(dir+"/l", TempDir()+"/nested")).To(Succeed())
		var steps []string
		for _, path := range []string{"everybody/l", "way/l", "nested", "everybody/d/passwd", "way/d/passwd", "everybody/d", "way/d", "everybody/own", "way/own", "way/l/", "way/d/"} {
			path = TempDir() + "/" + path
			steps = append(steps, "openat path="+path, "stat path="+path, "lstat path="+path, "access want=R_OK path="+path, "openat flags=O_NOFOLLOW path="+path, "openat flags=O_CREAT mode=644 path="+path, "chdir path="+path, "readlink path="+path)
		}
		pathTry{steps: steps}.same(ctx, pathEverything)
	}, RootOnly)

	Spec("PTH-04.77", "creates no file over somebody else's in a directory of everybody's, where the kernel protects from that", func(ctx context.Context) {
		for name, mode := range map[string]os.FileMode{"everybody": 0o777, "group": 0o775} { // the latter: where the setting is 2
			dir := TempDir() + "/" + name
			Expect(os.Mkdir(dir, 0o755)).To(Succeed())
			Expect(os.Chmod(dir, mode|os.ModeSticky)).To(Succeed())
			for _, name := range []string{"file", "own"} {
				Expect(os.WriteFile(dir+"/"+name, nil, 0o666)).To(Succeed())
			}
			Expect(syscall.Mkfifo(dir+"/fifo", 0o666)).To(Succeed())
			var steps []string
			for _, name := range []string{"file", "own", "fifo"} {
				if name != "own" {
					Expect(os.Chown(dir+"/"+name, 65534, 65534)).To(Succeed())
				}
				path := " path=" + dir + "/" + name
				steps = append(steps, "openat flags=O_CREAT|O_RDWR|O_NONBLOCK mode=644"+path, "openat flags=O_RDWR|O_NONBLOCK"+path, "openat flags=O_CREAT|O_WRONLY|O_NONBLOCK mode=644"+path)
			}
			pathTry{steps: steps}.same(ctx, pathEverything)
			// Where what may be is not the same for all that an open may be about.
			pathTry{steps: slices.DeleteFunc(slices.Clone(steps), func(s string) bool { return strings.Contains(s, "O_RDWR") })}.same(ctx, append(slices.Clone(pathEverything), "-m", "deny/read+"+dir+"/***"))
			// Where nothing may be created, so that the kernel isn't told of O_CREAT.
			pathTry{steps: steps}.same(ctx, append(slices.Clone(pathEverything), "-m", "deny/create+"+dir+"/***"))
		}
	}, RootOnly)

	Spec("PTH-04.99", "is as natively for a program of the foreign ABI, in all these ways", func(ctx context.Context) {
		File("still", "still\n", 0o644)
		for _, e := range pathEqualities {
			if _, diverges := catalogue.FindDivergence(fmt.Sprintf("PTH-04.%d", e.id)); diverges {
				continue
			}
			if slices.ContainsFunc(e.needs, func(name string) bool { answer, err := capability.Ask(name); return err != nil || !answer.OK }) {
				continue
			}
			try := e.try()
			try.foreign = true
			// O_LARGEFILE, which it shows, has specs of its own.
			try.steps = slices.DeleteFunc(try.steps, func(step string) bool { return strings.HasSuffix(step, "request=F_GETFL") })
			try.same(ctx, pathEverything)
		}
	}, Requires("i386"), TimeLimit(2*time.Minute), Stress)

	Spec("PTH-04.98", "opens no file for a program of the foreign ABI that is too large for what it says of itself", func(ctx context.Context) {
		const creates = "openat path=new flags=O_CREAT|O_RDWR|O_LARGEFILE mode=644"
		native := pathTry{foreign: true, steps: []string{creates, "ftruncate fd=3 n=2147483648", "openat path=new", "openat path=new flags=O_LARGEFILE", "open path=new flags=O_WRONLY|O_TRUNC", "openat2 path=new",
			"openat path=new flags=O_PATH", "openat path=new flags=O_CREAT|O_EXCL", "symlink path=new to=way", "openat path=way flags=O_RDWR", "stat path=new", "ftruncate fd=3 n=2147483647", "openat path=new", "open path=way flags=O_RDWR"}}.same(ctx, pathEverything)
		if probe, err := os.OpenFile(File("probe", "", 0o600), os.O_RDONLY|syscall.O_DIRECT, 0); err == nil {
			Expect(probe.Close()).To(Succeed())
			Expect(native.Stdout).To(ContainSubstring("openat EOVERFLOW"))
		} // else it is tmpfs before Linux 6.6, which doesn't mind
	}, Requires("i386"))

	Spec("PTH-04.97", "gives no program of the foreign ABI O_LARGEFILE that it didn't ask for", func(ctx context.Context) {
		pathTry{foreign: true, steps: []string{"openat path=file", "fcntl fd=3 request=F_GETFL"}}.same(ctx, pathEverything)
	}, Requires("i386"))
})

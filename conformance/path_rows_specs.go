// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"syd/conformance/capability"
	. "syd/conformance/harness"
)

// A pathRow is one call in one form, and what decides about it: each of the
// categories, by itself, for the path.
type pathRow struct {
	id         int
	name       string
	categories string
	path       string // below the tree's root
	step       string
	pass       string // a file that the call's descriptor 3 is; see pathPass
	needs      string
}

// pathRowList is every call that takes a path, or acts on a descriptor as a
// path would. IDs are never used again.
var pathRowList = []pathRow{
	{1, "open to read", "read", "file", "open path=file", "", "amd64"},
	{2, "open to write", "write", "file", "open path=file flags=O_WRONLY", "", "amd64"},
	{3, "open to read and write", "read,write", "file", "open path=file flags=O_RDWR", "", "amd64"},
	{4, "open that creates", "create", "new", "open path=new flags=O_CREAT|O_WRONLY mode=640", "", "amd64"},
	{5, "open of a file that O_CREAT finds", "write", "file", "open path=file flags=O_CREAT|O_WRONLY mode=640", "", "amd64"},
	{6, "open that creates exclusively", "create", "new", "open path=new flags=O_CREAT|O_EXCL|O_RDWR mode=600", "", "amd64"},
	{7, "open that truncates", "write,truncate", "file", "open path=file flags=O_WRONLY|O_TRUNC", "", "amd64"},
	{8, "open of a directory", "readdir", "dir", "open path=dir flags=O_DIRECTORY", "", "amd64"},
	{9, "open of what turns out to be a directory", "readdir", "dir", "open path=dir", "", "amd64"},
	{10, "creat of a new file", "create", "new", "creat path=new mode=644", "", "amd64"},
	{11, "creat of an old file", "write,truncate", "file", "creat path=file mode=644", "", "amd64"},
	{12, "openat to read", "read", "file", "openat path=file", "", ""},
	{13, "openat to append", "write", "file", "openat path=file flags=O_WRONLY|O_APPEND", "", ""},
	{14, "openat to read and write", "read,write", "file", "openat path=file flags=O_RDWR|O_CLOEXEC", "", ""},
	{15, "openat from a directory", "read", "dir/a", "openat dir=dir:dir path=a", "", ""},
	{16, "openat by an absolute path", "read", "file", "openat dir=@bad path=$W/file", "", ""},
	{17, "openat through dots", "read", "file", "openat path=dir/../dir/sub/../../file", "", ""},
	{18, "openat through a symlink", "read", "file", "openat path=link", "", ""},
	{19, "openat through a directory's symlink", "read", "dir/a", "openat path=dirlink/a", "", ""},
	{20, "openat that creates", "create", "new", "openat path=new flags=O_CREAT|O_RDWR mode=600", "", ""},
	{21, "openat that creates through a dangling symlink", "create", "nowhere", "openat path=dangling flags=O_CREAT|O_WRONLY mode=600", "", ""},
	{22, "openat of a directory", "readdir", "dir", "openat path=dir flags=O_DIRECTORY|O_CLOEXEC", "", ""},
	{23, "openat that makes a file without a name", "mktemp", "dir", "openat path=dir flags=O_TMPFILE|O_RDWR mode=600", "", ""},
	{24, "openat that only names", "stat", "file", "openat path=file flags=O_PATH", "", ""},
	{25, "openat that only names a directory", "stat", "dir", "openat path=dir flags=O_PATH|O_DIRECTORY", "", ""},
	{26, "openat that only names a symlink", "stat", "link", "openat path=link flags=O_PATH|O_NOFOLLOW", "", ""},
	{27, "openat of a FIFO", "read,write", "fifo", "openat path=fifo flags=O_RDWR", "", ""},
	{28, "openat2 to read", "read", "file", "openat2 path=file", "", "openat2"},
	{29, "openat2 to write and truncate", "write,truncate", "file", "openat2 path=file flags=O_WRONLY|O_TRUNC", "", "openat2"},
	{30, "openat2 that creates", "create", "new", "openat2 path=new flags=O_CREAT|O_RDWR mode=644", "", "openat2"},
	{31, "openat2 below a directory", "read", "dir/a", "openat2 dir=dir:dir path=a resolve=RESOLVE_BENEATH", "", "openat2"},
	{32, "openat2 of a directory", "readdir", "dir", "openat2 path=dir", "", "openat2"},
	{33, "openat2 that only names", "stat", "file", "openat2 path=file flags=O_PATH", "", "openat2"},
	{34, "openat2 that makes a file without a name", "mktemp", "dir", "openat2 path=dir flags=O_TMPFILE|O_WRONLY mode=600", "", "openat2"},
	{35, "stat", "stat", "file", "stat path=file", "", "amd64"},
	{36, "stat through a symlink", "stat", "file", "stat path=link", "", "amd64"},
	{37, "lstat of a symlink", "stat", "link", "lstat path=link", "", "amd64"},
	{38, "newfstatat", "stat", "file", "newfstatat path=file", "", ""},
	{39, "newfstatat of a symlink", "stat", "link", "newfstatat path=link flags=AT_SYMLINK_NOFOLLOW", "", ""},
	{40, "newfstatat of a descriptor", "stat", "file", "newfstatat dir=3 path= flags=AT_EMPTY_PATH", "r:file", ""},
	{41, "statx", "stat", "dir", "statx path=dir", "", ""},
	{42, "statx from a directory", "stat", "dir/a", "statx dir=dir:dir path=a flags=AT_SYMLINK_NOFOLLOW", "", ""},
	{43, "statx of a descriptor", "stat", "file", "statx dir=3 path= flags=AT_EMPTY_PATH", "r:file", ""},
	{44, "fstat", "stat", "file", "fstat fd=3", "r:file", ""},
	{45, "access", "stat", "file", "access path=file want=R_OK", "", "amd64"},
	{46, "faccessat", "stat", "dir/a", "faccessat dir=dir:dir path=a want=F_OK", "", ""},
	{47, "faccessat2", "stat", "file", "faccessat2 path=file want=R_OK flags=AT_EACCESS", "", "faccessat2"},
	{48, "faccessat2 of a descriptor", "stat", "file", "faccessat2 dir=3 path= want=R_OK flags=AT_EMPTY_PATH", "r:file", "faccessat2"},
	{49, "readlink", "stat", "link", "readlink path=link", "", "amd64"},
	{50, "readlinkat", "stat", "link", "readlinkat path=link", "", ""},
	{51, "readlinkat of a descriptor", "stat", "link", "readlinkat dir=3 path=", "nofollow:link", ""},
	{52, "statfs", "stat", "file", "statfs path=file", "", ""},
	{53, "fstatfs", "stat", "file", "fstatfs fd=3", "r:file", ""},
	{54, "inotify_add_watch", "stat", "file", "inotify_add_watch path=file mask=IN_MODIFY", "", ""},
	{55, "getxattr", "read", "attributed", "getxattr path=attributed", "", "user_xattrs"},
	{56, "lgetxattr", "read", "attributed", "lgetxattr path=attributed", "", "user_xattrs"},
	{57, "fgetxattr", "read", "attributed", "fgetxattr fd=3", "r:attributed", "user_xattrs"},
	{58, "listxattr", "read", "attributed", "listxattr path=attributed", "", "user_xattrs"},
	{59, "llistxattr", "read", "attributed", "llistxattr path=attributed", "", "user_xattrs"},
	{60, "flistxattr", "read", "attributed", "flistxattr fd=3", "r:attributed", "user_xattrs"},
	{61, "listxattrat", "read", "attributed", "listxattrat path=attributed", "", "xattrat"},
	{62, "truncate", "truncate", "file", "truncate path=file n=3", "", ""},
	{63, "ftruncate", "truncate", "file", "ftruncate fd=3 n=3", "w:file", ""},
	{64, "mkdir", "mkdir", "new", "mkdir path=new mode=750", "", "amd64"},
	{65, "mkdirat", "mkdir", "dir/new", "mkdirat dir=dir:dir path=new mode=750", "", ""},
	{66, "mknod of a file", "create", "new", "mknod path=new kind=reg mode=640", "", "amd64"},
	{67, "mknod of a FIFO", "mkfifo", "new", "mknod path=new kind=fifo mode=640", "", "amd64"},
	{68, "mknodat of a FIFO", "mkfifo", "dir/new", "mknodat dir=dir:dir path=new kind=fifo mode=640", "", ""},
	{69, "mknodat of a socket", "create", "new", "mknodat path=new kind=sock mode=640", "", ""},
	{70, "mknodat of a file", "create", "new", "mknodat path=new mode=640", "", ""},
	{71, "link from a file", "rename", "file", "link path=file to=new", "", "amd64"},
	{72, "link to a name", "rename", "new", "link path=file to=new", "", "amd64"},
	{73, "linkat from a directory", "rename", "dir/a", "linkat dir=dir:dir path=a to=new", "", ""},
	{74, "linkat to a name", "rename", "dir/new", "linkat path=file todir=dir:dir to=new", "", ""},
	{75, "linkat through a symlink", "rename", "file", "linkat path=link to=new flags=AT_SYMLINK_FOLLOW", "", ""},
	{76, "symlink", "symlink", "new", "symlink path=file to=new", "", "amd64"},
	{77, "symlinkat", "symlink", "dir/new", "symlinkat path=a todir=dir:dir to=new", "", ""},
	{78, "unlink", "delete", "file", "unlink path=file", "", "amd64"},
	{79, "unlink of a symlink", "delete", "link", "unlink path=link", "", "amd64"},
	{80, "unlinkat", "delete", "dir/a", "unlinkat dir=dir:dir path=a", "", ""},
	{81, "unlinkat of a directory", "rmdir", "closed", "unlinkat path=closed flags=AT_REMOVEDIR", "", ""},
	{82, "rmdir", "rmdir", "closed", "rmdir path=closed", "", "amd64"},
	{83, "rename from a name", "rename", "file", "rename path=file to=new", "", "amd64"},
	{84, "rename to a name", "rename", "new", "rename path=file to=new", "", "amd64"},
	{85, "rename of a directory", "rename", "dir", "rename path=dir to=new", "", "amd64"},
	{86, "renameat from a directory", "rename", "dir/a", "renameat dir=dir:dir path=a to=new", "", "amd64"},
	{87, "renameat2 without replacing", "rename", "file", "renameat2 path=file to=new flags=RENAME_NOREPLACE", "", ""},
	{88, "renameat2 that exchanges", "rename", "other", "renameat2 path=file to=other flags=RENAME_EXCHANGE", "", ""},
	{89, "chmod", "chmod", "file", "chmod path=file mode=600", "", "amd64"},
	{90, "fchmod", "chmod", "file", "fchmod fd=3 mode=600", "r:file", ""},
	{91, "fchmodat", "chmod", "dir/a", "fchmodat dir=dir:dir path=a mode=600", "", ""},
	{92, "fchmodat2", "chmod", "file", "fchmodat2 path=file mode=600", "", "fchmodat2"},
	{93, "fchmodat2 of a descriptor", "chmod", "file", "fchmodat2 dir=3 path= mode=600 flags=AT_EMPTY_PATH", "r:file", "fchmodat2"},
	{94, "chown of the owner", "chown", "file", "chown path=file uid=UID", "", "amd64"},
	{95, "chown of the group", "chgrp", "file", "chown path=file gid=GID", "", "amd64"},
	{96, "chown of both", "chown,chgrp", "file", "chown path=file uid=UID gid=GID", "", "amd64"},
	{97, "lchown", "chown", "link", "lchown path=link uid=UID", "", "amd64"},
	{98, "fchown", "chown", "file", "fchown fd=3 uid=UID", "r:file", ""},
	{99, "fchownat", "chgrp", "dir/a", "fchownat dir=dir:dir path=a gid=GID", "", ""},
	{100, "fchownat of a symlink", "chown", "link", "fchownat path=link uid=UID flags=AT_SYMLINK_NOFOLLOW", "", ""},
	{101, "fchownat of a descriptor", "chown", "file", "fchownat dir=3 path= uid=UID flags=AT_EMPTY_PATH", "r:file", ""},
	{102, "utime", "utime", "file", "utime path=file atime=5 mtime=6", "", "amd64"},
	{103, "utimes", "utime", "file", "utimes path=file atime=5 mtime=6", "", "amd64"},
	{104, "futimesat", "utime", "dir/a", "futimesat dir=dir:dir path=a atime=5 mtime=6", "", "amd64"},
	{105, "utimensat", "utime", "file", "utimensat path=file atime=5 mtime=6", "", ""},
	{106, "utimensat of a symlink", "utime", "link", "utimensat path=link atime=5 mtime=6 flags=AT_SYMLINK_NOFOLLOW", "", ""},
	{107, "utimensat of a descriptor", "utime", "file", "utimensat dir=3 path=@null atime=5 mtime=6", "r:file", ""},
	{108, "setxattr", "chattr", "file", "setxattr path=file value=y", "", "user_xattrs"},
	{109, "lsetxattr", "chattr", "file", "lsetxattr path=file value=y", "", "user_xattrs"},
	{110, "fsetxattr", "chattr", "file", "fsetxattr fd=3 value=y", "r:file", "user_xattrs"},
	{111, "removexattr", "chattr", "attributed", "removexattr path=attributed", "", "user_xattrs"},
	{112, "lremovexattr", "chattr", "attributed", "lremovexattr path=attributed", "", "user_xattrs"},
	{113, "fremovexattr", "chattr", "attributed", "fremovexattr fd=3", "r:attributed", "user_xattrs"},
	{114, "chdir", "chdir", "dir", "chdir path=dir", "", ""},
	{115, "fchdir", "chdir", "dir", "fchdir fd=3", "r:dir", ""},
	{116, "ioctl", "ioctl", "file", "ioctl fd=3 request=FIONREAD", "r:file", ""},
	{117, "openat of a new name in a directory", "create", "dir/new", "openat dir=dir:dir path=new flags=O_CREAT|O_WRONLY mode=600", "", ""},
	{118, "truncate through a symlink", "truncate", "file", "truncate path=link n=3", "", ""},
	{119, "chmod through a symlink", "chmod", "file", "chmod path=link mode=600", "", "amd64"},
	{120, "openat of /proc/self/fd/N", "read", "file", "openat path=/proc/self/fd/3", "r:file", ""},
}

func (r pathRow) try() pathTry {
	step := strings.ReplaceAll(strings.ReplaceAll(r.step, "=UID", fmt.Sprint("=", os.Geteuid())), "=GID", fmt.Sprint("=", os.Getegid()))
	return pathTry{command: "do", pass: r.pass, steps: []string{step}}
}

// refusal is what a call gives that one of the categories denies.
func (r pathRow) refusal(category string) string {
	if category == "stat" || category == "walk" || category == "list" {
		return "ENOENT"
	}
	return "EACCES"
}

// each runs the row natively, where it has to succeed, and then under the rules
// that each of its categories makes.
func (r pathRow) each(ctx context.Context, t pathTry, rules func(category, path string) []string, judge func(category string, result, native Result, state, before, after []string)) {
	GinkgoHelper()
	native, after := t.run(ctx, nil)
	call, _, _ := strings.Cut(pathStep(r.step, t.foreign), " ")
	Expect(native).To(HaveFact(call, "ok"), "the control")
	before := pathState(pathTree())
	for category := range strings.SplitSeq(r.categories, ",") {
		result, state := t.run(ctx, pathRules(rules(category, TempDir()+"/w/"+r.path)...))
		judge(category, result, native, state, before, after)
	}
}

// recorded expects one record of what an action did about the row.
func (r pathRow) recorded(result Result, action, category, call string) {
	GinkgoHelper()
	records := execRecords(result)
	Expect(records).To(HaveLen(1), "%s", result)
	Expect(records[0]).To(And(HaveKeyWithValue("ctx", "access"), HaveKeyWithValue("cap", category), HaveKeyWithValue("act", action),
		HaveKeyWithValue("sys", call), HaveKeyWithValue("path", TempDir()+"/w/"+r.path)), "%s", result)
}

// pathOutcomes are what can become of a row's call, each a spec a row.
var pathOutcomes = []struct {
	clause string
	number func(row int) int
	text   string
	try    func(ctx context.Context, r pathRow, t pathTry)
	// seldom: for most rows only with --slow, as it depends on the call no more.
	seldom bool
}{
	{"PTH-01", func(row int) int { return row }, "is as natively when it is allowed", func(ctx context.Context, r pathRow, t pathTry) {
		t.command = "show"
		Expect(t.same(ctx, pathEverything)).To(HaveFact(strings.Fields(pathStep(r.step, t.foreign))[0], "ok"))
	}, false},
	{"PTH-02", func(row int) int { return 10*row + 1 }, "fails, changes nothing and leaves one record when it is denied", func(ctx context.Context, r pathRow, t pathTry) {
		r.each(ctx, t, func(category, path string) []string { return []string{"deny/" + category + "+" + path} },
			func(category string, result, native Result, state, before, after []string) {
				GinkgoHelper()
				call, _, _ := strings.Cut(pathStep(r.step, t.foreign), " ")
				Expect(result.Fact(call)).To(BeDenied(r.refusal(category)), "%s: %s", category, result)
				Expect(state).To(Equal(before), category)
				r.recorded(result, "deny", category, call)
			})
	}, false},
	{"PTH-02", func(row int) int { return 10*row + 2 }, "finds nothing where it is denied and can't be seen either", func(ctx context.Context, r pathRow, t pathTry) {
		r.each(ctx, t, func(category, path string) []string { return []string{"deny/" + category + ",stat+" + path} },
			func(category string, result, native Result, state, before, after []string) {
				GinkgoHelper()
				call, _, _ := strings.Cut(pathStep(r.step, t.foreign), " ")
				Expect(result.Fact(call)).To(BeDenied("ENOENT"), "%s: %s", category, result)
				Expect(state).To(Equal(before), category)
			})
	}, false},
	{"PTH-02", func(row int) int { return 10*row + 3 }, "works and leaves one record when it is warned of", func(ctx context.Context, r pathRow, t pathTry) {
		r.each(ctx, t, func(category, path string) []string { return []string{"warn/" + category + "+" + path} },
			func(category string, result, native Result, state, before, after []string) {
				GinkgoHelper()
				Expect(result).To(EqualNative(native))
				Expect(state).To(Equal(after), category)
				call, _, _ := strings.Cut(pathStep(r.step, t.foreign), " ")
				r.recorded(result, "warn", category, call)
			})
	}, true},
	{"PTH-02", func(row int) int { return 10*row + 4 }, "fails without a record when it is filtered", func(ctx context.Context, r pathRow, t pathTry) {
		r.each(ctx, t, func(category, path string) []string { return []string{"filter/" + category + "+" + path} },
			func(category string, result, native Result, state, before, after []string) {
				GinkgoHelper()
				call, _, _ := strings.Cut(pathStep(r.step, t.foreign), " ")
				Expect(result.Fact(call)).To(BeDenied(r.refusal(category)), "%s: %s", category, result)
				Expect(state).To(Equal(before), category)
				Expect(execRecords(result)).To(BeEmpty(), "%s", result)
			})
	}, true},
}

var _ = Describe("the call", func() {
	for _, row := range pathRowList {
		for _, outcome := range pathOutcomes {
			var needs []any
			if row.needs != "" {
				needs = append(needs, Requires(row.needs))
			}
			if outcome.seldom && row.id%8 != 0 {
				needs = append(needs, Slow)
			}
			Spec(fmt.Sprintf("%s.%d", outcome.clause, outcome.number(row.id)), row.name+" "+outcome.text, func(ctx context.Context) {
				outcome.try(ctx, row, row.try())
			}, needs...)
		}
	}

	for i, outcome := range pathOutcomes {
		Spec(fmt.Sprintf("%s.%d", outcome.clause, 9001+i), "of an i386 program, in every form, "+outcome.text, func(ctx context.Context) {
			for _, row := range pathRowList {
				answer := capability.Answer{OK: true}
				if row.needs != "" {
					var err error
					answer, err = capability.Ask(row.needs)
					Expect(err).NotTo(HaveOccurred())
				}
				if t := row.try(); answer.OK && pathStep(row.step, true) != "" {
					t.foreign = true
					outcome.try(ctx, row, t)
				}
			}
		}, Requires("i386"), TimeLimit(3*time.Minute), Stress)
	}
})

// pathRefused are calls that this version makes for nobody while a category
// that they are about is on: they don't pass unchecked.
var pathRefused = []struct {
	id          int
	step, needs string
}{
	{1001, "name_to_handle_at path=file", "file_handles"}, {1002, "getxattrat path=attributed", "xattrat"}, {1003, "setxattrat path=file value=1", "xattrat"},
	{1004, "removexattrat path=attributed", "xattrat"}, {1005, "fanotify_mark path=file flags=FAN_MARK_ADD mask=FAN_OPEN", "root"}, {1006, "chroot path=dir", "root"},
}

var _ = Describe("a call that no receiver makes", func() {
	for _, row := range pathRefused {
		call, _, _ := strings.Cut(row.step, " ")
		Spec(fmt.Sprintf("PTH-01.%d", row.id), "is refused, not let go on, while its categories are on: "+call, func(ctx context.Context) {
			t := pathTry{command: "do", steps: []string{row.step}}
			native, after := t.run(ctx, nil)
			Expect(native).To(HaveFact(call, "ok"))
			before := pathState(pathTree())
			result, state := t.run(ctx, pathEverything)
			Expect(result.Fact(call)).To(BeElementOf("ENOSYS", "EOPNOTSUPP", "EACCES", "EPERM", "ok"), "%s", result)
			if result.Fact(call) == "ok" { // a version that makes it
				Expect(state).To(Equal(after))
			} else {
				Expect(state).To(Equal(before))
			}
			result, state = t.run(ctx, Rules("sandbox/all:off", "sandbox/exec:on", "allow/exec+/***"))
			Expect(result).To(EqualNative(native))
			Expect(state).To(Equal(after))
		}, Requires(row.needs))
	}
})

var _ = Describe("walk", func() {
	// Each call needs to pass through a directory, or a symlink.
	calls := []string{"openat", "newfstatat", "statx", "faccessat", "readlinkat", "truncate", "fchmodat mode=600", "utimensat", "unlinkat", "renameat2 to=new", "getxattr", "statfs", "linkat to=new", "mkdirat mode=755", "inotify_add_watch mask=IN_MODIFY", "openat flags=O_CREAT|O_WRONLY mode=644"}
	passes := func(ctx context.Context, denied, through, beside string) {
		GinkgoHelper()
		steps := func(path string) pathTry {
			t := pathTry{command: "do"}
			for _, call := range calls {
				t.steps = append(t.steps, call+" path="+path)
			}
			return t
		}
		opts := pathRules("deny/walk+" + TempDir() + "/w/" + denied)
		result, _ := steps(through).run(ctx, opts)
		Expect(result.Lines()).To(HaveLen(len(calls)))
		Expect(result.Lines()).To(HaveEach(HaveSuffix(" ENOENT")), "%s", result)
		Expect(execRecords(result)).To(HaveLen(len(calls)), "%s", result)
		Expect(execRecords(result)).To(HaveEach(And(HaveKeyWithValue("cap", "walk"), HaveKeyWithValue("path", TempDir()+"/w/"+denied))))
		native, _ := steps(beside).run(ctx, nil)
		Expect(native).To(SayLine("openat ok"))
		result, _ = steps(beside).run(ctx, opts)
		Expect(result).To(EqualNative(native))
		Expect(execRecords(result)).To(BeEmpty(), "%s", result)
	}
	Spec("PTH-01.1101", "of a directory is what every path through it needs", func(ctx context.Context) {
		passes(ctx, "dir", "dir/a", "other")
	})
	Spec("PTH-01.1102", "of a directory is needed on the way out of it, too", func(ctx context.Context) {
		passes(ctx, "dir", "dir/../file", "file")
	})
	Spec("PTH-01.1103", "of a directory is not needed where it is the path's end", func(ctx context.Context) {
		passes(ctx, "dir", "dir/sub", "dir")
	})
	Spec("PTH-01.1104", "of a symlink is what following it needs", func(ctx context.Context) {
		passes(ctx, "dirlink", "dirlink/a", "dir/a")
	})
	Spec("PTH-01.1105", "is needed of every directory of a path: of the second", func(ctx context.Context) {
		passes(ctx, "dir/sub", "dir/sub/c", "dir/a")
	})
	Spec("PTH-01.1106", "of the root is always had", func(ctx context.Context) {
		result := pathTry{command: "do", steps: []string{"openat path=file", "openat path=$W/file", "newfstatat path=/"}}
		r, _ := result.run(ctx, pathRules("deny/walk+/"))
		Expect(r.Lines()).To(Equal([]string{"openat ok", "openat ok", "newfstatat ok"}), "%s", r)
	})
	Spec("PTH-01.1107", "is what exec and chdir need as well", func(ctx context.Context) {
		root := pathTree()
		program := execCopy("process", "program")
		Expect(os.Rename(program, root+"/dir/program")).To(Succeed())
		opts := pathRules("deny/walk+" + root + "/dir")
		Expect(Syd(ctx, pathRules(), Fixture("exec", "each", root+"/dir/program")...)).To(HaveFact("1", "exit 3"))
		Expect(Syd(ctx, opts, Fixture("exec", "each", root+"/dir/program")...)).To(HaveFact("1", "ENOENT"))
		Expect(Syd(ctx, opts, Fixture("tracestate", "chdir", root+"/dir/sub")...)).To(HaveFact("chdir", "ENOENT"))
		Expect(Syd(ctx, opts, Fixture("tracestate", "chdir", root+"/dir")...)).To(HaveFact("chdir", "ok"))
	})
})

var _ = Describe("list", func() {
	for i, call := range []string{"getdents64", "getdents"} {
		var needs []any
		if call == "getdents" {
			needs = append(needs, Requires("amd64"))
		}
		steps := pathTry{steps: []string{"openat path=dir", call + " fd=3", call + " fd=3", "lseek fd=3 n=0", call + " fd=3 size=64"}}
		Spec(fmt.Sprintf("PTH-01.%d", 1201+2*i), "leaves out of "+call+" what it denies, and nothing else", func(ctx context.Context) {
			native, _ := steps.run(ctx, nil)
			Expect(native).To(HaveFact(call+".entry", "a type 8"))
			for _, action := range []string{"deny", "filter"} {
				result, _ := steps.run(ctx, pathRules(action+"/list+"+TempDir()+"/w/dir/a"))
				all := result.Facts(call + ".entry")
				Expect(all[:4]).To(Equal([]string{". type 4", ".. type 4", "b type 8", "sub type 4"}), "%s", result)
				Expect(all).NotTo(ContainElement("a type 8"))
				if action == "filter" {
					Expect(execRecords(result)).To(BeEmpty())
				}
			}
		}, needs...)
		Spec(fmt.Sprintf("PTH-01.%d", 1202+2*i), "has "+call+" end at once where all is denied", func(ctx context.Context) {
			result, _ := steps.run(ctx, pathRules("filter/list+"+TempDir()+"/w/dir/*"))
			Expect(result.Facts(call)[:2]).To(Equal([]string{"ok", "ok"}), "%s", result)
			for _, entry := range result.Facts(call + ".entry") {
				Expect(entry).To(BeElementOf(". type 4", ".. type 4"), "%s", result)
			}
		}, needs...)
	}
})

var _ = Describe("a path that isn't there", func() {
	missing := []string{"openat path=missing", "newfstatat path=missing", "openat path=missing flags=O_WRONLY", "unlinkat path=missing", "renameat2 path=missing to=new", "truncate path=missing n=1", "fchmodat path=missing mode=600"}
	Spec("PTH-02.9101", "gives the native error without a record, whatever its categories, while it may be seen", func(ctx context.Context) {
		for _, step := range missing {
			t := pathTry{command: "do", steps: []string{step}}
			native, _ := t.run(ctx, nil)
			result, _ := t.run(ctx, pathRules("deny/read,write,delete,truncate,chmod+"+TempDir()+"/w/missing"))
			Expect(result).To(EqualNative(native))
			Expect(execRecords(result)).To(BeEmpty(), "%s", result)
		}
	})
	Spec("PTH-02.9102", "gives ENOENT as one does that is hidden", func(ctx context.Context) {
		for _, step := range missing {
			call, _, _ := strings.Cut(step, " ")
			t := pathTry{command: "do", steps: []string{step, strings.Replace(step, "missing", "file", 1)}}
			result, _ := t.run(ctx, pathRules("deny/stat,read,write,delete,rename,truncate,chmod+"+TempDir()+"/w/{missing,file}"))
			Expect(result.Facts(call)).To(Equal([]string{"ENOENT", "ENOENT"}), "%s", result)
		}
	})
})

var _ = Describe("a masked file", func() {
	mask := func(more ...string) []string {
		return pathRules(append([]string{"mask+" + TempDir() + "/w/file"}, more...)...)
	}
	masked := func(ctx context.Context, steps ...string) (Result, []string) {
		GinkgoHelper()
		return pathTry{steps: steps}.run(ctx, mask())
	}
	untouched := func(state []string) {
		GinkgoHelper()
		Expect(state).To(ContainElement(ContainSubstring("changed old \"8 bytes: content\\n\"")))
	}
	Spec("PTH-02.9201", "is read as an empty one", func(ctx context.Context) {
		result, state := masked(ctx, "openat path=file", "read fd=3", "openat path=link", "read fd=4")
		Expect(result.Facts("read.length")).To(Equal([]string{"0", "0"}), "%s", result)
		Expect(result.Fact("openat.is")).To(ContainSubstring("character 0666 links 1 owner 0 group 0 size 0 device 1:3"))
		untouched(state)
	})
	Spec("PTH-02.9202", "is written to without effect", func(ctx context.Context) {
		result, state := masked(ctx, "openat path=file flags=O_WRONLY", "write fd=3 value=lost", "openat path=file flags=O_RDWR|O_TRUNC", "write fd=4 value=lost", "openat path=file flags=O_CREAT|O_WRONLY mode=600", "write fd=5 value=lost")
		Expect(result.Facts("write.number")).To(Equal([]string{"4", "4", "4"}), "%s", result)
		untouched(state)
	})
	Spec("PTH-02.9203", "looks like /dev/null", func(ctx context.Context) {
		result, _ := masked(ctx, "newfstatat path=file", "statx path=file")
		for _, call := range []string{"newfstatat", "statx"} {
			Expect(result.Fact(call+".is")).To(ContainSubstring("character 0666"), "%s", result)
			Expect(result.Fact(call + ".is")).To(ContainSubstring("device 1:3"))
		}
	})
	Spec("PTH-02.9204", "leaves no record, and its neighbours alone", func(ctx context.Context) {
		result, _ := masked(ctx, "openat path=file", "openat path=other", "read fd=4")
		Expect(result).To(HaveFact("read.text", `other\x0a`))
		Expect(execRecords(result)).To(BeEmpty())
	})
	Spec("PTH-02.9205", "is denied as any other by a rule", func(ctx context.Context) {
		t := pathTry{command: "do", steps: []string{"openat path=file"}}
		result, _ := t.run(ctx, mask("deny/read+"+TempDir()+"/w/file"))
		Expect(result.Fact("openat")).To(BeDenied("EACCES"))
	})
})

// pathRowsKnown keeps the table whole: a number, and a form, is there once.
func pathRowsKnown() (problems []string) {
	seen := map[string]bool{}
	for _, row := range pathRowList {
		for _, key := range []string{fmt.Sprint(row.id), row.name, row.step + row.path} {
			if seen[key] {
				problems = append(problems, fmt.Sprintf("row %d: %q is there twice", row.id, key))
			}
			seen[key] = true
		}
	}
	return problems
}

var _ = Describe("the table of calls on paths", func() {
	Spec("PTH-01.2001", "has a row for every category of paths that a call can need", func(context.Context) {
		var all []string
		for _, row := range pathRowList {
			all = append(all, strings.Split(row.categories, ",")...)
		}
		slices.Sort(all)
		// walk and list have specs of their own; exec those of its clauses;
		// devices and chroot need what a sandbox takes away.
		Expect(slices.Compact(all)).To(Equal([]string{"chattr", "chdir", "chgrp", "chmod", "chown", "create", "delete", "ioctl", "mkdir", "mkfifo", "mktemp",
			"read", "readdir", "rename", "rmdir", "stat", "symlink", "truncate", "utime", "write"}))
		Expect(pathRowsKnown()).To(BeEmpty())
	})
})

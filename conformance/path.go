// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "syd/conformance/harness"
)

// pathEverything has every call on paths intercepted, and allows all that a
// spec does: no category is allowed everywhere.
var pathEverything = Rules("sandbox/all:on", "allow/all+/***", "deny/all+/nowhere/***")

// pathRules allow everything but what the given ones say.
func pathRules(rules ...string) []string { return append(Rules("allow/all+/***"), Rules(rules...)...) }

// pathOld is when the files of a tree were last changed; what a program does to
// them is much newer.
const pathOld = 1_000_000_000

// pathTree makes the tree that the fixture `path` works in anew: the same one,
// at the same place, for each run.
func pathTree() string {
	GinkgoHelper()
	root := TempDir() + "/w"
	Expect(os.RemoveAll(root)).To(Succeed())
	Expect(os.Mkdir(root, 0o755)).To(Succeed())
	for _, entry := range []struct {
		name, content string
		mode          os.FileMode
	}{
		{"dir", "/", 0o755}, {"dir/sub", "/", 0o755}, {"closed", "/", 0o755}, {"readonly", "/", 0o555}, {"sealed", "/", 0},
		{"setgid", "/", 0o2775 &^ 0o2000}, {"sticky", "/", 0o777 | os.ModeSticky},
		{"file", "content\n", 0o644}, {"other", "other\n", 0o644}, {"empty", "", 0o644}, {"dir/a", "a\n", 0o644}, {"dir/b", "b\n", 0o600},
		{"dir/sub/c", "c\n", 0o644}, {"unreadable", "secret\n", 0}, {"script", "#!/bin/sh\n", 0o755}, {"name with \xff", "odd\n", 0o644},
		{"link", "@file", 0}, {"dirlink", "@dir", 0}, {"dangling", "@nowhere", 0}, {"loop", "@loop", 0}, {"up", "@../w/file", 0},
		{"far", "@" + root + "/file", 0}, {"slashed", "@dir/", 0}, {"chain", "@link", 0}, {"filelinkslash", "@file/", 0},
	} {
		path := root + "/" + entry.name
		switch {
		case entry.content == "/":
			Expect(os.Mkdir(path, 0o755)).To(Succeed())
			Expect(os.Chmod(path, entry.mode)).To(Succeed())
		case strings.HasPrefix(entry.content, "@"):
			Expect(os.Symlink(entry.content[1:], path)).To(Succeed())
		default:
			Expect(os.WriteFile(path, []byte(entry.content), 0o644)).To(Succeed())
			Expect(os.Chmod(path, entry.mode)).To(Succeed())
		}
	}
	Expect(os.Link(root+"/file", root+"/hard")).To(Succeed())
	Expect(unix.Mkfifo(root+"/fifo", 0o644)).To(Succeed())
	Expect(os.WriteFile(root+"/attributed", []byte("x\n"), 0o644)).To(Succeed())
	// Where there are no user attributes, the specs that need them don't run.
	_ = unix.Setxattr(root+"/attributed", "user.x", []byte("value"), 0)
	if os.Geteuid() == 0 {
		Expect(os.Chown(root+"/setgid", 0, 12)).To(Succeed())
	}
	Expect(os.Chmod(root+"/setgid", 0o775|os.ModeSetgid)).To(Succeed())
	old := []unix.Timespec{{Sec: pathOld}, {Sec: pathOld}}
	Expect(filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil && path != root+"/sealed" {
			return err
		}
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, old, unix.AT_SYMLINK_NOFOLLOW)
	})).To(Succeed())
	// Making the list has read the directories.
	for _, directory := range []string{"", "dir", "dir/sub", "closed", "readonly", "sealed", "setgid", "sticky"} {
		Expect(unix.UtimesNanoAt(unix.AT_FDCWD, root+"/"+directory, old, 0)).To(Succeed())
	}
	return root
}

// pathState is what is in a tree, a line a file: all that calls can change.
func pathState(root string) []string {
	GinkgoHelper()
	var state []string
	Expect(filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if entry == nil || err != nil {
			state = append(state, fmt.Sprintf("%s %v", path, err))
			return nil
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			// Deeper than a path can say: nobody looks further.
			state = append(state, err.Error())
			return fs.SkipAll
		}
		age := func(t unix.Timespec) string {
			switch {
			case t.Sec == pathOld:
				return "old"
			case t.Sec < pathOld+1_000_000:
				return fmt.Sprint(t.Sec, ".", t.Nsec)
			}
			return "new"
		}
		content := ""
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			content = pathContent(path, st.Size)
		case unix.S_IFLNK:
			content, _ = os.Readlink(path)
		}
		// That a directory or a link was looked into may be this function's doing.
		read := ""
		if st.Mode&unix.S_IFMT == unix.S_IFREG {
			read = " read " + age(st.Atim)
		}
		state = append(state, strings.TrimRight(fmt.Sprintf("%s %o links %d owner %d group %d device %#x%s changed %s %q %s", strings.TrimPrefix(path, root),
			st.Mode, st.Nlink, st.Uid, st.Gid, st.Rdev, read, age(st.Mtim), content, pathAttributes(path)), " "))
		return nil
	})).To(Succeed())
	return state
}

// pathContent is a file's content, read without a trace.
func pathContent(path string, size int64) string {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME, 0)
	if err != nil {
		return err.Error()
	}
	defer unix.Close(fd)
	content := make([]byte, min(size, 4096))
	n, _ := unix.Pread(fd, content, 0)
	return fmt.Sprintf("%d bytes: %s", size, content[:max(n, 0)])
}

func pathAttributes(path string) string {
	names := make([]byte, 4096)
	n, err := unix.Llistxattr(path, names)
	if err != nil {
		return ""
	}
	var all []string
	for name := range strings.SplitSeq(strings.Trim(string(names[:n]), "\x00"), "\x00") {
		value := make([]byte, 256)
		if n, err := unix.Lgetxattr(path, name, value); strings.HasPrefix(name, "user.") && err == nil {
			all = append(all, name+"="+string(value[:n]))
		}
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// pathPass opens a file of the tree for a program that is given it as
// descriptor 3: "r:file", "w:file", "rw:file", "path:file", "nofollow:link".
func pathPass(root, what string) *os.File {
	GinkgoHelper()
	way, name, _ := strings.Cut(what, ":")
	flags, known := map[string]int{"r": unix.O_RDONLY, "w": unix.O_WRONLY, "rw": unix.O_RDWR, "path": unix.O_PATH, "nofollow": unix.O_PATH | unix.O_NOFOLLOW}[way]
	Expect(known).To(BeTrue(), what)
	fd, err := unix.Open(root+"/"+name, flags|unix.O_CLOEXEC, 0)
	Expect(err).NotTo(HaveOccurred(), what)
	return os.NewFile(uintptr(fd), name)
}

// pathOldCalls are those that younger architectures have nothing like.
var pathOldCalls = []string{"utime", "utimes", "futimesat", "getdents"}

// pathForeign is what calls of i386 are called there: those with room for
// today's numbers. "" is a call that it hasn't.
var pathForeign = map[string]string{"stat": "stat64", "lstat": "lstat64", "fstat": "fstat64", "newfstatat": "fstatat64", "chown": "chown32", "lchown": "lchown32",
	"fchown": "fchown32", "truncate": "truncate64", "ftruncate": "ftruncate64", "statfs": "statfs64", "fstatfs": "fstatfs64", "fanotify_mark": "",
	"utimensat": "utimensat_time64"}

// pathStep is the step for the machine, or the foreign ABI; "" if there is none.
func pathStep(step string, foreign bool) string {
	call, rest, _ := strings.Cut(step, " ")
	if name, other := pathForeign[call]; other && foreign {
		if name == "" {
			return ""
		}
		if strings.HasPrefix(name, "statfs") || strings.HasPrefix(name, "fstatfs") {
			rest += " size=84"
		}
		return name + " " + rest
	}
	if !foreign && runtime.GOARCH != "amd64" && slices.Contains(pathOldCalls, call) {
		return ""
	}
	return step
}

// pathUnlock lets an ordinary user remove what a run has left, whatever modes
// its directories have got.
func pathUnlock(directory string) {
	_ = os.Chmod(directory, 0o700)
	entries, _ := os.ReadDir(directory)
	for _, entry := range entries {
		if entry.IsDir() {
			pathUnlock(directory + "/" + entry.Name())
		}
	}
}

// A pathTry is one start of the fixture `path` in a fresh tree.
type pathTry struct {
	command string // show, if it is ""
	pass    string // see pathPass
	launch  []LaunchOption
	foreign bool
	steps   []string
}

// run makes the steps, natively if opts are nil, and returns what became of the
// tree, too. $W in a step is the tree's path.
func (t pathTry) run(ctx context.Context, opts []string) (Result, []string) {
	GinkgoHelper()
	root := pathTree()
	launch := append([]LaunchOption{Dir(root)}, t.launch...)
	if t.pass != "" {
		file := pathPass(root, t.pass)
		defer file.Close()
		launch = append(launch, Files(file))
	}
	args := []string{"show"}
	if t.command != "" {
		args[0] = t.command
	}
	for _, step := range t.steps {
		if step = pathStep(step, t.foreign); step != "" {
			args = append(args, strings.ReplaceAll(step, "$W", root))
		}
	}
	cmd := Fixture("path", args...)
	if t.foreign {
		cmd = ForeignFixture("path", args...)
	}
	var result Result
	if opts == nil {
		result = With(launch...).Native(ctx, cmd...)
	} else {
		result = With(launch...).Syd(ctx, opts, cmd...)
	}
	state := pathState(root)
	pathUnlock(root)
	return result, state
}

// same runs it natively and with everything intercepted, and expects the same
// output, status and tree, and no record. It returns the native run.
func (t pathTry) same(ctx context.Context, opts []string) Result {
	GinkgoHelper()
	native, left := t.run(ctx, nil)
	Expect(native).To(ExitWith(0))
	result, state := t.run(ctx, opts)
	Expect(result).To(EqualNative(native))
	Expect(state).To(Equal(left), "what became of the tree\n%s\n%s", result, native)
	Expect(execRecords(result)).To(BeEmpty(), "%s", result)
	return native
}

// SPDX-License-Identifier: GPL-3.0-or-later

package kernel

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// tree makes a directory with something of everything, and returns its path,
// which has no symlink.
func tree(t *testing.T) string {
	t.Helper()
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(top+"/d/e", 0o755))
	must(os.WriteFile(top+"/f", []byte("#!/bin/sh\n"), 0o755))
	must(os.WriteFile(top+"/d/g", nil, 0o644))
	must(unix.Mkfifo(top+"/fifo", 0o644))
	for link, text := range map[string]string{
		"relative": "d/g", "absolute": top + "/d/g", "todir": "d", "todirslash": "d/", "up": "d/../f",
		"dangling": "nothing", "loop1": "loop2", "loop2": "loop1", "self": "self", "dot": ".",
		"fslash": "f/", "d/back": "../f", "d/upup": "../../../../../../../../..", "slashes": top + "//d///e",
		"chain0": "f", "tochain": "d/back",
	} {
		must(os.Symlink(text, top+"/"+link))
	}
	for i := range 45 {
		must(os.Symlink(fmt.Sprintf("chain%d", i), fmt.Sprintf("%s/chain%d", top, i+1)))
	}
	return top
}

func open(t *testing.T, path string) int {
	t.Helper()
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// kernelSays resolves as the kernel does for this process itself.
func kernelSays(path string, l Lookup) (Identity, error) {
	flags := 0
	if l.NoFollow {
		flags |= unix.AT_SYMLINK_NOFOLLOW
	}
	if l.Empty {
		flags |= unix.AT_EMPTY_PATH
	}
	var st unix.Stat_t
	err := unix.Fstatat(l.DirFD, path, &st, flags)
	return Identity{st.Dev, st.Ino}, err
}

// Whatever the path, Resolve comes to the file, or the errno, that the kernel
// comes to.
func TestResolveIsTheKernels(t *testing.T) {
	top := tree(t)
	t.Chdir(top)
	dir, file := open(t, top+"/d"), open(t, top+"/f")
	here := Lookup{DirFD: AtFDCWD}
	noFollow := Lookup{DirFD: AtFDCWD, NoFollow: true}
	before := descriptors(t)
	name255, name256 := strings.Repeat("n", 255), strings.Repeat("n", 256)
	for _, row := range []struct {
		lookup Lookup
		paths  []string
	}{
		{here, []string{
			"f", "./f", "d", "d/", "d//", "d/.", "d/..", "d/../f", "d/e/../g", "d//e///", ".", "..", "./", "../", "/", "//",
			"/.", "/..", "/../", "/../..", "/../../" + top[1:] + "/f", top, top + "/", top + "/f", top + "//d/./g",
			"relative", "absolute", "todir", "todir/", "todir/g", "todirslash", "todirslash/g", "up", "dot", "dot/dot/dot/f",
			"tochain", "d/upup", "d/upup/..", "d/upup" + top + "/f", "slashes", "slashes/..",
			"dangling", "dangling/", "dangling/x", "nothing", "nothing/", "nothing/..", "d/nothing",
			"f/", "f/.", "f/..", "f/x", "fslash", "relative/", "relative/x", "fifo", "fifo/", "fifo/x",
			"loop1", "loop1/x", "self", "self/", "self/..", "chain0", "chain39", "chain40", "chain45",
			"todir/../chain38", "todir/../chain39", "d/e/" + name255, name256, "d/" + name256, name256 + "/..",
			strings.Repeat("./", 2040) + "f", strings.Repeat("/", 4094) + "f", strings.Repeat("/", 4095) + "f",
			strings.Repeat("d/../", 800) + "f", strings.Repeat("a/", 4000), "",
		}},
		{noFollow, []string{
			"f", "relative", "absolute", "todir", "todir/", "todir/g", "todirslash", "dangling", "dangling/", "loop1",
			"loop1/", "self", "self/", "dot", "dot/", "dot/relative", "dot/todir/g", "chain45", "up", "fslash", "fslash/", "",
			"/proc/self", "/proc/self/", "/proc/self/exe", "/proc/thread-self/cwd", "/proc/self/fd/" + strconv.Itoa(file),
		}},
		{Lookup{DirFD: dir}, []string{"g", "e", "..", "../f", "back", ".", "./", "upup", "nothing", "/", top + "/f", ""}},
		{Lookup{DirFD: dir, Empty: true}, []string{"", "g", "nothing"}},
		{Lookup{DirFD: dir, NoFollow: true}, []string{"back", "back/", "g"}},
		{Lookup{DirFD: dir, NoFollow: true, Empty: true}, []string{"", "back"}},
		{Lookup{DirFD: file}, []string{"g", ".", "..", "", "/", top + "/d"}},
		{Lookup{DirFD: file, Empty: true}, []string{"", "x"}},
		{Lookup{DirFD: AtFDCWD, Empty: true}, []string{"", "f"}},
		{Lookup{DirFD: -1}, []string{"f", "/", top + "/f", ""}},
		{Lookup{DirFD: -1, Empty: true}, []string{""}},
		{Lookup{DirFD: 9999}, []string{"f", "/", top + "/f", ""}},
		{Lookup{DirFD: 9999, Empty: true}, []string{""}},
		{here, []string{
			"/proc", "/proc/self/root", "/proc/self/cwd", "/proc/self/cwd/", "/proc/self/cwd/f", "/proc/self/cwd/..",
			"/proc/self/exe", "/proc/self/exe/", "/proc/self/exe/x", "/proc/self/fd/" + strconv.Itoa(dir),
			"/proc/self/fd/" + strconv.Itoa(dir) + "/g", "/proc/self/fd/" + strconv.Itoa(dir) + "/",
			"/proc/self/fd/" + strconv.Itoa(file), "/proc/self/fd/" + strconv.Itoa(file) + "/", "/proc/self/fd/9999",
			"/proc/self/status", "/proc/self/", "/proc/self", "/proc/thread-self", "/proc/thread-self/status",
			"/proc/thread-self/cwd/f", "/proc/self/task/../cwd/f", "/proc/mounts", "/proc/net", "/proc/self/ns/mnt",
			"/dev/fd", "/dev/fd/" + strconv.Itoa(file), "/dev/null", "/dev/null/",
		}},
	} {
		for _, path := range row.paths {
			// thread-self is the thread's.
			runtime.LockOSThread()
			want, wantErr := kernelSays(path, row.lookup)
			o, err := View{unix.Gettid()}.Resolve(path, row.lookup)
			runtime.UnlockOSThread()
			if err == nil {
				o.Close()
			}
			if err != wantErr {
				t.Errorf("%+v %.80q: got %v, the kernel says %v", row.lookup, path, err, wantErr)
			} else if err == nil && o.Identity != want {
				t.Errorf("%+v %.80q: got %s %+v, the kernel came to %+v", row.lookup, path, o.Path, o.Identity, want)
			}
		}
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors were open, now %d are", before, after)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestResolvePathAndType(t *testing.T) {
	top := tree(t)
	t.Chdir(top)
	for path, want := range map[string]string{
		"f": "/f", "relative": "/d/g", "absolute": "/d/g", "d/back": "/f", "todir/": "/d", ".": "", "slashes": "/d/e",
		"/proc/self/cwd/d/..": "", "fifo": "/fifo",
	} {
		o, err := View{os.Getpid()}.Resolve(path, Lookup{DirFD: AtFDCWD})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		o.Close()
		if o.Path != top+want || o.Deleted {
			t.Errorf("%s: got %+v, want %s", path, o, top+want)
		}
		info, err := os.Stat(top + want)
		if err != nil {
			t.Fatal(err)
		}
		if o.IsRegular() != info.Mode().IsRegular() || o.IsDirectory() != info.IsDir() {
			t.Errorf("%s: regular %v, directory %v", path, o.IsRegular(), o.IsDirectory())
		}
	}
}

func TestDeleted(t *testing.T) {
	top := tree(t)
	f, err := os.Open(top + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	link := fmt.Sprintf("/proc/self/fd/%d", f.Fd())
	number, err := memfd("m", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	memory := os.NewFile(uintptr(number), "m")
	defer memory.Close()
	deleted := func(path string) bool {
		t.Helper()
		o, err := View{os.Getpid()}.Resolve(path, Lookup{DirFD: AtFDCWD})
		if err != nil {
			t.Fatal(err)
		}
		o.Close()
		return o.Deleted
	}
	if deleted(link) {
		t.Error("a file with a name is deleted")
	}
	if err := os.Rename(top+"/f", top+"/f2"); err != nil {
		t.Fatal(err)
	}
	if deleted(link) {
		t.Error("a renamed file is deleted")
	}
	if err := os.Remove(top + "/f2"); err != nil {
		t.Fatal(err)
	}
	if !deleted(link) {
		t.Error("a removed file is not")
	}
	for _, name := range []string{"/f2", "/f2 (deleted)"} { // others of its name don't bring it back
		if err := os.WriteFile(top+name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !deleted(link) {
		t.Error("a removed file has the name of another")
	}
	if deleted(top + "/f2 (deleted)") {
		t.Error("a file whose name ends in (deleted) is")
	}
	if !deleted(fmt.Sprintf("/proc/self/fd/%d", memory.Fd())) {
		t.Error("a memfd has a name")
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	if !deleted(fmt.Sprintf("/proc/self/fd/%d", pipe[0])) {
		t.Error("a pipe has a name")
	}
}

func TestRemovedWorkingDirectory(t *testing.T) {
	top := tree(t)
	t.Chdir(top + "/d/e")
	if err := os.Remove(top + "/d/e"); err != nil {
		t.Fatal(err)
	}
	v := View{os.Getpid()}
	for path, want := range map[string]error{".": nil, "x": unix.ENOENT, "..": nil} {
		_, wantErr := kernelSays(path, Lookup{DirFD: AtFDCWD})
		o, err := v.Resolve(path, Lookup{DirFD: AtFDCWD})
		if err == nil {
			o.Close()
		}
		if err != wantErr || want != nil && err != want {
			t.Errorf("%s: got %v, the kernel says %v", path, err, wantErr)
		}
	}
	o, err := WorkingDirectory(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	o.Close()
	if !o.Deleted {
		t.Errorf("got %+v", o)
	}
}

func TestFileDescriptor(t *testing.T) {
	top := tree(t)
	v := View{os.Getpid()}
	o, err := v.FileDescriptor(open(t, top+"/d"))
	if err != nil || o.Path != top+"/d" {
		t.Errorf("got %+v %v", o, err)
	}
	o.Close()
	for _, fd := range []int{9999, -1, AtFDCWD} {
		if _, err := v.FileDescriptor(fd); err != unix.EBADF {
			t.Errorf("%d: got %v, want EBADF", fd, err)
		}
	}
}

func TestReadHead(t *testing.T) {
	top := tree(t)
	buf := make([]byte, 256)
	for name, want := range map[string]string{"f": "#!/bin/sh\n", "d/g": ""} {
		o, err := View{os.Getpid()}.Resolve(top+"/"+name, Lookup{DirFD: AtFDCWD})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if n, err := o.ReadHead(buf); err != nil || string(buf[:n]) != want {
			t.Errorf("%s: got %q %v", name, buf[:n], err)
		}
	}
	for _, name := range []string{"d", "fifo"} { // and a FIFO's does not wait for a writer
		o, err := View{os.Getpid()}.Resolve(top+"/"+name, Lookup{DirFD: AtFDCWD})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if _, err := o.ReadHead(buf); err != unix.EACCES {
			t.Errorf("%s: got %v, want EACCES", name, err)
		}
	}
}

func TestNoSuchTask(t *testing.T) {
	const none = 1 << 23 // above PID_MAX_LIMIT
	v := View{none}
	_, resolve := v.Resolve("/", Lookup{DirFD: AtFDCWD})
	_, exe := Executable(none)
	_, status := ReadStatus(none)
	for name, err := range map[string]error{"Resolve": resolve, "Executable": exe, "ReadStatus": status} {
		if err != unix.ENOENT {
			t.Errorf("%s: got %v, want ENOENT", name, err)
		}
	}
	if got := CommandLine(none); got != "" {
		t.Errorf("CommandLine: got %q", got)
	}
}

// child starts this test binary as one that waits to be killed, and returns it
// once it runs.
func child(t *testing.T, attr *syscall.SysProcAttr, path, dir string) int {
	t.Helper()
	c := exec.Command(path, "-test.run=^TestMain$")
	c.Env = append(os.Environ(), "KERNEL_TEST_WAIT=1")
	c.Dir, c.SysProcAttr = dir, attr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close() // which is what it waits for
		c.Wait()
	})
	if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid
}

func TestMain(m *testing.M) {
	if os.Getenv("KERNEL_TEST_WAIT") != "" {
		os.Stdout.Write([]byte{'.'})
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func TestForeignWorkingDirectory(t *testing.T) {
	top := tree(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	pid := child(t, nil, self, top+"/d")
	v := View{pid}
	for path, want := range map[string]string{
		"g": top + "/d/g", "..": top, "../relative": top + "/d/g", "/proc/self/cwd": top + "/d",
		"/proc/self/exe": self, "/proc/thread-self/cwd/back": top + "/f", "": top + "/d",
		"/proc/self":        fmt.Sprintf("/proc/%d", pid),
		"/proc/thread-self": fmt.Sprintf("/proc/%d/task/%d", pid, pid),
	} {
		o, err := v.Resolve(path, Lookup{DirFD: AtFDCWD, Empty: true})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		o.Close()
		if o.Path != want {
			t.Errorf("%s: got %s, want %s", path, o.Path, want)
		}
	}
	if o, err := Executable(pid); err != nil || o.Path != self || o.Deleted {
		t.Errorf("Executable: got %+v %v", o, err)
	} else {
		o.Close()
	}
	if got := CommandLine(pid); got != self+" -test.run=^TestMain$" {
		t.Errorf("CommandLine: got %q", got)
	}
}

func TestForeignRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("chroot(2) needs CAP_SYS_CHROOT, and this is an ordinary user")
	}
	top := tree(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	image, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(top+"/image", image, 0o755); err != nil {
		t.Fatal(err)
	}
	libraries(t, self, top)
	if err := os.Symlink("/d/g", top+"/inside"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/../../d", top+"/d/e/updir"); err != nil {
		t.Fatal(err)
	}
	v := View{child(t, &syscall.SysProcAttr{Chroot: top}, "/image", "/d")}
	for path, want := range map[string]string{
		"/": "", "/..": "", "/../../f": "/f", "g": "/d/g", "..": "", "../..": "", "../../f": "/f", "/inside": "/d/g",
		"/d/e/updir/g": "/d/g", "e/updir/../..": "", "/d/upup": "",
	} {
		o, err := v.Resolve(path, Lookup{DirFD: AtFDCWD})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		o.Close()
		if o.Path != top+want {
			t.Errorf("%s: got %s, want %s", path, o.Path, top+want)
		}
	}
	for _, path := range []string{"/absolute", "/slashes", "/proc/self", top} {
		if o, err := v.Resolve(path, Lookup{DirFD: AtFDCWD}); err != unix.ENOENT {
			t.Errorf("%s: got %+v %v, want ENOENT", path, o, err)
		}
	}
}

// libraries copies what a dynamic image needs to run in a root of its own.
func libraries(t *testing.T, image, root string) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if len(fields) < 6 || !strings.Contains(fields[5], ".so") {
			continue
		}
		text, err := os.ReadFile(fields[5])
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{fields[5], strings.TrimPrefix(fields[5], "/usr"), "/lib64/" + filepath.Base(fields[5])} {
			if err := os.MkdirAll(filepath.Dir(root+path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(root+path, text, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// raceOpen has every call on paths intercepted, and allows it.
var raceOpen = Rules("allow/all+/***", "deny/all+/nowhere/***")

// raceDirectory is where a race is run: p/f may be had, s/f is what is denied.
func raceDirectory() string {
	GinkgoHelper()
	dir := filepath.Join(TempDir(), "race")
	Expect(os.RemoveAll(dir)).To(Succeed())
	for name, content := range map[string]string{"p": "good\n", "s": "bad file\n"} {
		Expect(os.MkdirAll(filepath.Join(dir, name), 0o777)).To(Succeed())
		Expect(os.Chmod(filepath.Join(dir, name), 0o777)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, name, "f"), []byte(content), 0o666)).To(Succeed())
		Expect(os.Chmod(filepath.Join(dir, name, "f"), 0o666)).To(Succeed())
	}
	Expect(os.Chmod(dir, 0o777)).To(Succeed())
	return dir
}

// pathRace is a way to change what a path leads to while a call is made on it.
type pathRace struct {
	id   int
	way  string
	what string // in the spec's name
	// denies are the categories that are denied of s/f. All is lost with ENOENT
	// where stat is one of them, else with EACCES.
	denies string
	name   string // in p and in s
}

var pathRaces = []pathRace{
	{1, "pointer", "by changing the path in memory opens no denied file", "read,stat", "f"},
	{2, "symlink", "by replacing a symlink opens no denied file", "read,stat", "f"},
	{3, "parent", "by moving the directory that .. leaves opens no denied file", "read,stat", "f"},
	{4, "exchange", "by exchanging directories opens no denied file", "read", "f"},
	{5, "descriptor", "by using a directory's descriptor again opens no denied file", "read", "f"},
	{6, "descriptor-proc", "by using a descriptor again below /proc/self/fd opens no denied file", "read,stat", "f"},
	{7, "directory", "by changing the working directory opens no denied file", "read", "f"},
	{8, "directory-proc", "by changing where /proc/self/cwd leads opens no denied file", "read,stat", "f"},
	{9, "pointer-stat", "by changing the path in memory looks at no hidden file", "stat", "f"},
	{10, "pointer-mkdir", "by changing the path in memory makes no denied directory", "mkdir", "d"},
	{11, "truncate", "by using a file's descriptor again truncates no denied file", "truncate", "f"},
}

func (r pathRace) run(ctx context.Context, run func(context.Context, ...string) Result, limit time.Duration) Result {
	GinkgoHelper()
	dir := raceDirectory()
	cmd := Fixture("race", "race", r.way, "p/"+r.name, "s/"+r.name, strconv.FormatInt(limit.Milliseconds(), 10))
	result := run(ctx, append([]string{"env", "-C", dir}, cmd...)...)
	Expect(result).To(ExitWith(0))
	return result
}

// lose expects the race to be won natively and where everything is intercepted
// and allowed, and with the rule never in limit.
func (r pathRace) lose(ctx context.Context, limit time.Duration) {
	GinkgoHelper()
	const soon = 700 * time.Millisecond // a race that is won ends at once, but for truncate
	for _, control := range []func(context.Context, ...string) Result{
		Native, func(ctx context.Context, cmd ...string) Result { return Syd(ctx, raceOpen, cmd...) },
	} {
		result := r.run(ctx, control, soon)
		Expect(execCount(result, "bad")).To(BeNumerically(">", 0), "the race can be won\n%s", result)
	}
	rules := Rules("allow/all+/***", fmt.Sprintf("deny/%s+%s", r.denies, filepath.Join(TempDir(), "race/s", r.name)))
	result := r.run(ctx, func(ctx context.Context, cmd ...string) Result {
		return With(Env("SYD_LOG=emerg")).Syd(ctx, rules, cmd...)
	}, limit)
	tries, ms := execCount(result, "tries"), execCount(result, "ms")
	AddReportEntry("tries per second", tries*1000/max(ms, 1))
	fmt.Fprintf(GinkgoWriter, "%s: %d tries in %d ms\n", r.way, tries, ms)
	Expect(execCount(result, "bad")).To(BeZero(), "%s", result)
	Expect(execCount(result, "good")).To(BeNumerically(">", 0), "%s", result)
	Expect(execCount(result, "inheritable")).To(BeZero(), "%s", result)
	Expect(execCount(result, "other")).To(BeZero(), "%s", result)
	lost, never := "denied", "hidden"
	if strings.Contains(r.denies, "stat") {
		lost, never = never, lost
	}
	Expect(execCount(result, lost)).To(BeNumerically(">", 0), "%s", result)
	Expect(execCount(result, never)).To(BeZero(), "%s", result)
}

var _ = Describe("a race against the check of a path", func() {
	for _, r := range pathRaces {
		Spec(fmt.Sprintf("PTH-03.%d", r.id), r.what, func(ctx context.Context) {
			r.lose(ctx, 2*time.Second)
		}, TimeLimit(20*time.Second))
		Spec(fmt.Sprintf("PTH-03.%d", r.id+20), r.what+" in a minute", func(ctx context.Context) {
			r.lose(ctx, time.Minute)
		}, Slow, TimeLimit(3*time.Minute))
	}
})

var _ = Describe("a call that is made for another user", func() {
	Spec("PTH-09.1", "fails below a directory that only the supervisor may search", func(ctx context.Context) {
		dir := filepath.Join(TempDir(), "closed")
		Expect(os.MkdirAll(filepath.Join(dir, "sub"), 0o777)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(dir, "sub/f"), []byte("text\n"), 0o644)).To(Succeed())
		Expect(os.Chmod(filepath.Join(dir, "sub"), 0o777)).To(Succeed())
		Expect(os.Chmod(dir, 0o700)).To(Succeed())
		cmd := Fixture("race", "user", "60001", filepath.Join(dir, "sub/f"), filepath.Join(dir, "sub/../sub/f"), dir)
		_, native := SameAsNative(ctx, raceOpen, cmd...)
		Expect(native.Facts("open")).To(HaveEach("EACCES"))
	}, RootOnly)

	Spec("PTH-09.2", "makes files of that user, under the caller's umask", func(ctx context.Context) {
		dir := filepath.Join(TempDir(), "open")
		Expect(os.Mkdir(dir, 0o777)).To(Succeed())
		Expect(os.Chmod(dir, 0o777|os.ModeSticky)).To(Succeed())
		file := File("open/f", "text\n", 0o644)
		cmd := append([]string{"sh", "-c", `umask 027; exec "$@"`, "sh"}, Fixture("race", "user", "60001", file)...)
		_, native := SameAsNative(ctx, raceOpen, cmd...)
		Expect(native).To(SayLine("made 40750 60001 60001"))
	}, RootOnly)

	for id, how := range []string{"bounding", "securebits", "user"} {
		Spec(fmt.Sprintf("PTH-09.%d", 3+id), "fails without the capabilities that were lost: "+how, func(ctx context.Context) {
			file := File("other", "text\n", 0o600)
			Expect(os.Chown(file, 60001, 60001)).To(Succeed())
			_, native := SameAsNative(ctx, raceOpen, Fixture("race", "lose", how, file)...)
			Expect(native).To(SayLine("open EACCES"))
		}, RootOnly)
	}

	Spec("PTH-09.6", "makes no file longer than the caller's own limit", func(ctx context.Context) {
		file := File("long", "", 0o666)
		for _, call := range []string{"truncate path=" + file, "ftruncate fd=rw:" + file} {
			cmd := append([]string{"sh", "-c", `trap : XFSZ; ulimit -f 8; "$@"; echo status $?`, "sh"}, Fixture("path", "show", call+" n=100000")...)
			_, native := SameAsNative(ctx, raceOpen, cmd...)
			Expect(native).NotTo(SayLine("status 0"))
		}
	})
})

var _ = Describe("a way around paths", func() {
	Spec("HRD-16.1", "by a ring of calls is not there", func(ctx context.Context) {
		Expect(Syd(ctx, raceOpen, Fixture("race", "ring")...)).To(SayLine("io_uring_setup ENOSYS"))
	})

	mounts := func(ctx context.Context, options string) {
		dir := raceDirectory()
		cmd := []string{"unshare", options, "sh", "-c", "cd '" + dir + "' && mount --bind s p && cat p/f"}
		Expect(Native(ctx, cmd...)).To(SayLine("bad file"), "it can be mounted")
		result := Syd(ctx, Rules("allow/all+/***", "deny/read,stat+"+dir+"/s/f"), cmd...)
		Expect(result).To(ExitWith(1))
		Expect(result).NotTo(SayLine("bad file"), "%s", result)
	}

	Spec("HRD-16.2", "by mounting a denied directory elsewhere is refused", func(ctx context.Context) {
		mounts(ctx, "-m")
	}, RootOnly)

	Spec("HRD-16.3", "by mounting it in a user namespace is refused", func(ctx context.Context) {
		mounts(ctx, "-Urm")
	}, Requires("user_namespaces"))
})

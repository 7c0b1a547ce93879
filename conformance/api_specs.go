// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// apiDenies expects that the call carries out a command: a directory is denied
// then that was made before.
func apiDenies(ctx context.Context, program []string, call string) {
	GinkgoHelper()
	directory := apiDirectory(call)
	mkdir := "mkdirat mode=755 path=" + directory + "/"
	command := call + " " + apiCommand("deny/mkdir+"+directory+"/***")
	made := Syd(ctx, apiOpen("off"), append(program, "do", mkdir+"before", command, mkdir+"after")...)
	Expect(made.Lines()).To(Equal([]string{"mkdirat ok", call + " ok", "mkdirat EACCES"}))
}

// apiLooksLikeNull expects that each call tells of commands what it tells of /dev/null.
func apiLooksLikeNull(ctx context.Context, program []string) {
	GinkgoHelper()
	for _, call := range apiCalls(ctx, program) {
		var want []string
		for _, path := range []string{"path=/dev/null", "path=/dev/syd", apiCommand("deny/mkdir+/x"), apiCommand("sandbox/mkdir?")} {
			lines := Syd(ctx, apiOpen("off"), append(program, "show", call+" exact=1 "+path)...).Lines()
			if want == nil {
				want = lines
			}
			Expect(lines).To(Equal(want), path)
		}
		Expect(len(want)).To(BeNumerically(">=", 3))
		Expect(want[1]).To(HavePrefix(call + ".is character"))
	}
}

var _ = Describe("a command to the sandbox", func() {
	Spec("API-01.1", "is given by a shell's `test -c`", func(ctx context.Context) {
		directory := apiDirectory("directory")
		script := `mkdir "$0/before" && test -c "/dev/syd/deny/mkdir+$0/***" && mkdir "$0/after"; echo status $?; test -c /dev/syd && echo is there`
		Expect(Native(ctx, "/bin/sh", "-c", `test -c /dev/syd`)).To(ExitWith(1))
		result := Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script, directory)
		Expect(result.Lines()).To(Equal([]string{"status 1", "is there"}))
		Expect(result).To(Complain("Permission denied"))
	}, Smoke)

	Spec("API-01.2", "is carried out by each of the calls stat, lstat, newfstatat and statx", func(ctx context.Context) {
		calls := apiCalls(ctx, Fixture("path"))
		Expect(calls).To(ContainElements("newfstatat", "statx"))
		for _, call := range calls {
			apiDenies(ctx, Fixture("path"), call)
		}
	}, Smoke)

	Spec("API-01.3", "is carried out by each of a 32-bit program's calls", func(ctx context.Context) {
		calls := apiCalls(ctx, ForeignFixture("path"))
		Expect(calls).To(ContainElements("stat", "lstat", "stat64", "lstat64", "fstatat64", "statx"))
		for _, call := range calls {
			apiDenies(ctx, ForeignFixture("path"), call)
		}
	}, Requires("i386"))

	Spec("API-01.4", "that succeeds has the metadata of /dev/null", func(ctx context.Context) {
		apiLooksLikeNull(ctx, Fixture("path"))
	})

	Spec("API-01.14", "that succeeds has the metadata of /dev/null for a 32-bit program", func(ctx context.Context) {
		apiLooksLikeNull(ctx, ForeignFixture("path"))
	}, Requires("i386"))

	Spec("API-01.5", "is as good from any thread, child and program, and for all of them", func(ctx context.Context) {
		for _, who := range everybody {
			result := Syd(ctx, apiOpen("off"), Fixture("api", "ask", who, "sandbox/mkdir:off", "self", "sandbox/mkdir?", "grandchild", "sandbox/mkdir?",
				"thread", "sandbox/rmdir?")...)
			Expect(result.Lines()).To(Equal([]string{who + " ok", "self ENOENT", "grandchild ENOENT", "thread ok"}))
		}
	})

	Spec("API-01.6", "is as good from a 32-bit program", func(ctx context.Context) {
		result := Syd(ctx, apiOpen("off"), ForeignFixture("api", "ask", "self", "sandbox/mkdir:off", "child", "sandbox/mkdir?", "self", "@lock")...)
		Expect(result.Lines()).To(Equal([]string{"self ok", "child ENOENT", "self off"}))
		result = Syd(ctx, apiOpen("exec"), ForeignFixture("api", "ask", "self", "sandbox/mkdir:off", "child", "sandbox/mkdir?", "thread", "@lock")...)
		Expect(result.Lines()).To(Equal([]string{"self ok", "child ENOENT", "thread exec"}))
	}, Requires("i386"))

	Spec("API-01.7", "has to be written out: no other path to the same place is one", func(ctx context.Context) {
		execLink("/dev/syd/lock:on", "link")
		execLink("/dev", "dev")
		step := func(path string) string { return "newfstatat path=" + path }
		Expect(Syd(ctx, apiOpen("off"), Fixture("path", "do", step("/dev/syd/lock:on"), step("/dev/syd"))...).Lines()).To(
			Equal([]string{"newfstatat ok", "newfstatat ENOENT"}), "the control")
		steps := []string{step("//dev/syd/lock:on"), step("/dev//syd/lock:on"), step("/dev/./syd/lock:on"), step("/dev/../dev/syd/lock:on"),
			step("/./dev/syd/lock:on"), step("/proc/self/root/dev/syd/lock:on"), step("link"), step("link/"), step("dev/syd/lock:on"),
			step("syd/lock:on") + " dir=dir:/dev", step("dev/syd/lock:on") + " dir=dir:/", step("/dev/sydlock:on"), step("/dev/syd:lock:on"),
			"openat path=//dev/syd", "openat path=dev/syd", "openat path=syd dir=dir:/dev"}
		lines := Syd(ctx, apiOpen("off"), Fixture("path", append(append([]string{"do"}, steps...), step("/dev/syd"))...)...).Lines()
		Expect(lines[:len(steps)]).To(HaveEach(HaveSuffix(" ENOENT")))
		Expect(lines[len(steps)]).To(Equal("newfstatat ok"))
	})

	Spec("API-01.8", "is as good where nothing may be seen", func(ctx context.Context) {
		commands := []string{"@root", "sandbox/mkdir?", "sandbox/mkdir:off", "@open"}
		opts := apiOpen("off", "deny/stat,walk,read,list+/dev/***")
		Expect(Syd(ctx, opts, Fixture("path", "do", "newfstatat path=/dev/null")...).Lines()).To(Equal([]string{"newfstatat ENOENT"}))
		Expect(apiAsk(ctx, opts, "self", commands...)).To(Equal(apiEach(len(commands), "ok")))
	})

	Spec("API-01.9", "is not logged", func(ctx context.Context) {
		result, records := logged(ctx, apiOpen("off", "deny/stat,walk+/dev/***"), Fixture("api", "ask", "self", "sandbox/mkdir?", "self", "sandbox/mkdir:off",
			"self", "sandbox/mkdir?", "self", "deny/read+/x", "self", "@open", "child", "lock:read", "self", "sandbox/mkdir:on"))
		Expect(result.Facts("self")).To(Equal([]string{"ok", "ok", "ENOENT", "ok", "ok", "ENOENT"}))
		Expect(records).To(BeEmpty())
	})

	Spec("API-01.10", "is no call but those of stat's kind", func(ctx context.Context) {
		steps := []string{"openat path=/dev/syd/lock:on", "openat flags=O_WRONLY|O_CREAT mode=600 path=/dev/syd/lock:on", "faccessat path=/dev/syd/lock:on",
			"faccessat2 path=/dev/syd/lock:on", "readlinkat path=/dev/syd/lock:on", "statfs path=/dev/syd/lock:on", "chdir path=/dev/syd/lock:on",
			"getxattr path=/dev/syd/lock:on", "truncate n=0 path=/dev/syd/lock:on", "unlinkat path=/dev/syd/lock:on", "faccessat path=/dev/syd",
			"chdir path=/dev/syd", "inotify_add_watch mask=IN_MODIFY path=/dev/syd/lock:on"}
		lines := Syd(ctx, apiOpen("off"), Fixture("path", append(append([]string{"do"}, steps...), "newfstatat path=/dev/syd")...)...).Lines()
		Expect(lines[:len(steps)]).To(HaveEach(HaveSuffix(" ENOENT")))
		Expect(lines[len(steps)]).To(Equal("newfstatat ok"))
	})

	Spec("API-01.11", "is one whatever flags the call has, unless it has none such", func(ctx context.Context) {
		query := "newfstatat " + apiCommand("sandbox/mkdir?")
		lines := Syd(ctx, apiOpen("off"), Fixture("path", "do", query+" flags=AT_SYMLINK_NOFOLLOW", query+" flags=AT_EMPTY_PATH|AT_NO_AUTOMOUNT", query+" dir=@bad",
			"statx mask=0 "+apiCommand("sandbox/mkdir?"), "newfstatat flags=0x10000 "+apiCommand("lock:on"), "statx flags=0x10000 "+apiCommand("lock:on"), query)...).Lines()
		Expect(lines).To(Equal([]string{"newfstatat ok", "newfstatat ok", "newfstatat ok", "statx ok", "newfstatat EINVAL", "statx EINVAL", "newfstatat ok"}))
	})

	Spec("API-01.12", "is read as any path is: to its end, from memory that is there, of at most 4095 bytes", func(ctx context.Context) {
		lines := Syd(ctx, apiOpen("off"), Fixture("path", "do", "newfstatat path=@edge:/dev/syd/sandbox/mkdir:off", "newfstatat path=@cut:/dev/syd/lock:on",
			"newfstatat "+apiCommand("sandbox/mkdir?"), "newfstatat path=@repeat:4095:/:x", "newfstatat path=@repeat:4200:x:y")...).Lines()
		Expect(lines).To(Equal([]string{"newfstatat ok", "newfstatat EFAULT", "newfstatat ENOENT", "newfstatat ENAMETOOLONG", "newfstatat ENAMETOOLONG"}))
		for length, want := range map[int]string{4095: "ok", 4096: "ENAMETOOLONG"} {
			command := "deny/mkdir+/x/" + strings.Repeat("y", length-len("/dev/syd/deny/mkdir+/x/"))
			Expect(apiAsk(ctx, apiOpen("off"), "self", command)).To(Equal([]string{want}))
		}
	})

	Spec("API-01.13", "is taken letter by letter", func(ctx context.Context) {
		for i, name := range []string{"two words", "a?b", "ende\\", "é", "[x]", "%41", "'", "{a,b}", "~", "#"} {
			path := apiDirectory(strconv.Itoa(i) + name)
			pattern := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `{`, `\{`, ` #`, ` \#`).Replace(path)
			script := `test -c "/dev/syd/deny/mkdir+$0/***" && mkdir "$1/x" && exit 1; exit 0`
			result := Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script, pattern, path)
			Expect(result).To(And(ExitWith(0), Complain("Permission denied")), "%q", name)
			Expect(Syd(ctx, apiOpen("off"), "mkdir", path+"/x")).To(ExitWith(0), "the control: %q", name)
		}
	}, Stress)
})

// apiCategories is every category, as the state names them.
func apiCategories(state map[string]any) (names []string) {
	GinkgoHelper()
	categories, ok := state["categories"].(map[string]any)
	Expect(ok).To(BeTrue())
	for name := range categories {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var _ = Describe("a query", func() {
	Spec("API-02.1", "is true of a category exactly if that is on", func(ctx context.Context) {
		script := `test -c "/dev/syd/sandbox/read?" && echo on || echo off`
		Expect(Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script)).To(SayLine("on"))
		Expect(Syd(ctx, apiOpen("off", "sandbox/read:off"), "/bin/sh", "-c", script)).To(SayLine("off"))
		Expect(Native(ctx, "/bin/sh", "-c", script)).To(SayLine("off"))
	}, Smoke)

	Spec("API-02.2", "can be asked of every category", func(ctx context.Context) {
		_, state, _ := apiAfter(ctx, apiOpen("off"))
		names := apiCategories(state)
		Expect(len(names)).To(BeNumerically(">=", 26))
		var queries, wrong []string
		for i, name := range names {
			queries = append(queries, "sandbox/"+name+"?")
			if i%2 == 0 {
				wrong = append(wrong, "sandbox/"+name+":off")
			}
		}
		Expect(apiAsk(ctx, apiOpen("off"), "self", queries...)).To(HaveEach("ok"))
		for i, result := range apiAsk(ctx, apiOpen("off", wrong...), "self", queries...) {
			Expect(result).To(Equal([]string{"ENOENT", "ok"}[i%2]), names[i])
		}
	})

	Spec("API-02.3", "follows the edits", func(ctx context.Context) {
		Expect(apiAsk(ctx, apiOpen("off"), "self", "sandbox/mkdir?", "sandbox/mkdir:off", "sandbox/mkdir?", "sandbox/mkdir:on", "sandbox/mkdir?")).To(
			Equal([]string{"ok", "ok", "ENOENT", "ok", "ok"}))
	})

	Spec("API-02.4", "of several categories is true if all are on", func(ctx context.Context) {
		queries := []string{"sandbox/mkdir,rmdir?", "sandbox/rmdir,mkdir?", "sandbox/rmdir?", "sandbox/all?", "sandbox/rmdir,rmdir?"}
		Expect(apiAsk(ctx, apiOpen("off"), "self", queries...)).To(HaveEach("ok"))
		Expect(apiAsk(ctx, apiOpen("off", "sandbox/mkdir:off"), "self", queries...)).To(Equal([]string{"ENOENT", "ENOENT", "ok", "ENOENT", "ok"}))
	})

	Spec("API-02.5", "can be asked of what is said at the start", func(ctx context.Context) {
		query := "trace/exit_wait_all?"
		Expect(apiAsk(ctx, apiOpen("off", "trace/exit_wait_all:1"), "self", query)).To(Equal([]string{"ok"}))
		Expect(apiAsk(ctx, apiOpen("off"), "self", query)).To(Equal([]string{"ENOENT"}))
	})

	Spec("API-02.6", "of what is no yes or no is malformed", func(ctx context.Context) {
		queries := []string{"sandbox?", "sandbox/?", "sandbox/nothing?", "sandbox/mkdir,?", "sandbox/mkdir,nothing?", "sandbox/mkdir?x", "sandbox/mkdir??",
			"sandbox/mkdir:on?", "pid/max?", "lock?", "segvguard/expiry?", "default/mkdir?", "allow/mkdir?", "deny/mkdir+/x?y?x\x01?"}
		Expect(apiAsk(ctx, apiOpen("off"), "self", "sandbox/mkdir?")).To(Equal([]string{"ok"}), "the control")
		Expect(apiAsk(ctx, apiOpen("off"), "self", queries...)).To(Equal(apiEach(len(queries), "EINVAL")))
	})

	Spec("API-02.7", "changes nothing, whatever the answer", func(ctx context.Context) {
		for _, lock := range []string{"off", "exec", "drop", "read"} {
			_, before, after := apiAfter(ctx, apiOpen(lock, "sandbox/rmdir:off"), "sandbox/mkdir?", "sandbox/rmdir?", "sandbox/all?", "trace/exit_wait_all?",
				"sandbox/nothing?", "nothing?")
			Expect(apiChanges(before, after)).To(BeEmpty())
		}
	})
})

var _ = Describe("a command that fails", func() {
	malformed := []string{"sandbox/mkdir:", "sandbox/mkdir:maybe", "sandbox/mkdir:On", "sandbox/:on", "sandbox:on", "sandbox/nothing:on", "sandbox/mkdir,:on",
		"default/mkdir:", "default/mkdir:nothing", "default/nothing:deny", "deny/mkdir+", "deny/mkdir+relative", "deny/nothing+/x", "deny/mkdir:/x", "deny+/x",
		"deny/mkdir+/[x", "deny/mkdir+/{x", "deny/mkdir+/x\\", "deny/mkdir", "deny/mkdir+/x ", " ", "# comment", "pid/max:x", "pid/max:-1", "pid/max:1K",
		"pid/max:", "pid/max+1", "mask:/x", "mask+x", "append+", "lock:nothing", "deny/mkdir+/\x7f", "deny/mkdir+/\xff", "reset:1", "include", "include_profile",
		"load/", "load/x", "load/-1", "load/3x", "load/ 3", "load/4294967296", "load/99999999999999999999", "load/3/4"}
	unknown := []string{"nothing", "nothing:on", "nothing/mkdir:on", "nothing/mkdir+/x", "sandboxes/mkdir:on", "allowed/mkdir+/x", "Sandbox/mkdir:on", "trace/nothing:1",
		"locks:on", "panics", "ghosts", "stats", "states", "nothing?", "nothing!x", "mem/max:1G", "."}

	Spec("API-03.1", "gives EINVAL when it is malformed", func(ctx context.Context) {
		for i, result := range apiAsk(ctx, apiOpen("off"), "self", malformed...) {
			Expect(result).To(Equal("EINVAL"), "%q", malformed[i])
		}
	}, Smoke)

	Spec("API-03.2", "gives EOPNOTSUPP when no command begins so", func(ctx context.Context) {
		for i, result := range apiAsk(ctx, apiOpen("off"), "self", unknown...) {
			Expect(result).To(Equal("EOPNOTSUPP"), "%q", unknown[i])
		}
	}, Smoke)

	Spec("API-03.3", "leaves everything as it is", func(ctx context.Context) {
		_, before, after := apiAfter(ctx, apiOpen("off"), slices.Concat(malformed, unknown)...)
		Expect(apiChanges(before, after)).To(BeEmpty())
		_, before, after = apiAfter(ctx, apiOpen("off"), "sandbox/mkdir:off")
		Expect(apiChanges(before, after)).NotTo(BeEmpty(), "the control")
	})

	Spec("API-03.4", "gives ENOENT when the lock refuses it, well-formed as it is", func(ctx context.Context) {
		for _, lock := range []string{"drop", "read"} {
			Expect(apiAsk(ctx, apiOpen(lock), "self", "sandbox/mkdir:off", "sandbox/mkdir?")).To(Equal([]string{"ENOENT", "ok"}))
		}
		Expect(apiAsk(ctx, apiOpen("off"), "self", "sandbox/mkdir:off", "sandbox/mkdir?")).To(Equal([]string{"ok", "ENOENT"}), "the control")
	})

	Spec("API-03.5", "gives the same by each call and to everybody", func(ctx context.Context) {
		for _, who := range everybody {
			Expect(apiAsk(ctx, apiOpen("off"), who, "sandbox/mkdir:maybe", "nothing", "trace/exit_wait_all:1")).To(Equal([]string{"EINVAL", "EOPNOTSUPP", "EBUSY"}))
		}
		for _, call := range apiCalls(ctx, Fixture("path")) {
			lines := Syd(ctx, apiOpen("off"), Fixture("path", "show", call+" path=/dev/syd/nothing", call+" path=/dev/syd/lock:nothing")...).Lines()
			Expect(lines).To(Equal([]string{call + " EOPNOTSUPP", call + " EINVAL"}), "and the buffer is as it was")
		}
	})
})

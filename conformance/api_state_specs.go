// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"

	. "syd/conformance/harness"
)

// What version 1 of the state's schema says: exactly these fields, of these types.
var (
	apiWhole  = WithTransform(func(n float64) bool { return n >= 0 && n == float64(int64(n)) }, BeTrue())
	apiFlag   = BeAssignableToTypeOf(true)
	apiAction = BeElementOf("allow", "warn", "filter", "deny", "panic", "stop", "abort", "kill", "exit")
	apiPath   = And(BeAssignableToTypeOf(""), HavePrefix("/"))
	apiPairs  = HaveEach(And(HaveLen(2), HaveEach(apiWhole)))
)

// apiFields matches an object of exactly these fields.
func apiFields(fields map[string]types.GomegaMatcher) types.GomegaMatcher {
	all := []types.GomegaMatcher{BeAssignableToTypeOf(map[string]any{}), HaveLen(len(fields))}
	for name, value := range fields {
		all = append(all, HaveKeyWithValue(name, value))
	}
	return And(all...)
}

// apiList matches a list whose items all match; an empty one, too.
func apiList(item types.GomegaMatcher) types.GomegaMatcher {
	return And(BeAssignableToTypeOf([]any{}), Or(BeEmpty(), HaveEach(item)))
}

var apiSchema = apiFields(map[string]types.GomegaMatcher{
	"version": BeEquivalentTo(1), "language": BeEquivalentTo(3), "lock": BeElementOf("off", "exec", "drop", "read"), "observe": apiFlag,
	"categories": And(Not(BeEmpty()), HaveEach(apiFields(map[string]types.GomegaMatcher{"enabled": apiFlag, "default": apiAction, "intercepted": apiFlag}))),
	"rules": apiList(apiFields(map[string]types.GomegaMatcher{
		"action": apiAction, "categories": And(Not(BeEmpty()), HaveEach(BeAssignableToTypeOf(""))), "pattern": apiPath})),
	"mask": apiList(apiPath), "append": apiList(apiPath),
	"pid":         apiFields(map[string]types.GomegaMatcher{"max": apiWhole}),
	"segvguard":   apiFields(map[string]types.GomegaMatcher{"expiry": apiWhole, "suspension": apiWhole, "maxcrashes": apiWhole}),
	"trace":       And(BeAssignableToTypeOf(map[string]any{}), HaveEach(apiFlag)),
	"transitions": apiFields(map[string]types.GomegaMatcher{"setuid": Or(BeEmpty(), apiPairs), "setgid": Or(BeEmpty(), apiPairs)}),
})

// apiOpenings opens the state one way after the other, and keeps it open.
func apiOpenings(ctx context.Context, program []string) {
	GinkgoHelper()
	calls := []string{"openat", "openat", "openat2", "openat2"}
	if slices.Contains(Native(ctx, append(program, "calls")...).Lines(), "open") {
		calls = append(calls, "open", "open")
	}
	args := []string{"show"}
	for i, call := range calls {
		args = append(args, call+" path=/dev/syd flags="+[]string{"O_RDONLY", "O_RDONLY|O_CLOEXEC"}[i%2])
	}
	lines := Syd(ctx, apiOpen("off"), append(program, args...)...).Lines()
	Expect(lines).To(HaveLen(4 * len(calls)))
	for i, call := range calls {
		Expect(lines[4*i]).To(Equal(call + " ok"))
		Expect(lines[4*i+1]).To(MatchRegexp(`^%s\.fd %d flags (0|0x8000|0x20000) cloexec %d$`, call, 3+i, i%2))
		Expect(lines[4*i+2]).To(Equal(call + ".offset 0"))
		Expect(lines[4*i+3]).To(HavePrefix(call + ".is file "))
	}
}

var _ = Describe("the state", func() {
	Spec("API-04.1", "is JSON of the schema's version 1", func(ctx context.Context) {
		for _, opts := range [][]string{
			append(apiOpen("off"), "-x"), append(Off, Rules("lock:off")...),
			apiOpen("read", "mask+/m", "append+/a", "pid/max:99", "setuid+1:2", "setgid+3:4", "deny/read,write+/x/***", "segvguard/expiry:0"),
			apiOpen("drop", "default/all:warn", "trace/exit_wait_all:1"),
		} {
			_, state, _ := apiAfter(ctx, opts)
			Expect(state).To(apiSchema)
		}
	}, Smoke)

	Spec("API-04.2", "tells what was said at the start", func(ctx context.Context) {
		opts := Rules("allow/all+/***", "lock:read", "deny/read,write+/x/***", "kill/mkdir+/y", "mask+/m", "mask+/n/***", "append+/a", "default/mkdir:filter",
			"sandbox/ioctl:off", "pid/max:99", "setuid+1:2", "setgid+3:4", "segvguard/expiry:7", "segvguard/suspension:8", "segvguard/maxcrashes:9",
			"trace/exit_wait_all:1")
		_, state, _ := apiAfter(ctx, opts)
		rules := state["rules"].([]any)
		Expect(rules).To(HaveLen(3))
		Expect(rules[0]).To(And(HaveKeyWithValue("action", "allow"), HaveKeyWithValue("pattern", "/***")))
		Expect(rules[1]).To(And(HaveKeyWithValue("action", "deny"), HaveKeyWithValue("categories", ConsistOf("read", "write")), HaveKeyWithValue("pattern", "/x/***")))
		Expect(rules[2]).To(And(HaveKeyWithValue("action", "kill"), HaveKeyWithValue("categories", ConsistOf("mkdir")), HaveKeyWithValue("pattern", "/y")))
		categories := state["categories"].(map[string]any)
		Expect(categories["mkdir"]).To(And(HaveKeyWithValue("default", "filter"), HaveKeyWithValue("enabled", true), HaveKeyWithValue("intercepted", true)))
		Expect(categories["ioctl"]).To(And(HaveKeyWithValue("default", "deny"), HaveKeyWithValue("enabled", false), HaveKeyWithValue("intercepted", false)))
		Expect(state).To(And(HaveKeyWithValue("lock", "read"), HaveKeyWithValue("observe", false), HaveKeyWithValue("mask", ConsistOf("/m", "/n/***")),
			HaveKeyWithValue("append", ConsistOf("/a")), HaveKeyWithValue("pid", HaveKeyWithValue("max", BeEquivalentTo(99))),
			HaveKeyWithValue("segvguard", And(HaveKeyWithValue("expiry", BeEquivalentTo(7)), HaveKeyWithValue("suspension", BeEquivalentTo(8)),
				HaveKeyWithValue("maxcrashes", BeEquivalentTo(9)))),
			HaveKeyWithValue("trace", HaveKeyWithValue("exit_wait_all", true)),
			HaveKeyWithValue("transitions", And(HaveKeyWithValue("setuid", ConsistOf(ConsistOf(BeEquivalentTo(1), BeEquivalentTo(2)))),
				HaveKeyWithValue("setgid", ConsistOf(ConsistOf(BeEquivalentTo(3), BeEquivalentTo(4))))))))
	})

	Spec("API-04.3", "tells what edits have made of it", func(ctx context.Context) {
		_, before, after := apiAfter(ctx, apiOpen("off"), "deny/read+/x", "sandbox/mkdir:off", "default/mkdir:kill", "mask+/m", "append+/a", "pid/max:7", "lock:read")
		Expect(before).To(And(HaveKeyWithValue("rules", HaveLen(1)), HaveKeyWithValue("mask", BeEmpty()), HaveKeyWithValue("lock", "off")))
		Expect(after).To(And(HaveKeyWithValue("rules", HaveLen(2)), HaveKeyWithValue("mask", ConsistOf("/m")), HaveKeyWithValue("append", ConsistOf("/a")),
			HaveKeyWithValue("lock", "read"), HaveKeyWithValue("pid", HaveKeyWithValue("max", BeEquivalentTo(7)))))
		Expect(after["categories"].(map[string]any)["mkdir"]).To(And(HaveKeyWithValue("enabled", false), HaveKeyWithValue("default", "kill")))
	})

	Spec("API-04.4", "with -x says that denials are warnings", func(ctx context.Context) {
		_, state, _ := apiAfter(ctx, append(apiOpen("off"), "-x"))
		Expect(state).To(HaveKeyWithValue("observe", true))
	})

	Spec("API-04.5", "is an ordinary descriptor: the lowest number, closed by exec if asked for, for reading, at its begin", func(ctx context.Context) {
		apiOpenings(ctx, Fixture("path"))
	}, Requires("openat2"))

	Spec("API-04.11", "is as ordinary a descriptor for a 32-bit program", func(ctx context.Context) {
		apiOpenings(ctx, ForeignFixture("path"))
	}, Requires("i386", "openat2"))

	Spec("API-04.6", "can't be changed through its descriptor", func(ctx context.Context) {
		seals := 1 | 2 | 4 | 8 // F_SEAL_SEAL, _SHRINK, _GROW, _WRITE
		result := Syd(ctx, apiOpen("off"), Fixture("path", "show", "openat path=/dev/syd", "write fd=3 value=x", "ftruncate fd=3 n=0", "fcntl fd=3 request=1034",
			"openat flags=O_WRONLY path=/proc/self/fd/3", "write fd=4 value=x", "ftruncate fd=4 n=0")...)
		Expect(result.Facts("write")).To(HaveLen(2))
		Expect(result.Facts("write")[0]).To(BeDenied("EBADF"))
		Expect(result.Facts("write")[1]).NotTo(Equal("ok"))
		Expect(result.Facts("ftruncate")).To(HaveEach(Not(Equal("ok"))))
		set, err := strconv.Atoi(result.Fact("fcntl.number"))
		Expect(err).NotTo(HaveOccurred())
		Expect(set & seals).To(Equal(seals))
		memory := File("memory", "x", 0o666)
		control := Syd(ctx, apiOpen("off"), Fixture("path", "do", "openat flags=O_RDWR path="+memory, "write fd=3 value=x", "ftruncate fd=3 n=0")...)
		Expect(control.Lines()).To(HaveEach(HaveSuffix(" ok")), "the control")
	})

	Spec("API-04.7", "is opened for reading only", func(ctx context.Context) {
		rows := [][2]string{{"O_RDONLY", "ok"}, {"O_RDONLY|O_NONBLOCK|O_NOCTTY|O_NOFOLLOW", "ok"}, {"O_RDONLY|O_CREAT", "ok"}, {"O_WRONLY", "EACCES"}, {"O_RDWR", "EACCES"},
			{"O_RDONLY|O_TRUNC", "EACCES"}, {"O_WRONLY|O_APPEND", "EACCES"}, {"O_DIRECTORY", "ENOTDIR"}, {"O_RDONLY|O_CREAT|O_EXCL", "EEXIST"}, {"O_RDWR|O_CREAT|O_TRUNC", "EACCES"}}
		var steps, want []string
		for _, row := range rows {
			steps, want = append(steps, "openat mode=600 path=/dev/syd flags="+row[0]), append(want, "openat "+row[1])
		}
		Expect(Syd(ctx, apiOpen("off"), Fixture("path", append([]string{"do"}, steps...)...)...).Lines()).To(Equal(want))
	})

	Spec("API-04.8", "that was read stays as it was, whatever is said later", func(ctx context.Context) {
		script := `exec 3</dev/syd; test -c /dev/syd/lock:on && cat <&3`
		Expect(apiState(Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script).Stdout)).To(HaveKeyWithValue("lock", "off"))
	})

	Spec("API-04.9", "is read by each program that knows how to read a file", func(ctx context.Context) {
		result := Syd(ctx, apiOpen("off"), "/bin/sh", "-c", `cat /dev/syd; while read -r line; do n=$((n + 1)); done </dev/syd; echo "$n" >&2`)
		Expect(apiState(result.Stdout)).To(apiSchema)
		Expect(Syd(ctx, apiOpen("off"), Fixture("api", "ask", "child", "@lock", "thread", "@lock", "program", "@lock")...).Lines()).To(
			Equal([]string{"child off", "thread off", "program off"}))
	})

	Spec("API-04.10", "has room for 2,000 rules", func(ctx context.Context) {
		var text strings.Builder
		for i := range 2000 {
			fmt.Fprintf(&text, "deny/mkdir+/nowhere/%d/%s\n", i, strings.Repeat("x", 100))
		}
		file := File("many", text.String(), 0o644)
		script := `"$0" load-file "$1"; cat /dev/syd`
		result := Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script, Fixture("api")[0], file)
		loaded, state, _ := strings.Cut(result.Stdout, "\n")
		Expect(loaded).To(Equal("load ok"))
		Expect(apiState(state)["rules"]).To(HaveLen(2001))
	})
})

var _ = Describe("panic", func() {
	Spec("API-05.1", "ends the sandbox at once, with 127", func(ctx context.Context) {
		for _, who := range everybody {
			run, line := startOnLifeline(ctx, apiOpen("off"), Fixture("api", "ask", "child", "@root", who, "panic", "self", "@root")...)
			result := run.Wait(ctx)
			Expect(result).To(ExitWith(127), who)
			Expect(result.Facts("child")).To(ContainElement("ok"))
			Expect(Within1s(ctx, line.cut)).To(BeTrue(), who)
		}
	}, Smoke)

	Spec("API-05.2", "takes processes that do nothing with it", func(ctx context.Context) {
		script := `sleep 1000 & setsid sleep 1000 & "$0" name self panic; sleep 1000`
		run, line := startOnLifeline(ctx, apiOpen("off", "trace/exit_wait_all:1"), "/bin/sh", "-c", script, Fixture("api")[0])
		Expect(run.Wait(ctx)).To(ExitWith(127))
		Expect(Within1s(ctx, line.cut)).To(BeTrue())
	})

	Spec("API-05.3", "is refused where the lock refuses edits", func(ctx context.Context) {
		for _, lock := range []string{"ipc", "drop", "read", "on"} {
			Expect(apiAsk(ctx, apiOpen(lock), "self", "panic", "panic")).To(Equal([]string{"ENOENT", "ENOENT"}), lock)
		}
		Expect(apiAsk(ctx, apiOpen("exec"), "child", "panic")).To(Equal([]string{"ENOENT"}))
		Expect(Syd(ctx, apiOpen("exec"), Fixture("api", "ask", "self", "panic")...)).To(ExitWith(127), "the control")
	})
})

var _ = Describe("reset", func() {
	Spec("API-05.4", "forgets the rules: everything is denied then", func(ctx context.Context) {
		directory := apiDirectory("directory")
		mkdir := "mkdirat mode=755 path=" + directory + "/"
		lines := Syd(ctx, apiOpen("off", "sandbox/mkdir:on"), Fixture("path", "do", mkdir+"a", "newfstatat path=/dev/syd/reset", mkdir+"b", "newfstatat path=/",
			"newfstatat path=/dev/syd/sandbox/all:off", mkdir+"c")...).Lines()
		Expect(lines).To(Equal([]string{"mkdirat ok", "newfstatat ok", "mkdirat ENOENT", "newfstatat ENOENT", "newfstatat ok", "mkdirat ok"}))
	}, Smoke)

	Spec("API-05.5", "makes of the state what it is where nothing was said, but for the lock and what counts at the start", func(ctx context.Context) {
		start := []string{"trace/exit_wait_all:1", "segvguard/expiry:7", "setuid+1:2"}
		said := append([]string{"deny/read+/x", "mask+/m", "append+/a", "pid/max:9", "default/mkdir:kill"}, start...)
		_, _, after := apiAfter(ctx, apiOpen("off", said...), "sandbox/rmdir:off", "reset")
		_, _, plain := apiAfter(ctx, apiOpen("off", start...), "allow/all^/***")
		Expect(apiChanges(plain, after)).To(BeEmpty())
		Expect(after).To(And(HaveKeyWithValue("lock", "off"), HaveKeyWithValue("rules", BeEmpty())))
	})

	Spec("API-05.6", "and what follows it in one text are one step", func(ctx context.Context) {
		directory := apiDirectory("directory")
		script := `"$0" load memory "$1"; mkdir "$2/a" && mkdir "$2/b"; echo status $?`
		text := "reset\n# anew\n\nallow/all+/***\n\tdeny/mkdir+" + directory + "/b\n"
		result := Syd(ctx, apiOpen("off", "deny/mkdir+"+directory+"/a"), "/bin/sh", "-c", script, Fixture("api")[0], text, directory)
		Expect(result.Lines()).To(Equal([]string{"load ok", "status 1"}))
		_, err := os.Stat(directory + "/a")
		Expect(err).NotTo(HaveOccurred())
	})
})

var _ = Describe("the command stat", func() {
	Spec("API-05.7", "writes the state to the log, as one record", func(ctx context.Context) {
		for _, who := range []string{"self", "child"} {
			result, records := logged(ctx, apiOpen("read", "deny/read+/x"), Fixture("api", "ask", who, "stat", who, "@state"))
			Expect(result.Facts(who)).To(HaveLen(2))
			Expect(result.Facts(who)[0]).To(Equal("ok"))
			Expect(records).To(HaveLen(1))
			Expect(records[0]).To(HaveKeyWithValue("ctx", "stat"))
			text, _ := records[0]["msg"].(string)
			Expect(apiState(text)).To(Equal(apiState(result.Facts(who)[1])))
		}
	})

	Spec("API-05.8", "writes nothing where the lock leaves no state to read", func(ctx context.Context) {
		for _, lock := range []string{"ipc", "on"} {
			result, records := logged(ctx, apiOpen(lock), Fixture("api", "ask", "self", "stat"))
			Expect(result.Lines()).To(Equal([]string{"self ENOENT"}))
			Expect(records).To(BeEmpty())
		}
		_, records := logged(ctx, apiOpen("exec"), Fixture("api", "ask", "child", "stat", "self", "stat"))
		Expect(records).To(HaveLen(1), "the control")
	})
})

// apiLoad has the fixture load something, as its words say, and returns what that
// came to and the states before and after.
func apiLoad(ctx context.Context, opts []string, words ...string) (result string, before, after map[string]any) {
	GinkgoHelper()
	script := `"$0" name before @state; "$0" "$@"; "$0" name after @state`
	run := Syd(ctx, opts, append([]string{"/bin/sh", "-c", script}, Fixture("api", words...)...)...)
	return run.Fact("load"), apiState(run.Fact("before")), apiState(run.Fact("after"))
}

var _ = Describe("load", func() {
	Spec("API-05.9", "takes a text from a file, a pipe, a socket or memory", func(ctx context.Context) {
		text := "# two rules\n\ndeny/mkdir+/x\n   deny/rmdir+/y\nsandbox/ioctl:off"
		file := configFile("text", text)
		for _, words := range [][]string{{"load-file", file}, {"load", "pipe", text}, {"load", "socket", text}, {"load", "memory", text}, {"load", "memory", text + "\n"}} {
			result, before, after := apiLoad(ctx, apiOpen("off"), words...)
			Expect(result).To(Equal("ok"), words[0])
			Expect(before).To(HaveKeyWithValue("rules", HaveLen(1)))
			Expect(after).To(HaveKeyWithValue("rules", HaveLen(3)), "%v", words)
			Expect(after["categories"].(map[string]any)["ioctl"]).To(HaveKeyWithValue("enabled", false))
		}
	}, Smoke, Stress)

	Spec("API-05.10", "reads from where the descriptor is to its end", func(ctx context.Context) {
		result, before, after := apiLoad(ctx, apiOpen("off"), "load", "end", "deny/mkdir+/x\n")
		Expect(result).To(Equal("ok"))
		Expect(apiChanges(before, after)).To(BeEmpty())
	})

	Spec("API-05.11", "gives read's errno for a descriptor that can't be read", func(ctx context.Context) {
		result := Syd(ctx, apiOpen("off"), Fixture("api", "load-bad", TempDir(), File("file", "deny/mkdir+/x\n", 0o666))...)
		Expect(result.Lines()).To(Equal([]string{"closed EBADF", "directory EISDIR", "write-only EBADF", "nothing-yet EAGAIN", "wrong-end EBADF"}))
	})

	Spec("API-05.12", "takes a text of 1 MiB and none that is longer", func(ctx context.Context) {
		line := "deny/mkdir+/" + strings.Repeat("x", 1011) + "\n"
		text := "sandbox/mkdir:off\n" + strings.Repeat(line, 1024)
		for length, want := range map[int][]string{1 << 20: {"load ok", "mkdir ENOENT"}, 1<<20 + 1: {"load E2BIG", "mkdir ok"}} {
			file := File("long", text[:length-1]+"\n", 0o644)
			script := `"$0" load-file "$1"; "$0" name mkdir "sandbox/mkdir?"`
			Expect(Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script, Fixture("api")[0], file).Lines()).To(Equal(want))
		}
	})

	Spec("API-05.13", "of a text with one mistake changes nothing, wherever that is", func(ctx context.Context) {
		good := "sandbox/mkdir:off\ndeny/read+/x\nlock:drop\n"
		for _, lines := range []string{"%s", good + "%s", "%s\n" + strings.TrimSuffix(good, "lock:drop\n"), "sandbox/mkdir:off\n%s\ndeny/read+/x"} {
			for mistake, want := range map[string]string{"deny/read+x": "EINVAL", "nothing:1": "EOPNOTSUPP", "trace/exit_wait_all:1": "EBUSY", "deny/read+/\x01": "EINVAL",
				"include_profile off": "EBUSY", "load/3": "EOPNOTSUPP", "sandbox/mkdir?": "EINVAL"} {
				if strings.HasPrefix(lines, good) {
					lines = strings.Replace(lines, "lock:drop\n", "", 1)
				}
				text := fmt.Sprintf(lines, mistake)
				result, before, after := apiLoad(ctx, apiOpen("off"), "load", "memory", text)
				Expect(result).To(Equal(want), "%q", text)
				Expect(apiChanges(before, after)).To(BeEmpty(), "%q", text)
			}
		}
		_, before, after := apiLoad(ctx, apiOpen("off"), "load", "memory", good)
		Expect(apiChanges(before, after)).NotTo(BeEmpty(), "the control")
	}, TimeLimit(time.Minute), Stress)

	Spec("API-05.14", "that waits for its text keeps nobody waiting", func(ctx context.Context) {
		late := Fixture("api", "load-late", "deny/mkdir+/x\n", "self", "sandbox/mkdir:off", "self", "sandbox/mkdir?", "self", "@lock")
		result := Syd(ctx, apiOpen("off"), late...)
		Expect(result.Lines()).To(Equal([]string{"self ok", "self ENOENT", "self off", "load ok", "loader exit 0"}))
	})

	Spec("API-05.15", "that waits for its text ends when it is killed", func(ctx context.Context) {
		result := Syd(ctx, apiOpen("off"), Fixture("api", "load-late", "@kill", "self", "sandbox/mkdir?")...)
		Expect(result.Lines()).To(Equal([]string{"self ok", "loader signal SIGKILL"}))
		run := Start(ctx, apiOpen("off"), "/bin/sh", "-c", `sleep 1000 | "$0" name load load/0`, Fixture("api")[0])
		WaitFor(ctx, "the load", func() bool {
			return slices.ContainsFunc(run.Descendants(), func(p Process) bool { return p.Name == "api" && p.State == "S" })
		})
		run.Signal(syscall.SIGTERM)
		Expect(run.Wait(ctx)).To(DieOf(syscall.SIGTERM))
	})

	Spec("API-05.16", "that a signal interrupts takes all of a text or nothing", func(ctx context.Context) {
		for _, restart := range []string{"restart", "no"} {
			script := `"$0" load-halves "$@"; "$0" name after @state`
			run := Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script, Fixture("api")[0], "deny/mkdir+/one\n", "deny/mkdir+/two\n", restart)
			Expect(run).To(SayLine("handled 1"))
			want := 1
			if run.Fact("load") == "ok" {
				want = 3
			} else {
				Expect(run.Fact("load")).To(Equal("EINTR"))
			}
			Expect(apiState(run.Fact("after"))).To(HaveKeyWithValue("rules", HaveLen(want)), "%s", restart)
		}
	})

	Spec("API-05.17", "is of the caller's own descriptors", func(ctx context.Context) {
		one, two := configFile("one", "deny/mkdir+/one"), configFile("two", "deny/mkdir+/two", "deny/mkdir+/two")
		script := `exec 3<"$1"; "$0" name load load/3; (exec 3<"$2"; "$0" name load load/3); "$0" name after @state`
		run := Syd(ctx, apiOpen("off"), "/bin/sh", "-c", script, Fixture("api")[0], one, two)
		Expect(run.Facts("load")).To(Equal([]string{"ok", "ok"}))
		Expect(apiState(run.Fact("after"))).To(HaveKeyWithValue("rules", HaveLen(4)))
	})
})

var _ = Describe("the option", func() {
	Spec("API-06.1", "--api prints 3, the state's language", func(ctx context.Context) {
		Expect(Syd(ctx, []string{"--api"}).Stdout).To(Equal("3\n"))
		_, state, _ := apiAfter(ctx, apiOpen("off"))
		Expect(state).To(HaveKeyWithValue("language", BeEquivalentTo(3)))
	}, Smoke)

	Spec("API-06.2", "--check exits 0 inside a sandbox in every state of the lock, and not outside", func(ctx context.Context) {
		Expect(Native(ctx, Build(), "--check").Status).NotTo(BeZero())
		for lock := range lockStates {
			Expect(Syd(ctx, apiOpen(lock), Build(), "--check")).To(And(ExitWith(0), SayNothing()), lock)
		}
		Expect(Syd(ctx, Rules("allow/all+/***"), Build(), "--check")).To(ExitWith(0))
	})

	Spec("API-06.3", "--check exits 0 in a sandbox whose lock was closed meanwhile", func(ctx context.Context) {
		for _, command := range []string{"lock:on", "lock:read", "lock:ipc"} {
			cmd := []string{"/bin/sh", "-c", `test -c "/dev/syd/$1" && exec "$0" --check`, Build(), command}
			Expect(Syd(ctx, apiOpen("off"), cmd...)).To(ExitWith(0), command)
			Expect(Native(ctx, cmd...).Status).NotTo(BeZero())
		}
	})
})

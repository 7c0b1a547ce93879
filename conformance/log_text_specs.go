// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// logNames are file names that are hard to write, some alike in pairs.
var logNames = []string{
	"two words", "end ", "a #b", "*", "?", "[a]", "{a,b}", "it's", "`", `"`, `back\slash`, `x\xff`, "x\xff", `x\x5cxff`, "x\ufffd", "x\xfe",
	"new\nline", `new\nline`, "esc\x1b[2J", `esc\x1b[2J`, "\x01", "\x7f", "tab\t", "\u009b", "rtl\u200f", "rtl", `rtl\xe2\x80\x8f`,
	"\u202egnp", "\u2028", "é", "e\u0301", "\xc3", "\xed\xa0\x80", "\xf0\x9f\x98\x80", "...", "-", "~",
}

var _ = Describe("what a program names itself", func() {
	denyAll := OnlyExecChdir("allow/exec+/***")

	// pathsOf is the names of denied directories, as the log has them.
	pathsOf := func(ctx context.Context, names []string) (paths []string) {
		GinkgoHelper()
		var directories []string
		for _, name := range names {
			directories = append(directories, logDirectory(name))
		}
		cmd := Fixture("tracestate", append([]string{"chdir"}, directories...)...)
		Expect(Syd(ctx, execOpen, cmd...).Facts("chdir")).To(HaveEach("ok"))
		_, records := logged(ctx, denyAll, cmd)
		Expect(records).To(HaveLen(len(names)))
		for _, record := range records {
			path, _ := record["path"].(string)
			Expect(path).To(HavePrefix(TempDir() + "/"))
			paths = append(paths, strings.TrimPrefix(path, TempDir()+"/"))
		}
		return paths
	}

	Spec("LOG-01.13", "is one line of JSON in UTF-8, whatever byte is in it", func(ctx context.Context) {
		var names []string
		for b := 1; b < 256; b++ {
			if b != '/' {
				names = append(names, "n"+string([]byte{byte(b)})+"n")
			}
		}
		for i, path := range pathsOf(ctx, names) {
			switch b := names[i][1]; {
			case b < 0x7f:
				Expect(path).To(Equal(names[i]))
			default:
				Expect(path).To(Equal(fmt.Sprintf(`n\x%02xn`, b)))
			}
		}
	})

	Spec("LOG-01.14", "never looks like another name", func(ctx context.Context) {
		seen := map[string]string{}
		for i, path := range pathsOf(ctx, logNames) {
			Expect(seen).NotTo(HaveKey(path), "%q and %q", seen[path], logNames[i])
			seen[path] = logNames[i]
		}
	}, Smoke)

	Spec("LOG-01.15", "neither hides nor reorders what stands around it", func(ctx context.Context) {
		marks := []string{"\u200b", "\u200e", "\u200f", "\u202a", "\u202e", "\u2066", "\u2069", "\u2028", "\u2029", "\ufeff", "\u0085", "\u009b", "\u00ad"}
		for i, path := range pathsOf(ctx, marks) {
			Expect(path).To(MatchRegexp(`^(\\x[0-9a-f]{2})+$`), "%q", marks[i])
		}
	})

	Spec("LOG-01.16", "is escaped in the command line and the working directory as in the path", func(ctx context.Context) {
		for _, name := range logNames {
			directory := logDirectory(name)
			_, records := logged(ctx, denyAll, Fixture("tracestate", "chdir", "/", directory), Dir(directory))
			Expect(records).To(HaveLen(2))
			path := records[1]["path"]
			for _, record := range records {
				Expect(record).To(HaveKeyWithValue("cwd", path), "%q", name)
				Expect(record["cmd"]).To(HaveSuffix(" / "+path.(string)), "%q", name)
			}
		}
	})

	Spec("LOG-01.17", "is told in a bounded line, however long the command", func(ctx context.Context) {
		long := strings.Repeat("\x01\xff", 50000)
		_, records := logged(ctx, denyAll, Fixture("tracestate", "chdir", "/", long))
		Expect(records).To(HaveLen(1), "a name too long is no denial")
		Expect(len(records[0]["cmd"].(string))).To(And(BeNumerically(">", 4096), BeNumerically("<", 5*4096)))
	})

	Spec("LOG-01.18", "is told when the environment is cut, with the way to pass it on", func(ctx context.Context) {
		cmd := Fixture("process", "surroundings")
		launch := []LaunchOption{Env("SYD_LOG=notice", "LD_X=1", "A_TOKEN=t")}
		result, records := logged(ctx, execOpen, cmd, launch...)
		Expect(result.Stdout).NotTo(ContainSubstring("LD_X="))
		Expect(records).To(HaveLen(2))
		for _, record := range records {
			Expect(record).To(And(HaveKeyWithValue("ctx", "env"), HaveKeyWithValue("op", "drop")))
			name := record["msg"].(string)
			Expect(record["tip"]).To(HaveSuffix("or pass -e " + name + "="))
			again, _ := logged(ctx, append([]string{"-e", name + "="}, execOpen...), cmd, launch...)
			Expect(again.Stdout).To(ContainSubstring(name + "="))
		}
		again, records := logged(ctx, execRules("trace/allow_unsafe_env:1"), cmd, launch...)
		Expect(again.Stdout).To(And(ContainSubstring("LD_X=1"), ContainSubstring("A_TOKEN=t")))
		Expect(records).To(BeEmpty())
	})
})

var _ = Describe("the log", func() {
	actions := map[string]int{"allow": 0, "filter": 0, "warn": 1, "deny": 1, "panic": 1, "stop": 1, "abort": 1, "kill": 1, "exit": 1}

	Spec("LOG-03.1", "has one record a denial and warning, none for allow and filter, by every call", func(ctx context.Context) {
		program, directory := execCopy("exec", "program"), logDirectory("directory")
		script := File("script", "#!"+program+" nothing\n", 0o755)
		calls := map[string][]string{
			"exec+" + program:    Fixture("exec", "watch", "execve", program, "nothing"),
			"exec+" + script:     Fixture("exec", "watch", "execveat", script, "0"),
			"chdir+" + directory: Fixture("exec", "watch", "execve", Fixture("tracestate")[0], "chdir", directory),
		}
		for rule, cmd := range calls {
			for action, count := range actions {
				_, records := logged(ctx, execRules(action+"/"+rule), cmd)
				Expect(records).To(HaveLen(count), "%s/%s", action, rule)
				for _, record := range records {
					Expect(record).To(HaveKeyWithValue("act", action))
				}
				_, records = logged(ctx, append([]string{"-x"}, execRules(action+"/"+rule)...), cmd)
				for _, record := range records {
					Expect(record).To(HaveKeyWithValue("act", "warn"))
				}
				if action != "filter" {
					Expect(records).To(HaveLen(count), "-x %s/%s", action, rule)
				}
			}
		}
	}, Requires("execveat"), TimeLimit(time.Minute), Stress)

	Spec("LOG-03.2", "has one record for an interpreter that is refused, and for a descriptor", func(ctx context.Context) {
		program, directory := execCopy("exec", "program"), logDirectory("directory")
		script := File("script", "#!"+program+" nothing\n", 0o755)
		for action, count := range actions {
			if action == "stop" {
				continue // nobody continues it
			}
			_, records := logged(ctx, execRules(action+"/exec+"+program), Fixture("exec", "execve", script))
			Expect(records).To(HaveLen(count), action)
			_, records = logged(ctx, execRules(action+"/chdir+"+directory), Fixture("tracestate", "fchdir", directory))
			Expect(records).To(HaveLen(count), action)
		}
	}, TimeLimit(time.Minute))

	Spec("LOG-03.3", "has no record of a call that fails by itself", func(ctx context.Context) {
		file := File("file", "", 0o644)
		for _, opts := range [][]string{Off, execOpen} {
			_, records := logged(ctx, opts, Fixture("tracestate", "chdir-errors", file))
			Expect(records).To(BeEmpty())
			_, records = logged(ctx, opts, Fixture("exec", "errors", file))
			Expect(records).To(BeEmpty())
		}
	})

	Spec("LOG-03.4", "has one record of each of 1,000 denials, by one process and by many threads", func(ctx context.Context) {
		bad := logDirectory("bad")
		for _, cmd := range [][]string{logLoop(1000, bad), Fixture("fork", "chdir-threads", "8", "125", "/", bad, "EACCES")} {
			_, records := logged(ctx, execRules("deny/chdir+"+bad), cmd)
			written, told := logCount(records)
			Expect(written + told).To(Equal(1000))
		}
	}, Smoke, Stress)

	Spec("LOG-03.5", "has one record of each execve that children are refused", func(ctx context.Context) {
		program := execCopy("exec", "program")
		cmd := Fixture("exec", "attempts", "300", "0", program, "nothing")
		result, records := logged(ctx, execRules("deny/exec+"+program), cmd)
		Expect(result.Facts("attempt")).To(And(HaveLen(300), HaveEach("EACCES")))
		Expect(records).To(HaveLen(300))
	})

	Spec("LOG-03.6", "has one record of each task too many, by the action", func(ctx context.Context) {
		for action, count := range map[string]int{"allow": 0, "filter": 0, "warn": 6, "abort": 1, "kill": 1, "exit": 1, "panic": 1} {
			_, records := logged(ctx, allowAll("pid/max:8", "default/pid:"+action), Fixture("fork", "over", "12"))
			Expect(records).To(HaveLen(count), action)
		}
	})

	Spec("LOG-03.7", "has one record of an executable that can't be read, and so not be checked", func(ctx context.Context) {
		program := execCopy("process", "program")
		Expect(Native(ctx, program, "exit", "5")).To(ExitWith(5))
		Expect(syscall.Chmod(program, 0o111)).To(Succeed())
		Expect(Native(ctx, program, "exit", "5")).To(ExitWith(5))
		result, records := logged(ctx, execOpen, []string{program, "exit", "5"})
		Expect(result).To(ExitWith(13))
		Expect(records).To(HaveLen(1))
		Expect(records[0]).To(And(HaveKeyWithValue("act", "deny"), HaveKeyWithValue("path", program), Not(HaveKey("tip"))))
	}, Requires("ordinary_user"))
})

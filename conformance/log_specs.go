// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// logRecords reads a log: each line is one object, in JSON and UTF-8.
func logRecords(text []byte) (records []map[string]any) {
	GinkgoHelper()
	Expect(utf8.Valid(text)).To(BeTrue(), "%q", text)
	for line := range bytes.Lines(text) {
		Expect(line).To(HaveSuffix("\n"))
		Expect(bytes.ContainsFunc(line[:len(line)-1], func(r rune) bool { return r < ' ' || r == 0x7f })).To(BeFalse(), "%q", line)
		var record map[string]any
		Expect(json.Unmarshal(line, &record)).To(Succeed(), "%q", line)
		records = append(records, record)
	}
	return records
}

// logFile opens the spec's log, at its end.
func logFile() *os.File {
	GinkgoHelper()
	file, err := os.OpenFile(filepath.Join(TempDir(), "log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	Expect(err).NotTo(HaveOccurred())
	return file
}

// logged runs a command with a new log of its own and returns what is in it.
func logged(ctx context.Context, opts []string, cmd []string, launch ...LaunchOption) (Result, []map[string]any) {
	GinkgoHelper()
	os.Remove(filepath.Join(TempDir(), "log"))
	file := logFile()
	defer file.Close()
	result := With(append(launch, Files(file), Env("SYD_LOG_FD=3"))...).Syd(ctx, opts, cmd...)
	text, err := os.ReadFile(file.Name())
	Expect(err).NotTo(HaveOccurred())
	return result, logRecords(text)
}

// logTip is the rule that a record names.
func logTip(record map[string]any) string {
	GinkgoHelper()
	tip, _ := record["tip"].(string)
	rule, found := strings.CutPrefix(tip, "configure `")
	Expect(found && strings.HasSuffix(rule, "'")).To(BeTrue(), "tip %q of %v", tip, record)
	return strings.TrimSuffix(rule, "'")
}

// logDirectory makes a directory in the spec's.
func logDirectory(name string) string {
	GinkgoHelper()
	path := TempDir() + "/" + name
	Expect(os.MkdirAll(path, 0o755)).To(Succeed())
	return path
}

var _ = Describe("a record of the log", func() {
	closedChdir := OnlyExecChdir("allow/exec+/***")

	Spec("LOG-01.1", "tells who did what to what, as the program itself sees it", func(ctx context.Context) {
		from, to := logDirectory("from"), logDirectory("to")
		script := `echo pid $$; cd "$1"; echo cwd $(pwd -P)`
		cmd := []string{"/bin/sh", "-c", script, "name", to}
		Expect(With(Dir(from)).Syd(ctx, execOpen, cmd...)).To(SayLine("cwd " + to))
		result, records := logged(ctx, closedChdir, cmd, Dir(from))
		Expect(result).To(SayLine("cwd " + from))
		Expect(records).To(HaveLen(1))
		pid, err := strconv.Atoi(result.Fact("pid"))
		Expect(err).NotTo(HaveOccurred())
		want := map[string]any{"ctx": "access", "cap": "chdir", "act": "deny", "sys": "chdir", "path": to, "cwd": from,
			"cmd": strings.Join(cmd, " "), "pid": float64(pid), "uid": float64(os.Geteuid())}
		for key, value := range want {
			Expect(records[0]).To(HaveKeyWithValue(key, value))
		}
	}, Smoke)

	Spec("LOG-01.2", "names the call, and the file that its argument led to", func(ctx context.Context) {
		program, directory := execCopy("process", "real/program"), logDirectory("real")
		link, way := execLink("real/program", "link"), execLink("real", "way")
		for _, row := range []struct {
			sys, cap, path string
			cmd            []string
		}{
			{"execve", "exec", program, Fixture("exec", "execve", link)},
			{"execve", "exec", program, Fixture("exec", "execve", "way/../real/./program")},
			{"execveat", "exec", program, Fixture("exec", "execveat", link, "0")},
			{"chdir", "chdir", directory, Fixture("tracestate", "chdir", way)},
			{"chdir", "chdir", directory, Fixture("tracestate", "chdir", "./way/.")},
			{"fchdir", "chdir", directory, Fixture("tracestate", "fchdir", way)},
		} {
			_, records := logged(ctx, execRules("deny/exec,chdir+"+directory+"/***"), row.cmd)
			Expect(records).To(HaveLen(1), "%v", row)
			Expect(records[0]).To(And(HaveKeyWithValue("sys", row.sys), HaveKeyWithValue("cap", row.cap), HaveKeyWithValue("path", row.path)))
		}
	}, Requires("execveat"))

	Spec("LOG-01.3", "carries its run's id: the same within a run, another in another", func(ctx context.Context) {
		seen := map[any]bool{}
		cmd := Fixture("tracestate", "chdir", "/", "/proc", TempDir())
		for range 5 {
			_, records := logged(ctx, closedChdir, cmd)
			Expect(records).To(HaveLen(3))
			id := records[0]["id"]
			Expect(id).To(BeAssignableToTypeOf(""))
			Expect(id).NotTo(BeEmpty())
			for _, record := range records {
				Expect(record).To(HaveKeyWithValue("id", id))
			}
			Expect(seen).NotTo(HaveKey(id))
			seen[id] = true
		}
	})

	Spec("LOG-01.4", "tells the time in UTC, whatever the time zone", func(ctx context.Context) {
		for _, zone := range []string{"UTC", "Asia/Tokyo", "XYZ+11"} {
			before := time.Now().Truncate(time.Second)
			_, records := logged(ctx, closedChdir, Fixture("tracestate", "chdir", "/"), Env("TZ="+zone))
			Expect(records).To(HaveLen(1))
			text, _ := records[0]["time"].(string)
			at, err := time.Parse("20060102T150405Z", text)
			Expect(err).NotTo(HaveOccurred())
			Expect(at).To(And(BeTemporally(">=", before), BeTemporally("<=", time.Now())), zone)
		}
	})

	Spec("LOG-01.5", "names the process, whichever of its threads made the call", func(ctx context.Context) {
		bad := logDirectory("bad")
		cmd := append([]string{"/bin/sh", "-c", `echo pid $$; exec "$@"`, "sh"}, Fixture("fork", "chdir-threads", "8", "5", "/", bad, "EACCES")...)
		result, records := logged(ctx, execRules("deny/chdir+"+bad), cmd)
		Expect(result).To(SayLine("wrong 0"))
		Expect(records).To(HaveLen(40))
		for _, record := range records {
			Expect(record["pid"]).To(BeNumerically("==", numberIn(result.Fact("pid"))))
		}
	})

	Spec("LOG-01.6", "names the user", func(ctx context.Context) {
		cmd := Fixture("tracestate", "chdir", "/")
		for _, user := range []uint32{65534, 4321} {
			_, records := logged(ctx, closedChdir, cmd, As(user, 65534))
			Expect(records).To(HaveLen(1))
			Expect(records[0]["uid"]).To(BeNumerically("==", user))
		}
	}, RootOnly)

	Spec("LOG-01.7", "gives a tip: the rule with which the same call works", func(ctx context.Context) {
		program, directory := execCopy("exec", "program"), logDirectory("directory")
		script := File("script", "#!"+program+" nothing\n", 0o755)
		for _, row := range []struct {
			denied, fact, want string
			cmd                []string
		}{
			{"deny/chdir+" + directory, "chdir", "ok", Fixture("tracestate", "chdir", directory)},
			{"deny/chdir+" + directory, "fchdir", "ok", Fixture("tracestate", "fchdir", directory)},
			{"kill/exec+" + program, "child", "exit 0", Fixture("exec", "watch", "execve", program, "nothing")},
			{"deny/exec+" + program, "child", "exit 0", Fixture("exec", "watch", "execve", script)},
			{"deny/exec+" + script, "child", "exit 0", Fixture("exec", "watch", "execve", script)},
		} {
			opts := execRules(row.denied)
			result, records := logged(ctx, opts, row.cmd)
			Expect(result).NotTo(And(HaveFact(row.fact, row.want), Not(HaveFact("execve", "EACCES"))))
			Expect(records).To(HaveLen(1))
			result, records = logged(ctx, append(opts, Rules(logTip(records[0]))...), row.cmd)
			Expect(result).To(HaveFact(row.fact, row.want))
			Expect(result).NotTo(HaveFact("execve", "EACCES"))
			Expect(records).To(BeEmpty())
		}
	}, Smoke)

	Spec("LOG-01.8", "gives a tip that works for names that are hard to write", func(ctx context.Context) {
		for _, name := range logNames {
			directory := logDirectory(name)
			cmd := Fixture("tracestate", "chdir", directory)
			_, records := logged(ctx, closedChdir, cmd)
			Expect(records).To(HaveLen(1), "%q", name)
			result, _ := logged(ctx, append(closedChdir, Rules(logTip(records[0]))...), cmd)
			Expect(result).To(HaveFact("chdir", "ok"), "%q by %v", name, records[0])
		}
	}, Stress)

	Spec("LOG-01.9", "gives no tip for a file that no rule can name", func(ctx context.Context) {
		script := `mkdir gone && cd gone && rmdir ../gone && cd . ; exec "$@"`
		gone := append([]string{"/bin/sh", "-c", script, "sh"}, Fixture("tracestate", "chdir", ".")...)
		result, records := logged(ctx, execOpen, gone)
		Expect(result).To(HaveFact("chdir", "EACCES"))
		Expect(records).NotTo(BeEmpty())
		for _, record := range records {
			Expect(record).To(And(HaveKeyWithValue("act", "deny"), Not(HaveKey("tip"))))
		}
	})

	Spec("LOG-01.10", "of pid/max tells who forked, and how to allow it", func(ctx context.Context) {
		opts := allowAll("pid/max:8", "default/pid:deny")
		cmd := Fixture("fork", "over", "12")
		result, records := logged(ctx, opts, cmd, Dir(TempDir()))
		Expect(records).NotTo(BeEmpty())
		Expect(records[0]).To(And(HaveKeyWithValue("ctx", "access"), HaveKeyWithValue("cap", "pid"), HaveKeyWithValue("act", "deny"),
			HaveKeyWithValue("cmd", strings.Join(cmd, " ")), HaveKeyWithValue("cwd", TempDir()), HaveKeyWithValue("uid", float64(os.Geteuid()))))
		Expect(records[0]["pid"]).To(BeNumerically("==", numberIn(result.Fact("caller"))))
		result, records = logged(ctx, append(opts, Rules(logTip(records[0]))...), cmd)
		Expect(result).To(SayLine("had 12"))
		Expect(records).To(BeEmpty())
	})

	Spec("LOG-01.11", "of SegvGuard tells what crashed, who wanted it again, and how to allow it", func(ctx context.Context) {
		program := execCopy("exec", "program")
		cmd := Fixture("exec", "attempts", "2", "0", program, "crash", "0")
		opts := execRules("segvguard/maxcrashes:1")
		_, records := logged(ctx, opts, cmd)
		Expect(records).To(HaveLen(2))
		for _, record := range records {
			Expect(record).To(And(HaveKeyWithValue("ctx", "segvguard"), HaveKeyWithValue("path", program),
				HaveKeyWithValue("cwd", TempDir()), HaveKeyWithValue("uid", float64(os.Geteuid())), HaveKey("pid"), HaveKey("cmd")))
		}
		Expect(records[1]).To(And(HaveKeyWithValue("act", "deny"), HaveKeyWithValue("sys", "execve"), HaveKeyWithValue("cap", "exec")))
		result, records := logged(ctx, append(opts, Rules(logTip(records[1]))...), cmd)
		Expect(result.Facts("attempt")).To(HaveEach("signal SIGSEGV"))
		Expect(records).To(BeEmpty())
	})

	Spec("LOG-01.12", "has documented fields only, and none that is empty", func(ctx context.Context) {
		fields := []string{"id", "time", "ctx", "cap", "act", "sys", "path", "cmd", "cwd", "pid", "uid", "op", "msg", "tip"}
		program := execCopy("exec", "program")
		cmd := Fixture("exec", "attempts", "3", "0", program, "crash", "0")
		_, records := logged(ctx, execRules("segvguard/maxcrashes:1"), cmd, Env("SYD_LOG=debug", "LD_X=1"))
		Expect(len(records)).To(BeNumerically(">=", 4))
		_, denials := logged(ctx, closedChdir, Fixture("tracestate", "chdir", "/"))
		Expect(denials).To(HaveLen(1))
		records = append(records, denials...)
		for _, record := range records {
			for key, value := range record {
				Expect(slices.Contains(fields, key)).To(BeTrue(), key)
				Expect(value).NotTo(BeZero(), "%s, but of root's uid: %v", key, record)
			}
		}
	}, Requires("ordinary_user"))
})

// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	. "syd/conformance/harness"
)

var _ = Describe("a mistake in a file", func() {
	Spec("CFG-12.1", "is told with file, line and column, and what was expected", func(ctx context.Context) {
		for _, row := range []struct {
			line, says string
		}{
			{"nonsense", `1: "nonsense": expected `},
			{"  nonsense", `3: "nonsense": expected `},
			{"allow/nonsense+/a", `7: "allow/nonsense+/a": expected a category`},
			{"allow/exec,nonsense+/a", `12: "allow/exec,nonsense+/a": expected a category`},
			{"allow/exec+bin", `12: "allow/exec+bin": expected an absolute path pattern`},
			{"allow/exec+/é[", `15: "allow/exec+/é[": expected a `},
			{"pid/max:many", `9: "pid/max:many": expected a whole number`},
			{"default/exec:maybe", `14: "default/exec:maybe": expected an action`},
			{"sandbox/exec:maybe", `14: "sandbox/exec:maybe": expected on or off`},
		} {
			file := configFile("x.syd-3", "# first", "default/exec:allow", "", row.line, "pid/max:0")
			configRefused(ctx, []string{"-P", file}, 22, file+":4:"+row.says)
		}
	}, Smoke)

	Spec("CFG-12.2", "is told together with all others of all files and options, in order", func(ctx context.Context) {
		file := configFile("x.syd-3", "one", "default/exec:allow", "two", "include y.syd-3", "six")
		other := configFile("y.syd-3", "three", "", "include_profile four", "five")
		configRefused(ctx, []string{"-m", "zero", "-P", file, "-p", "seven", "-P", "eight", "-m", "nine"}, 22,
			`-m:1:1: "zero": `, file+`:1:1: "one": `, file+`:3:1: "two": `, other+`:1:1: "three": `, other+`:3:17: "four": `,
			other+`:4:1: "five": `, file+`:5:1: "six": `, `-p: "seven": `, `-P: "eight": `, `-m:1:1: "nine": `)
	}, Smoke)

	Spec("CFG-12.3", "is told of every line of a hundred", func(ctx context.Context) {
		var lines, says []string
		for i := range 100 {
			lines = append(lines, fmt.Sprintf("wrong%d", i))
			says = append(says, fmt.Sprintf(`%s/x.syd-3:%d:1: "wrong%d": `, TempDir(), i+1, i))
		}
		configRefused(ctx, []string{"-P", configFile("x.syd-3", lines...)}, 22, says...)
	})

	Spec("CFG-12.4", "is told in few words of a line that is long, and in bounded ones of many", func(ctx context.Context) {
		file := configFile("x.syd-3", strings.Repeat("x", 100_000))
		result := Syd(ctx, []string{"-P", file}, "/bin/echo", "ran")
		Expect(result).To(SatisfyAll(ExitWith(22), SayNothing()))
		Expect(len(result.Stderr)).To(BeNumerically("<", 2000))
		file = File("y.syd-3", strings.Repeat("x\n", 500_000), 0o644)
		result = Syd(ctx, []string{"-P", file}, "/bin/echo", "ran")
		Expect(result).To(SatisfyAll(ExitWith(22), SayNothing(), Complain("too many errors")))
		Expect(strings.Count(result.Stderr, "\n")).To(BeNumerically("<", 2000))
	})

	Spec("CFG-12.5", "has the errno as status if all that is wrong is files that can't be read", func(ctx context.Context) {
		file := configFile("x.syd-3", "default/exec:allow")
		execLink("loop.syd-3", "loop.syd-3")
		configRefused(ctx, []string{"-P", TempDir() + "/none.syd-3"}, int(unix.ENOENT), `-P: "`+TempDir()+`/none.syd-3": No such file or directory`)
		configRefused(ctx, []string{"-P", file + "/x.syd-3"}, int(unix.ENOTDIR), `-P: "`+file+`/x.syd-3": Not a directory`)
		configRefused(ctx, []string{"-P", TempDir() + "/loop.syd-3"}, int(unix.ELOOP), `-P: `)
		configRefused(ctx, []string{"-P", TempDir() + "/none.syd-3", "-P", TempDir() + "/loop.syd-3"}, int(unix.ENOENT), "-P: ", "-P: ")
		configRefused(ctx, []string{"-P", TempDir() + "/none.syd-3", "-m", "wrong"}, 22, "-P: ", "-m:1:1: ")
	})

	Spec("CFG-12.6", "is a blank at the end of a command", func(ctx context.Context) {
		configMistakes(ctx, "allow/exec+/bin/true ", "pid/max:1 ", "default/exec:allow\t", `allow/exec+/a\\ `, "reset ")
	})

	Spec("CFG-12.7", "is a comment behind a command", func(ctx context.Context) {
		configMistakes(ctx, "allow/exec+/bin/true # why", "allow/exec+/bin/true #", "pid/max:1 # one", "include x.syd-3 # why", "reset # all")
	})

	Spec("CFG-12.8", "is a control character, and it never reaches the terminal", func(ctx context.Context) {
		for _, odd := range []string{"\r", "\x1b[31m", "\x07", "\x7f", "\u009b", "\x00"} {
			file := configFile("x.syd-3", "default/exec:allow"+odd, "default/exec:allow")
			result := Syd(ctx, []string{"-P", file}, "/bin/echo", "ran")
			Expect(result).To(SatisfyAll(ExitWith(22), SayNothing(), Complain(file+":1:19: ")))
			Expect(result.Stderr).NotTo(ContainSubstring(odd))
			file = configFile("y.syd-3", "allow/exec+/a"+odd+"b")
			configRefused(ctx, []string{"-P", file}, 22, file+":1:14: ")
		}
	})

	Spec("CFG-12.9", "is what is no UTF-8", func(ctx context.Context) {
		for _, odd := range []string{"\xff", "\xc3", "\xed\xa0\x80", "\xc0\xaf"} {
			file := configFile("x.syd-3", "allow/exec+/***", "allow/exec+/é"+odd)
			configRefused(ctx, []string{"-P", file}, 22, file+":2:14: ")
		}
		programs := configPrograms("é", "\uFFFD")
		file := configFile("y.syd-3", "allow/exec+"+programs[0], "allow/exec+"+programs[1])
		Expect(configRan(ctx, []string{"-P", file}, programs...)).To(HaveLen(2))
	})
})

var _ = Describe("a file of configuration", func() {
	good := func(ctx context.Context, file string) {
		GinkgoHelper()
		Expect(Syd(ctx, append(OnlyExecChdir(), "-P", file), "/bin/echo", "ran")).To(SatisfyAll(ExitWith(0), SayLine("ran")))
	}
	const allow = "default/exec:allow"

	Spec("CFG-12.10", "may have comments, empty lines and indented ones", func(ctx context.Context) {
		good(ctx, configFile("x.syd-3", "# a: comment", "", "   ", "\t", "  # another", "  "+allow, "#", "#default/exec:kill", "\tpid/max:0"))
	})

	Spec("CFG-12.11", "may be empty, or lack the last line's end", func(ctx context.Context) {
		good(ctx, File("x.syd-3", allow, 0o644))
		Expect(Syd(ctx, append([]string{"-P", File("empty.syd-3", "", 0o644)}, OnlyExecChdir(allow)...), "/bin/echo", "ran")).To(SayLine("ran"))
		Expect(Syd(ctx, []string{"-P", TempDir() + "/empty.syd-3"}, "/bin/echo", "ran")).To(ExitWith(13))
	})

	Spec("CFG-12.12", "that everybody may write is refused", func(ctx context.Context) {
		file := configFile("x.syd-3", allow)
		for _, mode := range []os.FileMode{0o644, 0o664, 0o600, 0o400, 0o775} {
			Expect(os.Chmod(file, mode)).To(Succeed())
			good(ctx, file)
		}
		for _, mode := range []os.FileMode{0o666, 0o646, 0o602, 0o777} {
			Expect(os.Chmod(file, mode)).To(Succeed())
			configRefused(ctx, []string{"-P", file}, 22, `-P: "`+file+`": expected `)
		}
	}, Smoke)

	Spec("CFG-12.13", "of somebody else's is refused", func(ctx context.Context) {
		file := configFile("x.syd-3", allow)
		good(ctx, file)
		Expect(os.Chown(file, 65534, 0)).To(Succeed())
		configRefused(ctx, []string{"-P", file}, 22, `-P: "`+file+`": expected `)
		Expect(os.Chown(file, 0, 65534)).To(Succeed())
		good(ctx, file)
	}, RootOnly)

	Spec("CFG-12.14", "of root's, or the caller's own, is read by an ordinary user", func(ctx context.Context) {
		as := With(As(65534, 65534))
		file := configFile("x.syd-3", allow)
		opts := append(OnlyExecChdir(), "-P", file)
		Expect(os.Chmod(TempDir(), 0o755)).To(Succeed())
		Expect(as.Syd(ctx, opts, "/bin/echo", "ran")).To(SayLine("ran"))
		Expect(os.Chown(file, 65534, 65534)).To(Succeed())
		Expect(as.Syd(ctx, opts, "/bin/echo", "ran")).To(SayLine("ran"))
		Expect(os.Chown(file, 1, 1)).To(Succeed())
		Expect(as.Syd(ctx, opts, "/bin/echo", "ran")).To(SatisfyAll(ExitWith(22), SayNothing()))
		Expect(os.Chown(file, 65534, 65534)).To(Succeed())
		Expect(os.Chmod(file, 0)).To(Succeed())
		Expect(as.Syd(ctx, opts, "/bin/echo", "ran")).To(SatisfyAll(ExitWith(int(unix.EACCES)), SayNothing(), Complain("Permission denied")))
	}, RootOnly)

	Spec("CFG-12.15", "is judged as what a symlink leads to", func(ctx context.Context) {
		file := configFile("d/x.syd-3", allow)
		link := execLink("d/x.syd-3", "link.syd-3")
		good(ctx, link)
		Expect(os.Chmod(file, 0o666)).To(Succeed())
		configRefused(ctx, []string{"-P", link}, 22, `-P: "`+link+`": expected `)
	})

	Spec("CFG-12.16", "is a regular file: nothing else is read, or waited for", func(ctx context.Context) {
		fifo := TempDir() + "/fifo.syd-3"
		Expect(unix.Mkfifo(fifo, 0o600)).To(Succeed())
		Expect(os.Mkdir(TempDir()+"/directory.syd-3", 0o700)).To(Succeed())
		for _, path := range []string{fifo, TempDir() + "/directory.syd-3", execLink("/dev/zero", "zero.syd-3"), execLink("/dev/null", "null.syd-3")} {
			configRefused(ctx, []string{"-P", path}, 22, `-P: "`+path+`": expected a regular file`)
		}
		socket := TempDir() + "/socket.syd-3"
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		Expect(err).NotTo(HaveOccurred())
		defer unix.Close(fd)
		Expect(unix.Bind(fd, &unix.SockaddrUnix{Name: socket})).To(Succeed())
		configRefused(ctx, []string{"-P", socket}, int(unix.ENXIO), `-P: "`+socket+`": `)
	})

	Spec("CFG-12.17", "has at most 1 MiB", func(ctx context.Context) {
		text := allow + "\n" + strings.Repeat("#\n", 1<<19)
		good(ctx, File("full.syd-3", text[:1<<20], 0o644))
		file := File("long.syd-3", text[:1<<20+1], 0o644)
		configRefused(ctx, []string{"-P", file}, 22, `-P: "`+file+`": expected at most 1 MiB`)
	})

	Spec("CFG-12.18", "has the language's version in its name", func(ctx context.Context) {
		for _, name := range []string{"x", "x.conf", "x.syd", "x.syd-2", "x.syd-4", "x.syd-30", "x.SYD-3"} {
			configRefused(ctx, []string{"-P", configFile(name, allow)}, 22, `-P: "`+TempDir()+"/"+name+`": expected `)
		}
		good(ctx, configFile("x.y z#.syd-3", allow))
		good(ctx, configFile(".syd-3", allow))
	})

	Spec("CFG-12.19", "of any bytes is read or refused within a second, and no fault", func(ctx context.Context) {
		random := rand.New(rand.NewPCG(1, 2))
		words := []string{"allow/exec+/", "deny/all^/", "default/pid:", "sandbox/", ":", "+", "-", "^", "!", "?", "*", "**", "***", "[", "]", "[!", "{", ",", "}", `\`,
			"\n", " ", "#", "/", "a", "é", "\xff", "\x00", "include x.syd-3", "reset", "pid/max:", "9", "on", "setuid+1:2"}
		for i := range 60 {
			var text strings.Builder
			for range random.IntN(200) {
				text.WriteString(words[random.IntN(len(words))])
			}
			file := File("x.syd-3", text.String(), 0o644)
			begun := time.Now()
			result := Syd(ctx, []string{"-P", file, "--print"})
			Expect(time.Since(begun)).To(BeNumerically("<", Bound(time.Second)), "file %d: %q", i, text.String())
			Expect(result.Status).To(Or(Equal(0), Equal(22)), "%s", result)
			Expect(result.Status == 0).To(Equal(result.Stderr == ""), "%s", result)
		}
	})
})

// configSamples are configurations with something of everything.
var configSamples = [][]string{
	nil,
	{"-p", "off"}, {"-p", "lib"}, {"-p", "quiet"},
	{"-m", "allow/all+/***", "-m", "deny/exec+/usr/bin/id", "-m", `warn/chdir+/a\ `, "-m", "kill/exec+/{a,b}/[!c]*"},
	{"-m", "default/exec:filter", "-m", "default/pid:stop", "-m", "pid/max:7", "-m", "segvguard/maxcrashes:9"},
	{"-m", "setuid+1:2", "-m", "setgid+3:4", "-m", "trace/allow_safe_setuid:on", "-m", "trace/exit_wait_all:1"},
	{"-m", "allow/exec+/a", "-m", "allow/exec+/a", "-m", "deny/exec+/a", "-m", "allow/exec-/a"},
}

var _ = Describe("--print", func() {
	Spec("CFG-12.20", "prints what is the same configuration again", func(ctx context.Context) {
		for i, opts := range configSamples {
			printed := configPrint(ctx, opts...)
			file := File(fmt.Sprintf("%d.syd-3", i), printed, 0o644)
			Expect(configPrint(ctx, "-P", file)).To(Equal(printed))
			// Whatever was said before: all there is to say is said, but for rules.
			Expect(configPrint(ctx, "-m", "default/all,pid:exit", "-m", "sandbox/all,pid:off", "-m", "pid/max:99", "-m", "trace/exit_wait_all:on", "-P", file)).To(Equal(printed))
		}
	}, Smoke)

	Spec("CFG-12.21", "prints what decides as the configuration itself", func(ctx context.Context) {
		programs := configPrograms("a", "b", "d/a", " a ")
		for i, rules := range [][]string{
			{"allow/exec+DIR/?"}, {"allow/exec+DIR/**", "deny/exec+DIR/d/***"}, {"default/exec:allow", "deny/exec+DIR/{b,d/*}"}, {`allow/exec+DIR/ a\ `}, {"sandbox/exec:off"},
		} {
			opts := OnlyExecChdir(rules...)
			for j := range opts {
				opts[j] = strings.ReplaceAll(opts[j], "DIR", TempDir())
			}
			ran := configRan(ctx, opts, programs...)
			Expect(ran).NotTo(BeEmpty())
			file := File(fmt.Sprintf("%d.syd-3", i), configPrint(ctx, opts...), 0o644)
			Expect(configRan(ctx, []string{"-P", file}, programs...)).To(Equal(ran), "%q", rules)
		}
	})

	Spec("CFG-12.22", "prints every change that a command makes", func(ctx context.Context) {
		for _, rule := range []string{
			"sandbox/exec:off", "sandbox/chdir:off", "sandbox/pid:off", "default/exec:allow", "default/chdir:warn", "default/pid:exit", "warn/exec+/a", "allow/chdir+/b/***",
			"pid/max:1", "segvguard/expiry:1", "segvguard/suspension:1", "segvguard/maxcrashes:1", "trace/exit_wait_all:on", "trace/allow_unsafe_env:on",
			"trace/allow_unsafe_exec_speculative:on", "trace/allow_unsafe_nocookie:on", "trace/allow_unsafe_nomseal:on", "trace/allow_safe_kcapi:on",
			"trace/allow_safe_setuid:on", "trace/allow_safe_setgid:on", "setuid+1:2", "setgid+1:2",
		} {
			Expect(strings.Split(configPrint(ctx), "\n")).NotTo(ContainElement(rule))
			Expect(strings.Split(configPrint(ctx, "-m", rule), "\n")).To(ContainElement(rule))
		}
	})

	Spec("CFG-12.23", "starts nothing", func(ctx context.Context) {
		for _, opts := range [][]string{{"-p", "off", "--print"}, {"--print", "-p", "off"}} {
			touched := TempDir() + "/touched"
			result := Syd(ctx, opts, "touch", touched)
			Expect(result).To(SatisfyAll(ExitWith(0), SayLine("sandbox/exec:off")))
			_, err := os.Stat(touched)
			Expect(os.IsNotExist(err)).To(BeTrue())
		}
	})

	Spec("CFG-12.24", "refuses what a run would refuse, and prints nothing", func(ctx context.Context) {
		for _, opts := range [][]string{{"-m", "wrong"}, {"-p", "no-such"}, {"-P", "x.conf"}} {
			Expect(Syd(ctx, append(opts, "--print"))).To(SatisfyAll(ExitWith(22), SayNothing(), Complain("syd: -")))
		}
		Expect(Syd(ctx, []string{"-P", "none.syd-3", "--print"})).To(SatisfyAll(ExitWith(2), SayNothing(), Complain("No such file")))
	})
})

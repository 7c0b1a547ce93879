// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// configProfiles is what `-p list` prints.
func configProfiles(ctx context.Context) []string {
	GinkgoHelper()
	result := Syd(ctx, []string{"-p", "list"})
	Expect(result).To(ExitWith(0))
	Expect(result.Stderr).To(BeEmpty())
	return result.Lines()
}

var _ = Describe("a profile", func() {
	Spec("CFG-07.1", "is listed by -p list, which starts nothing", func(ctx context.Context) {
		names := configProfiles(ctx)
		Expect(names).To(ContainElements("off", "lib", "quiet"))
		for i, name := range names {
			Expect(name).To(MatchRegexp(`^[a-z0-9_]+$`))
			Expect(names[i+1:]).NotTo(ContainElement(name))
		}
		result := Syd(ctx, []string{"-p", "list"}, "/bin/echo", "ran")
		Expect(result).To(SatisfyAll(ExitWith(0), Not(SayLine("ran"))))
	}, Smoke)

	Spec("CFG-07.2", "that is listed can be used and printed", func(ctx context.Context) {
		for _, name := range configProfiles(ctx) {
			Expect(configPrint(ctx, "-p", name)).To(ContainSubstring("sandbox/exec:"))
			result := Syd(ctx, append([]string{"-p", name}, OnlyExecChdir("allow/exec+/***")...), "/bin/echo", "ran")
			Expect(result).To(SatisfyAll(ExitWith(0), SayLine("ran")))
		}
	})

	Spec("CFG-07.3", "off turns every decision off", func(ctx context.Context) {
		exec, chdir := configMoves(ctx, Off)
		Expect([]string{exec, chdir}).To(Equal([]string{"exit 3", "ok"}))
		Expect(configPrint(ctx, Off...)).To(SatisfyAll(ContainSubstring("sandbox/exec:off\n"), ContainSubstring("sandbox/chdir:off\n"),
			ContainSubstring("sandbox/pid:off\n"), ContainSubstring("\nsegvguard/expiry:0\n"), ContainSubstring("\ntrace/allow_unsafe_env:on\n")))
	})

	Spec("CFG-07.4", "lib turns the categories off, and cleans the environment", func(ctx context.Context) {
		exec, chdir := configMoves(ctx, []string{"-p", "lib"})
		Expect([]string{exec, chdir}).To(Equal([]string{"exit 3", "ok"}))
		tell := []string{"/bin/sh", "-c", "echo ${API_TOKEN-none}"}
		Expect(With(Env("API_TOKEN=x")).Syd(ctx, Off, tell...)).To(SayLine("x"))
		Expect(With(Env("API_TOKEN=x")).Syd(ctx, []string{"-p", "lib"}, tell...)).To(SayLine("none"))
	})

	Spec("CFG-07.5", "quiet denies without a record", func(ctx context.Context) {
		program := configPrograms("a")
		for opts, records := range map[string]int{"quiet": 0, "": 1} {
			rules := OnlyExecChdir("allow/exec+" + Fixture("exec")[0])
			if opts != "" {
				rules = append(rules, "-p", opts)
			}
			result := Syd(ctx, rules, Fixture("exec", "each", program[0])...)
			Expect(result).To(HaveFact("1", "EACCES"))
			Expect(execRecords(result)).To(HaveLen(records), "%s", result)
		}
	})

	Spec("CFG-07.6", "is changed by what comes after it, and changes what came before", func(ctx context.Context) {
		programs := configPrograms("a")
		Expect(configRan(ctx, append([]string{"-p", "off"}, Rules("sandbox/exec:on")...), programs...)).To(BeEmpty())
		Expect(configRan(ctx, append(Rules("sandbox/exec:on"), "-p", "off"), programs...)).To(Equal([]string{"a"}))
		Expect(configRan(ctx, []string{"-p", "off", "-P", configFile("on.syd-3", "sandbox/exec:on")}, programs...)).To(BeEmpty())
	})

	Spec("CFG-07.7", "that there is not is refused", func(ctx context.Context) {
		for _, name := range []string{"no-such", "", "Off", "off.syd-3", "./off", "../profiles/off"} {
			configRefused(ctx, []string{"-p", name}, 22, `-p: "`+name+`": unknown profile: expected `)
		}
		file := configFile("x.syd-3", "include_profile no-such")
		configRefused(ctx, []string{"-P", file}, 22, file+`:1:17: "no-such": unknown profile`)
	})
})

var _ = Describe("include", func() {
	Spec("CFG-08.1", "reads a file relative to the one that it stands in", func(ctx context.Context) {
		programs := configPrograms("a", "b")
		file := configFile("d/x.syd-3", "include e/y.syd-3")
		configFile("d/e/y.syd-3", "allow/exec+"+programs[0], "include ../z.syd-3")
		configFile("d/z.syd-3", "allow/exec+"+programs[1])
		// The same names from the working directory mean other files.
		configFile("e/y.syd-3", "default/exec:kill")
		configFile("z.syd-3", "default/exec:kill")
		Expect(configRan(ctx, []string{"-P", file}, programs...)).To(Equal([]string{"a", "b"}))
		Expect(configRan(ctx, []string{"-P", "d/x.syd-3"}, programs...)).To(Equal([]string{"a", "b"}))
	}, Smoke)

	Spec("CFG-08.2", "reads an absolute name as it is", func(ctx context.Context) {
		programs := configPrograms("a")
		other := configFile("other.syd-3", "allow/exec+"+programs[0])
		file := configFile("d/x.syd-3", "include "+other)
		Expect(configRan(ctx, []string{"-P", file}, programs...)).To(Equal([]string{"a"}))
	})

	Spec("CFG-08.3", "is relative to the working directory in an option", func(ctx context.Context) {
		programs := configPrograms("a")
		configFile("d/x.syd-3", "allow/exec+"+programs[0])
		Expect(configRan(ctx, Rules("include d/x.syd-3"), programs...)).To(Equal([]string{"a"}))
		configRefused(ctx, Rules("include x.syd-3"), 2, `-m:1:9: "x.syd-3": No such file or directory`)
	})

	Spec("CFG-08.4", "stands for the commands of the file, in their place", func(ctx context.Context) {
		programs := configPrograms("a", "b")
		configFile("deny.syd-3", "deny/exec+"+programs[0])
		before := configFile("before.syd-3", "include deny.syd-3", "allow/exec+"+TempDir()+"/*")
		after := configFile("after.syd-3", "allow/exec+"+TempDir()+"/*", "include deny.syd-3")
		twice := configFile("twice.syd-3", "include deny.syd-3", "include deny.syd-3", "allow/exec+"+TempDir()+"/*", "include deny.syd-3")
		Expect(configRan(ctx, []string{"-P", before}, programs...)).To(Equal([]string{"a", "b"}))
		Expect(configRan(ctx, []string{"-P", after}, programs...)).To(Equal([]string{"b"}))
		Expect(configRan(ctx, []string{"-P", twice}, programs...)).To(Equal([]string{"b"}))
	})

	Spec("CFG-08.5", "of a profile stands for the profile's commands", func(ctx context.Context) {
		programs := configPrograms("a")
		file := configFile("x.syd-3", "include_profile off")
		Expect(configRan(ctx, []string{"-P", file}, programs...)).To(Equal([]string{"a"}))
		file = configFile("y.syd-3", "include_profile off", "sandbox/exec:on")
		Expect(configRan(ctx, []string{"-P", file}, programs...)).To(BeEmpty())
		Expect(configRan(ctx, Rules("include_profile off"), programs...)).To(Equal([]string{"a"}))
		Expect(configPrint(ctx, Rules("include_profile quiet")...)).To(Equal(configPrint(ctx, "-p", "quiet")))
	})

	Spec("CFG-08.6", "of the file that it stands in is an error, under whatever name", func(ctx context.Context) {
		self := configFile("self.syd-3", "default/exec:allow", "include self.syd-3")
		configRefused(ctx, []string{"-P", self}, 22, self+`:2:9: "`+self+`": expected `)
		execLink("dot.syd-3", "link.syd-3")
		dot := configFile("dot.syd-3", "include ./link.syd-3")
		configRefused(ctx, []string{"-P", dot}, 22, dot+`:1:9: `)
	})

	Spec("CFG-08.7", "in a circle is an error", func(ctx context.Context) {
		a := configFile("a.syd-3", "include b.syd-3")
		b := configFile("b.syd-3", "", "include c.syd-3")
		c := configFile("c.syd-3", "", "", "include a.syd-3")
		configRefused(ctx, []string{"-P", a}, 22, c+":3:9: ")
		configRefused(ctx, []string{"-P", b}, 22, a+":1:9: ")
	})

	Spec("CFG-08.8", "goes 16 files deep, and not deeper", func(ctx context.Context) {
		programs := configPrograms("a")
		var names []string
		for i := range 17 {
			names = append(names, configFile(fmt.Sprintf("%d.syd-3", i), fmt.Sprintf("include %d.syd-3", i+1)))
		}
		configFile("16.syd-3", "allow/exec+"+programs[0])
		Expect(configRan(ctx, []string{"-P", names[1]}, programs...)).To(Equal([]string{"a"}))
		configRefused(ctx, []string{"-P", names[0]}, 22, names[15]+":1:9: ")
	})

	Spec("CFG-08.9", "of a file that can't be read is an error where it stands, with the errno", func(ctx context.Context) {
		file := configFile("x.syd-3", "default/exec:allow", "  include none.syd-3")
		configRefused(ctx, []string{"-P", file}, 2, file+`:2:11: "`+TempDir()+`/none.syd-3": No such file or directory`)
		file = configFile("y.syd-3", "include x.syd-3/below.syd-3")
		configRefused(ctx, []string{"-P", file}, 20, file+":1:9: ")
	})

	Spec("CFG-08.10", "without a name, or of a name that is none, is an error", func(ctx context.Context) {
		configMistakes(ctx, "include", "include ", "include_profile", "include:x.syd-3", "include+x.syd-3", "include x.conf", "include x.syd-2", "Include x.syd-3", "include_profiles off")
	})

	Spec("CFG-08.11", "of files that include others many times ends in time", func(ctx context.Context) {
		for i := range 15 {
			next := fmt.Sprintf("include %d.syd-3\n", i+1)
			File(fmt.Sprintf("%d.syd-3", i), strings.Repeat(next, 50), 0o644)
		}
		configFile("15.syd-3", "default/exec:allow")
		begun := time.Now()
		result := Syd(ctx, []string{"-P", TempDir() + "/0.syd-3"}, "/bin/echo", "ran")
		Expect(result).To(SatisfyAll(ExitWith(22), SayNothing()))
		Expect(time.Since(begun)).To(BeNumerically("<", Bound(2*time.Second)))
	})

	Spec("CFG-08.12", "is refused for a file that everybody may write", func(ctx context.Context) {
		file := configFile("x.syd-3", "default/exec:allow", "include open.syd-3")
		configFile("open.syd-3", "pid/max:0")
		Expect(Syd(ctx, append(OnlyExecChdir(), "-P", file), "/bin/echo", "ran")).To(SayLine("ran"))
		Expect(os.Chmod(TempDir()+"/open.syd-3", 0o646)).To(Succeed())
		configRefused(ctx, []string{"-P", file}, 22, file+":2:9: ")
	})
})

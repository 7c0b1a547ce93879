// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// configFile writes a file of commands into the spec's directory.
func configFile(name string, lines ...string) string {
	return File(name, strings.Join(lines, "\n")+"\n", 0o644)
}

// configPrograms makes a program of each name, below the spec's directory.
func configPrograms(names ...string) []string {
	GinkgoHelper()
	program := execCopy("process", ".program")
	var paths []string
	for _, name := range names {
		path := TempDir() + "/" + name
		Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		Expect(os.Link(program, path)).To(Succeed())
		paths = append(paths, path)
	}
	return paths
}

// configRan is which of the programs can be executed under opts, which come
// behind those that leave exec and chdir alone to be decided on: their paths
// below the spec's directory.
func configRan(ctx context.Context, opts []string, programs ...string) []string {
	GinkgoHelper()
	// The program that tries them stays allowed, whatever opts say.
	all := append(append(OnlyExecChdir(), opts...), Rules("allow/exec+"+Fixture("exec")[0])...)
	result := Syd(ctx, all, Fixture("exec", append([]string{"each"}, programs...)...)...)
	lines := result.Lines()
	Expect(lines).To(HaveLen(len(programs)), "%s", result)
	ran := []string{}
	for i, line := range lines {
		Expect(line).To(Or(HaveSuffix(" exit 3"), HaveSuffix(" EACCES")), "%s", result)
		if strings.HasSuffix(line, " exit 3") {
			ran = append(ran, strings.TrimPrefix(programs[i], TempDir()+"/"))
		}
	}
	return ran
}

// configRow is rules, and which programs of a, b and c then run.
type configRow struct {
	rules []string
	ran   []string
}

// configRows expects it of each row, given as options and as a file. DIR in a
// rule is the spec's directory.
func configRows(ctx context.Context, rows []configRow) {
	GinkgoHelper()
	programs := configPrograms("a", "b", "c")
	Expect(configRan(ctx, Rules("allow/exec+/***"), programs...)).To(HaveLen(3))
	Each(rows, 2, func(row configRow) {
		var rules []string
		for _, rule := range row.rules {
			rules = append(rules, strings.ReplaceAll(rule, "DIR", TempDir()))
		}
		Expect(configRan(ctx, Rules(rules...), programs...)).To(Equal(row.ran), "-m %q", rules)
	})
	for i, row := range rows {
		text := strings.ReplaceAll(strings.Join(row.rules, "\n"), "DIR", TempDir())
		file := File("rows.syd-3", text, 0o644)
		Expect(configRan(ctx, []string{"-P", file}, programs...)).To(Equal(row.ran), "row %d in a file: %s", i, text)
	}
}

// configPrint is the configuration that opts make, as the build prints it.
func configPrint(ctx context.Context, opts ...string) string {
	GinkgoHelper()
	result := Syd(ctx, append(append([]string{}, opts...), "--print"))
	Expect(result).To(ExitWith(0))
	Expect(result.Stderr).To(BeEmpty())
	return result.Stdout
}

// configRefused expects opts to start nothing: status, no output, and stderr as
// said, line by line, each after "syd: ".
func configRefused(ctx context.Context, opts []string, status int, lines ...string) {
	GinkgoHelper()
	result := Syd(ctx, opts, "/bin/echo", "ran")
	Expect(result).To(SatisfyAll(ExitWith(status), SayNothing()))
	said := strings.Split(strings.TrimSuffix(result.Stderr, "\n"), "\n")
	Expect(said).To(HaveLen(len(lines)), "%s", result)
	for i, line := range lines {
		Expect(said[i]).To(HavePrefix("syd: "+line), "%s", result)
	}
}

// configMistakes expects each command to be refused as one, as an option and in a file.
func configMistakes(ctx context.Context, commands ...string) {
	GinkgoHelper()
	Expect(Syd(ctx, OnlyExecChdir("allow/exec+/***"), "/bin/echo", "ran")).To(SayLine("ran"))
	Each(commands, 2, func(command string) {
		configRefused(ctx, append(OnlyExecChdir("allow/exec+/***"), Rules(command)...), 22, "-m:1:")
	})
	for _, command := range commands {
		file := configFile("mistake.syd-3", "allow/exec+/***", command)
		configRefused(ctx, []string{"-P", file}, 22, file+":2:")
	}
}

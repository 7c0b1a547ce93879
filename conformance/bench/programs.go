// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Program is a command of everyday work, run whole by each launcher in turn.
type Program struct {
	Name string
	What string
	// needs is what has to be installed.
	needs string
	// prepare makes in dir what the command works on.
	prepare func(ctx context.Context, p Program, dir string) error
	// before makes the command have its work to do again.
	before func(dir string, round int) error
	argv   []string
	env    []string
}

// programRounds is how often each launcher runs each program.
const programRounds = 5

// programRules is how many rules the build has, each of which every call on files
// is judged by.
const programRules = 10

// Programs are all of them.
var Programs = []Program{
	{
		Name: "go-build", What: "go build of 30 packages that all have to be compiled anew; the standard library is in the cache", needs: "go",
		prepare: prepareModule, before: touchModule, argv: []string{"go", "build", "-o", "program", "."},
		env: []string{"GOFLAGS=-mod=mod", "GOPROXY=off", "GOTOOLCHAIN=local", "GOWORK=off", "CGO_ENABLED=0"},
	},
	{
		Name: "git-status", What: "git status over 10,000 files", needs: "git",
		prepare: prepareRepository, argv: []string{"git", "status", "--porcelain"},
		env: []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_OPTIONAL_LOCKS=0"},
	},
}

// Launchers are native, the build with programRules rules, and what else is
// installed that programs are started under.
func launchers(build []string) []launcher {
	all := []launcher{{name: "native"}, {name: "syd", argv: build}}
	for _, other := range []launcher{
		{name: "bwrap", argv: []string{"bwrap", "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc", "--unshare-pid"}},
		{name: "strace", argv: []string{"strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=%file", "-e", "signal=none", "-o", "/dev/null"}},
	} {
		if _, err := exec.LookPath(other.argv[0]); err == nil {
			all = append(all, other)
		}
	}
	return all
}

type launcher struct {
	name string
	argv []string
}

// MeasurePrograms runs every program under every launcher, in turn, and prints a
// row for each. An error is the machine's, or says that a launcher failed.
func MeasurePrograms(ctx context.Context, o Options, w io.Writer) error {
	dir, err := os.MkdirTemp("", "sydtest-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	rules, err := Case{rules: programRules}.options(dir)
	if err != nil {
		return err
	}
	all := launchers(slices.Concat([]string{o.Build}, rules, []string{"--"}))
	fmt.Fprintf(w, "%-11s", "NAME")
	for _, l := range all {
		fmt.Fprintf(w, " %9s %6s", strings.ToUpper(l.name), "")
	}
	fmt.Fprintln(w)
	for _, p := range Programs {
		if _, err := exec.LookPath(p.needs); err != nil {
			fmt.Fprintf(w, "%-11s unsupported: %s is not installed\n", p.Name, p.needs)
			continue
		}
		if err := p.measure(ctx, filepath.Join(dir, p.Name), all, o.Rounds, w); err != nil {
			return fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	fmt.Fprintln(w)
	for _, p := range Programs {
		fmt.Fprintf(w, "%-11s %s\n", p.Name, p.What)
	}
	for _, l := range all[1:] {
		fmt.Fprintf(w, "%-11s %s\n", l.name, strings.Join(l.argv, " "))
	}
	fmt.Fprintln(w, "\nTimes are p50, each with the median of the rounds' ratios to native.")
	return nil
}

func (p Program) measure(ctx context.Context, dir string, all []launcher, rounds int, w io.Writer) error {
	if rounds == 0 {
		rounds = programRounds
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := p.prepare(ctx, p, dir); err != nil {
		return err
	}
	times := make([][]float64, len(all))
	for round := range rounds {
		for turn := range all {
			i := (round + turn) % len(all)
			if p.before != nil {
				if err := p.before(dir, round*len(all)+turn); err != nil {
					return err
				}
			}
			began := time.Now()
			if err := p.run(ctx, dir, slices.Concat(all[i].argv, p.argv)); err != nil {
				return fmt.Errorf("%s: %w", all[i].name, err)
			}
			times[i] = append(times[i], float64(time.Since(began)))
		}
	}
	fmt.Fprintf(w, "%-11s", p.Name)
	for i := range all {
		ratios := make([]float64, rounds)
		for k := range ratios {
			ratios[k] = times[i][k] / times[0][k]
		}
		fmt.Fprintf(w, " %9s %5sx", Duration(Median(times[i])), ratio(Median(ratios)))
	}
	fmt.Fprintln(w)
	return nil
}

// run runs a command in dir, whose cache is there, too.
func (p Program) run(ctx context.Context, dir string, argv []string) error {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = dir
	cmd.Env = slices.Concat(os.Environ(), p.env, []string{"HOME=" + dir, "GOCACHE=" + dir + "/.cache"})
	output, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(err, errors.New(lastLine(output)))
	}
	return nil
}

func lastLine(output []byte) string {
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return lines[len(lines)-1]
}

const (
	modulePackages  = 30
	packageFiles    = 2
	repositoryDirs  = 100
	filesADirectory = 100
)

// prepareModule writes a module in which each package imports the one before, and
// builds it once: the standard library is in the cache then.
func prepareModule(ctx context.Context, p Program, dir string) error {
	files := map[string]string{"go.mod": "module program\n\ngo 1.21\n"}
	for k := range modulePackages {
		name := fmt.Sprintf("p%d", k)
		for f := range packageFiles {
			var text strings.Builder
			fmt.Fprintf(&text, "package %s\n\nimport \"fmt\"\n\n", name)
			for i := range 20 {
				fmt.Fprintf(&text, "func F%d_%d(n int) string {\n\tif n > %d {\n\t\treturn fmt.Sprint(n, %q)\n\t}\n\treturn fmt.Sprintf(\"%%d %d\", n)\n}\n\n", f, i, i, name, i)
			}
			files[fmt.Sprintf("%s/f%d.go", name, f)] = text.String()
		}
	}
	var imports, calls strings.Builder
	for k := range modulePackages {
		fmt.Fprintf(&imports, "\t\"program/p%d\"\n", k)
		fmt.Fprintf(&calls, "\tprintln(p%d.F0_0(%d), p%d.Round)\n", k, k, k)
	}
	files["main.go"] = "package main\n\nimport (\n" + imports.String() + ")\n\nfunc main() {\n" + calls.String() + "}\n"
	for name, text := range files {
		if err := writeBelow(dir, name, text); err != nil {
			return err
		}
	}
	if err := touchModule(dir, -1); err != nil {
		return err
	}
	return p.run(ctx, dir, p.argv)
}

// touchModule changes every package.
func touchModule(dir string, round int) error {
	for k := range modulePackages {
		if err := writeBelow(dir, fmt.Sprintf("p%d/round.go", k), fmt.Sprintf("package p%d\n\nconst Round = %d\n", k, round)); err != nil {
			return err
		}
	}
	return nil
}

// prepareRepository makes files and commits them.
func prepareRepository(ctx context.Context, p Program, dir string) error {
	for d := range repositoryDirs {
		for f := range filesADirectory {
			if err := writeBelow(dir, fmt.Sprintf("d%d/f%d", d, f), fmt.Sprint(d, f, "\n")); err != nil {
				return err
			}
		}
	}
	for _, words := range []string{"init -q", "add -A", "-c user.name=n -c user.email=e commit -q -m all", "status"} {
		if err := p.run(ctx, dir, append([]string{"git"}, strings.Fields(words)...)); err != nil {
			return err
		}
	}
	return nil
}

func writeBelow(dir, name, text string) error {
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"syd/syd"
	"syd/syd/audit"
)

// same compares options; %v tells nil from empty no more than users can.
func same(a, b syd.Options) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) }

func magic(texts ...string) (list []syd.Command) {
	for _, text := range texts {
		list = append(list, syd.Command{Where: "-m", Text: text})
	}
	return list
}

func TestParse(t *testing.T) {
	off := []syd.Command{{Where: "-p", Text: "off", Kind: syd.Profile}}
	true_ := []string{"true"}
	for line, want := range map[string]syd.Options{
		"true":                          {Argv: true_},
		"-- true":                       {Argv: true_},
		"-- -x -p":                      {Argv: []string{"-x", "-p"}},
		"-- -- true":                    {Argv: []string{"--", "true"}},
		"true -x --unknown -- -p":       {Argv: []string{"true", "-x", "--unknown", "--", "-p"}},
		"- -x":                          {Argv: []string{"-", "-x"}},
		"-x true":                       {Observe: true, Argv: true_},
		"--observe true":                {Observe: true, Argv: true_},
		"-a NAME true":                  {Arg0: "NAME", Argv: true_},
		"-aNAME true":                   {Arg0: "NAME", Argv: true_},
		"--arg0 NAME true":              {Arg0: "NAME", Argv: true_},
		"--arg0=NAME true":              {Arg0: "NAME", Argv: true_},
		"-a one -a two true":            {Arg0: "two", Argv: true_},
		"-a -x true":                    {Arg0: "-x", Argv: true_},
		"-a -test.v -p off true":        {Arg0: "-test.v", Config: off, Argv: true_},
		"-atest.v true":                 {Arg0: "test.v", Argv: true_},
		"-xatest.v true -test.v":        {Observe: true, Arg0: "test.v", Argv: []string{"true", "-test.v"}},
		"--arg0 -test.v true":           {Arg0: "-test.v", Argv: true_},
		"--arg0=x -- -test.v":           {Arg0: "x", Argv: []string{"-test.v"}},
		"-a -- true":                    {Arg0: "--", Argv: true_},
		"-p off true":                   {Config: off, Argv: true_},
		"-poff true":                    {Config: off, Argv: true_},
		"--profile off true":            {Config: off, Argv: true_},
		"--profile=off true":            {Config: off, Argv: true_},
		"-m pid/max:1 true":             {Config: magic("pid/max:1"), Argv: true_},
		"-mallow/exec+/*** true":        {Config: magic("allow/exec+/***"), Argv: true_},
		"--magic allow/exec-/a true":    {Config: magic("allow/exec-/a"), Argv: true_},
		"--magic=pid/max:1 true":        {Config: magic("pid/max:1"), Argv: true_},
		"-P file true":                  {Config: []syd.Command{{Where: "-P", Text: "file", Kind: syd.File}}, Argv: true_},
		"-Pfile true":                   {Config: []syd.Command{{Where: "-P", Text: "file", Kind: syd.File}}, Argv: true_},
		"--profile-file=file -poff x":   {Config: slices.Concat([]syd.Command{{Where: "-P", Text: "file", Kind: syd.File}}, off), Argv: []string{"x"}},
		"-m a -m b -mc true":            {Config: magic("a", "b", "c"), Argv: true_},
		"-m a -p off -m b true":         {Config: slices.Concat(magic("a"), off, magic("b")), Argv: true_},
		"-m -x true":                    {Config: magic("-x"), Argv: true_},
		"-e A=1 true":                   {Env: []string{"A=1"}, Argv: true_},
		"-e A -eB= --env C=c=c true -e": {Env: []string{"A", "B=", "C=c=c"}, Argv: []string{"true", "-e"}},
		"--env=A=1 true":                {Env: []string{"A=1"}, Argv: true_},
		"-xpoff true":                   {Observe: true, Config: off, Argv: true_},
	} {
		got, verb, err := parse(strings.Fields(line))
		if err != nil || verb != verbRun || !same(got.Options, want) {
			t.Errorf("%s: got %+v verb %d %v, want %+v", line, got, verb, err, want)
		}
	}
	// What is in a value is nobody's business but its reader's.
	got, _, err := parse([]string{"-m", "a b\n", "-a", "", "-e", "A= x", "", "x"})
	if want := (syd.Options{Config: magic("a b\n"), Env: []string{"A= x"}, Argv: []string{"", "x"}}); err != nil || !same(got.Options, want) {
		t.Errorf("got %+v %v, want %+v", got, err, want)
	}
}

func TestNoArguments(t *testing.T) {
	t.Setenv("SHELL", "/bin/bash")
	want := syd.Options{Argv: []string{"/bin/bash"}, Arg0: "-bash", Config: []syd.Command{{Where: "-p", Text: "user", Kind: syd.Profile}}}
	if got, verb, err := parse(nil); err != nil || verb != verbRun || !same(got.Options, want) {
		t.Errorf("got %+v verb %d %v, want %+v", got, verb, err, want)
	}
}

func TestVerbs(t *testing.T) {
	for line, want := range map[string]verb{
		"-h": verbHelp, "--help": verbHelp, "-V": verbVersion, "--version": verbVersion, "--api": verbAPI,
		"--check": verbCheck, "--sh": verbShell, "-x -h": verbHelp, "-h true": verbHelp, "-poff -V": verbVersion, "true -h": verbRun,
		"-p list": verbProfiles, "-plist true": verbProfiles, "--profile=list": verbProfiles, "--print": verbPrint, "-poff --print true": verbPrint,
		"-E tracer:bpf": verbExport, "--export=sandbox:rules": verbExport, "-Eprocess:pfc": verbExport,
	} {
		if _, got, err := parse(strings.Fields(line)); err != nil || got != want {
			t.Errorf("%s: got verb %d %v, want %d", line, got, err, want)
		}
	}
}

func TestExport(t *testing.T) {
	for _, row := range []struct{ args, want string }{
		{"-E sandbox:rules", "| `execve` |  | ask the tracer |"},
		{"-p off -E sandbox:rules", "| `clone3` |"},
		{"-E process:rules", "| `clone3` |"},
		{"-E tracer:pfc", "action KILL_PROCESS"},
		{"-E worker:bpf", "\x06\x00\x00\x00\x00\x00\x00\x80"},
		{"-m trace/allow_unsafe_nocookie:1 -E tracer:rules", "| `close` |  | allow |"},
		{"-m trace/allow_safe_setuid:1 -m setuid+0:65534 -E tracer:rules", "| `setuid` | arg0 = 65534 | allow |"},
	} {
		status, stdout, stderr := outcome(strings.Fields(row.args)...)
		if status != 0 || !strings.Contains(stdout, row.want) || stderr != "" {
			t.Errorf("%s: got %d, %q, %q", row.args, status, stdout, stderr)
		}
	}
}

// The README shows the tracer's rows as they are. With -update it is written.
func TestReadme(t *testing.T) {
	const name, begin, end = "../../README.md", "<!-- syd -E tracer:rules -->\n", "<!-- end -->\n"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	_, rows, _ := outcome("-E", "tracer:rules")
	head, rest, found := strings.Cut(string(text), begin)
	shown, tail, ended := strings.Cut(rest, end)
	switch {
	case !found || !ended:
		t.Fatalf("%s has no %q ... %q", name, begin, end)
	case *update:
		err = os.WriteFile(name, []byte(head+begin+rows+end+tail), 0o644)
	case shown != rows:
		t.Errorf("%s shows other rows than the filter has: go test ./cmd/syd -run Readme -update", name)
	}
	if err != nil {
		t.Error(err)
	}
}

var update = flag.Bool("update", false, "write the README's table anew")

// outcome runs the command line, which must not get as far as a sandbox.
func outcome(args ...string) (status int, stdout, stderr string) {
	var out, err strings.Builder
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

func TestPrints(t *testing.T) {
	for _, row := range []struct{ option, want string }{
		{"-h", usage}, {"--help", usage}, {"--api", "3\n"}, {"--sh", shellLibrary},
		{"-V", "syd " + version + " (configuration language 3)\n"},
	} {
		if status, stdout, stderr := outcome(row.option); status != 0 || stdout != row.want || stderr != "" {
			t.Errorf("%s: got %d, %q, %q", row.option, status, stdout, stderr)
		}
	}
	// The help names every option there is.
	for _, option := range []string{"-m ", "-p ", "-a ", "-e ", "-x ", "-E ", "-h,", "-V ", "--api", "--check", "--sh", "-P ", "--print"} {
		if !strings.Contains(usage, "  "+option) && !strings.Contains(usage, " "+option) {
			t.Errorf("the help lacks %s", option)
		}
	}
	want := 1
	if syd.Inside() {
		want = 0
	}
	if status, stdout, stderr := outcome("--check"); status != want || stdout+stderr != "" {
		t.Errorf("--check: got %d, %q, %q", status, stdout, stderr)
	}
}

// refused expects a status of 22 and one line, with says in it.
func refused(t *testing.T, says string, args ...string) {
	t.Helper()
	status, stdout, stderr := outcome(args...)
	if status != 22 || stdout != "" {
		t.Errorf("%q: status %d, stdout %q", args, status, stdout)
	}
	if !strings.HasPrefix(stderr, "syd: ") || strings.Index(stderr, "\n") != len(stderr)-1 || !strings.Contains(stderr, says) {
		t.Errorf("%q: stderr %q, want one line that says %q", args, stderr, says)
	}
}

func TestRefusals(t *testing.T) {
	for line, says := range map[string]string{
		"--":                        "expected a command",
		"-poff":                     "expected a command",
		"-p off -x --":              "expected a command",
		"-z true":                   "-z",
		"-xz true":                  "z",
		"--unknown true":            "--unknown",
		"--obs true":                "--obs", // no abbreviations
		"-test.v true":              "-test.v",
		"-xtest.v true":             "test.v",
		"-test. true":               "-test.",
		"-a x -test.v true":         "-test.v",
		"--arg0=x -test.v true":     "-test.v",
		"--observe -test.v true":    "-test.v",
		"-a":                        "-a",
		"--arg0":                    "--arg0",
		"-x -m":                     "-m",
		"-p":                        "-p",
		"--env":                     "--env",
		"-E":                        "-E",
		"-E tracer true":            "expected FILTER:FORMAT, of sandbox process tracer",
		"-E tracer:text":            "expected FILTER:FORMAT",
		"-E :bpf":                   "expected FILTER:FORMAT",
		"-p none true":              `-p: "none": unknown profile: expected container, lib, linux, nomem, nopie, off, quiet, readonly, trace, tty, user`,
		"-pOFF true":                `-p: "OFF": unknown profile`,
		"-p a/../off true":          "unknown profile",
		"-e =1 true":                "expected VAR=VAL, VAR or VAR=",
		"-m ghost:on true":          `-m:1:1: "ghost:on": expected`,
		"-m allow/exec+bin true":    `-m:1:12: "allow/exec+bin": expected an absolute path pattern`,
		"-poff -m pid/max:x true":   `-m:1:9: "pid/max:x": expected a whole number`,
		"-m pid/max:1 -mpid/max: x": `-m:1:9: "pid/max:": expected`,
		"-P x.conf true":            `-P: "x.conf": expected a name that ends in .syd-3`,
		"-m x --print":              `-m:1:1: "x": expected`,
		"--print=x":                 "print",
		"--observe=off true":        "observe",
		"-x=off true":               "observe",
		"--check=no":                "check",
		"--help=x":                  "help",
		"--version=":                "version",
	} {
		refused(t, says, strings.Fields(line)...)
	}
	refused(t, "expected VAR=VAL", "-e", "", "true")
	refused(t, "expected VAR=VAL", "-e", "A=\x00", "true")
	refused(t, "unknown", "--no\nsuch", "true")
	refused(t, "unknown profile", "-p", "a\nb", "true")
	refused(t, `"a\nb"`, "-m", "a\nb", "true")
}

func TestLaterOptions(t *testing.T) {
	for _, l := range later {
		says := l.what + " comes with a later version of syd"
		if l.short != "" {
			if l.value {
				refused(t, says, "-"+l.short, "value", "true")
				refused(t, says, "-"+l.short+"value", "true")
			} else {
				refused(t, says, "-"+l.short, "true")
				refused(t, says, "-x"+l.short, "true")
			}
		}
		if l.long != "" {
			if l.value {
				refused(t, says, "--"+l.long, "value", "true")
				refused(t, says, "--"+l.long+"=value", "true")
			} else {
				refused(t, says, "--"+l.long, "true")
			}
		}
	}
	if len(later) == 0 {
		t.Error("nothing is left for later: drop this test")
	}
}

func TestLogging(t *testing.T) {
	for _, row := range []struct {
		level, fd string
		want      syd.Options
		says      string
	}{
		{"debug", "7", syd.Options{LogFD: 7, LogLevel: audit.Debug}, ""},
		{"emerg", "0", syd.Options{LogFD: 0, LogLevel: audit.Emerg}, ""},
		{"warn", "2147483647", syd.Options{LogFD: 2147483647, LogLevel: audit.Warn}, ""},
		{"loud", "2", syd.Options{}, `SYD_LOG: "loud": expected one of emerg, alert`},
		{"", "2", syd.Options{}, `SYD_LOG: "": expected`},
		{"warn", "", syd.Options{}, `SYD_LOG_FD: "": expected`},
		{"warn", "-1", syd.Options{}, `SYD_LOG_FD: "-1": expected`},
		{"warn", "2147483648", syd.Options{}, `SYD_LOG_FD: "2147483648": expected`},
		{"warn", "x\ny", syd.Options{}, `SYD_LOG_FD: "x\ny": expected`},
	} {
		t.Setenv("SYD_LOG", row.level)
		t.Setenv("SYD_LOG_FD", row.fd)
		if row.says != "" {
			refused(t, row.says, "-poff", "true")
			continue
		}
		var o syd.Options
		if err := logging(&o); err != nil || !same(o, row.want) {
			t.Errorf("%+v: got %+v %v", row, o, err)
		}
	}
}

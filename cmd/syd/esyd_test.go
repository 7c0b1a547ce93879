// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// shells that are here, of those that the library is for.
func shells(t *testing.T) (found [][]string) {
	for _, shell := range [][]string{{"sh"}, {"dash"}, {"bash"}, {"bash", "--posix"}, {"busybox", "sh"}, {"mksh"}, {"ksh"}, {"yash"}, {"zsh", "--emulate", "sh"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			found = append(found, shell)
		}
	}
	if found == nil {
		t.Skip("no shell")
	}
	return found
}

// saying runs script behind the library; test says what it is asked.
func saying(t *testing.T, shell []string, script string) (stdout, stderr string, status int) {
	t.Helper()
	const says = `test() { if [ "$1" = -c ]; then printf '%s\n' "$2"; else [ "$@" ]; fi; }` + "\n"
	command := exec.Command(shell[0], append(shell[1:], "-u", "-c", shellLibrary+says+script)...)
	var out, err strings.Builder
	command.Stdout, command.Stderr = &out, &err
	command.Run()
	return out.String(), err.String(), command.ProcessState.ExitCode()
}

// said is what is asked for with each verb; misused are no uses of any.
var (
	said = map[string]string{
		"check": "/dev/syd", "lock": "/dev/syd/lock:on", "unlock": "/dev/syd/lock:off", "exec_lock": "/dev/syd/lock:exec",
		"drop_lock": "/dev/syd/lock:drop", "read_lock": "/dev/syd/lock:read", "stat": "/dev/syd/stat", "reset": "/dev/syd/reset",
		"panic": "/dev/syd/panic", "ghost": "/dev/syd/ghost", "api": "/dev/syd\n3",
		"enable read,stat": "/dev/syd/sandbox/read,stat:on", "disable all": "/dev/syd/sandbox/all:off", "enabled read": "/dev/syd/sandbox/read?",
		"default all deny": "/dev/syd/default/all:deny", "allow read '/a b/***'": "/dev/syd/allow/read+/a b/***", "deny all '/*'": "/dev/syd/deny/all+/*",
		"exit exec /x": "/dev/syd/exit/exec+/x", "del warn read /a": "/dev/syd/warn/read-/a", "rem kill read /a": "/dev/syd/kill/read^/a",
		"mask /a": "/dev/syd/mask+/a", "append '/$HOME'": "/dev/syd/append+/$HOME", "load 7": "/dev/syd/load/7", "do 'pid/max:7'": "/dev/syd/pid/max:7",
	}
	misused = []string{"", "none", "lock on", "allow read", "allow read /a /b", "enable", "load", "del read /a", "-h"}
)

func TestShellLibrary(t *testing.T) {
	for _, shell := range shells(t) {
		if out, err := exec.Command(shell[0], append(shell[1:], "-n", "esyd.sh")...).CombinedOutput(); err != nil {
			t.Errorf("%q -n: %v: %s", shell, err, out)
		}
		var script, want strings.Builder
		for verb, path := range said {
			script.WriteString("esyd " + verb + "; echo $?\n")
			want.WriteString(path + "\n0\n")
		}
		if stdout, stderr, _ := saying(t, shell, script.String()); stdout != want.String() || stderr != "" {
			t.Errorf("%q: got %q, %q, want %q", shell, stdout, stderr, want.String())
		}
		script.Reset()
		for _, verb := range misused {
			script.WriteString("esyd " + verb + " >/dev/null 2>&1; echo $?\n")
		}
		stdout, stderr, status := saying(t, shell, script.String()+"esyd lock on")
		if stdout != strings.Repeat("2\n", len(misused)) || stderr != "esyd: expected 0 arguments, got 1 (esyd help)\n" || status != 2 {
			t.Errorf("%q: got %q, %q, %d", shell, stdout, stderr, status)
		}
		// Outside a sandbox nothing of it is so, and the shell goes on, with no
		// variable more than before.
		stdout, stderr, status = saying(t, shell, `unset -f test; set +u
			for verb in check api info stat 'enabled read' lock; do esyd $verb; echo $?; done; echo "<$esyd_line>"; esyd help`)
		if !strings.HasPrefix(stdout, strings.Repeat("1\n", 6)+"<>\nUsage: esyd") || stderr != "" || status != 0 {
			t.Errorf("%q: outside: got %q, %q, %d", shell, stdout, stderr, status)
		}
	}
}

// The library keeps to what POSIX shells have, and quotes what it expands.
func TestShellLibraryIsPortable(t *testing.T) {
	heredoc := regexp.MustCompile(`(?s)<<'END'\n.*?\nEND\n`)
	code := regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(heredoc.ReplaceAllString(shellLibrary, "\n"), "")
	for _, odd := range []string{`\blocal\b`, `\bfunction\b`, `\[\[`, `==`, `<<<`, `\becho -`, "`", `\bsource\b`, `&>`, `\bdeclare\b`, ` -[ao] `, `\$\'`} {
		if found := regexp.MustCompile(odd).FindString(code); found != "" {
			t.Errorf("%q is not for every shell", found)
		}
	}
	quote := byte(0)
	for i := range len(code) {
		switch c := code[i]; {
		case c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote = c
		case quote == 0 && c == '$':
			t.Errorf("not quoted: %.20q", code[i:])
		}
	}
	if !strings.HasSuffix(shellLibrary, "}\n") || strings.Contains(shellLibrary, "\r") || strings.Contains(shellLibrary, "\t ") {
		t.Error("its lines")
	}
}

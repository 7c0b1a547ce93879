// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"fmt"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Result is how one run ended and what it printed.
type Result struct {
	Argv     []string
	Sandbox  bool           // it was run by the build under test
	Status   int            // as a shell would say: the code, or 128+signal
	Code     int            // the exit code, -1 when it died of a signal
	Signal   syscall.Signal // the signal that it died of itself, or 0
	Stdout   string
	Stderr   string
	Duration time.Duration
	TimedOut bool
}

// Lines is stdout, line by line.
func (r Result) Lines() []string { return lines(r.Stdout) }

func lines(text string) []string {
	text = strings.TrimSuffix(text, "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// Fact is the value of the first fact with this name: what follows "NAME " on
// its line. A missing fact is "", which no matcher takes for a value.
func (r Result) Fact(name string) string {
	if all := r.Facts(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// Facts is the values of all facts with this name, in order.
func (r Result) Facts(name string) []string {
	var values []string
	for _, line := range r.Lines() {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			values = append(values, value)
		} else if line == name {
			values = append(values, "")
		}
	}
	return values
}

// String shows the run to a person: command, status, output.
func (r Result) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n  status %d", strings.Join(quoteAll(r.Argv), " "), r.Status)
	if r.Signal != 0 {
		fmt.Fprintf(&b, " (died of %s)", SignalName(r.Signal))
	}
	if r.TimedOut {
		b.WriteString(" (killed: timeout)")
	}
	fmt.Fprintf(&b, " after %d ms", r.Duration.Milliseconds())
	showStream(&b, "stdout", r.Stdout)
	showStream(&b, "stderr", r.Stderr)
	return b.String()
}

const shownLines = 40

func showStream(b *strings.Builder, name, content string) {
	all := lines(content)
	if len(all) == 0 {
		fmt.Fprintf(b, "\n  %s: empty", name)
		return
	}
	fmt.Fprintf(b, "\n  %s:", name)
	if len(all) > shownLines {
		fmt.Fprintf(b, "\n    ... %d lines before", len(all)-shownLines)
		all = all[len(all)-shownLines:]
	}
	for _, line := range all {
		fmt.Fprintf(b, "\n    %s", line)
	}
}

func quoteAll(argv []string) []string {
	quoted := make([]string, len(argv))
	for i, arg := range argv {
		quoted[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"$\\*?;&|<>()") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return quoted
}

// SignalName is SIGTERM for 15; real-time signals are SIG32 .. SIG64, as the
// fixtures print them.
func SignalName(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" && sig < 32 {
		return name
	}
	return fmt.Sprintf("SIG%d", int(sig))
}

// SPDX-License-Identifier: GPL-3.0-or-later

package harness

import (
	"fmt"
	"slices"
	"strings"
	"syscall"

	"github.com/onsi/gomega/types"
)

// resultMatcher is a matcher on a Result whose failure shows the whole run.
type resultMatcher struct {
	want  string
	match func(Result) bool
}

func (m resultMatcher) Match(actual any) (bool, error) {
	r, ok := actual.(Result)
	if !ok {
		return false, fmt.Errorf("this matcher takes a Result, not a %T", actual)
	}
	return m.match(r), nil
}

func (m resultMatcher) FailureMessage(actual any) string {
	return fmt.Sprintf("expected it to %s:\n%s", m.want, actual)
}

func (m resultMatcher) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("expected it not to %s:\n%s", m.want, actual)
}

// ExitWith matches a run that exited with the code.
func ExitWith(code int) types.GomegaMatcher {
	return resultMatcher{fmt.Sprintf("exit with %d", code), func(r Result) bool { return r.Signal == 0 && r.Code == code }}
}

// DieOf matches a run whose program died of the signal: natively the death
// itself, in a sandbox the build's exit code 128+signal.
func DieOf(sig syscall.Signal) types.GomegaMatcher {
	return resultMatcher{
		fmt.Sprintf("die of %s (status %d)", SignalName(sig), 128+int(sig)),
		func(r Result) bool {
			if r.Sandbox {
				return r.Signal == 0 && r.Code == 128+int(sig)
			}
			return r.Signal == sig
		},
	}
}

// BeKilledBy matches a run where the started process itself (the build, when
// it is one) died of the signal.
func BeKilledBy(sig syscall.Signal) types.GomegaMatcher {
	return resultMatcher{"be killed by " + SignalName(sig), func(r Result) bool { return r.Signal == sig }}
}

// SayLine matches a run that printed exactly this line on stdout.
func SayLine(line string) types.GomegaMatcher {
	return resultMatcher{fmt.Sprintf("say the line %q", line), func(r Result) bool {
		return slices.Contains(r.Lines(), line)
	}}
}

// SayNothing matches a run with an empty stdout.
func SayNothing() types.GomegaMatcher {
	return resultMatcher{"say nothing on stdout", func(r Result) bool { return r.Stdout == "" }}
}

// Complain matches a run that has the words on stderr.
func Complain(words string) types.GomegaMatcher {
	return resultMatcher{fmt.Sprintf("complain of %q on stderr", words), func(r Result) bool {
		return strings.Contains(r.Stderr, words)
	}}
}

// HaveFact matches a run whose fact of that name has the value.
func HaveFact(name, value string) types.GomegaMatcher {
	return resultMatcher{fmt.Sprintf("state %q", strings.TrimSpace(name+" "+value)), func(r Result) bool {
		return slices.Contains(r.Facts(name), value)
	}}
}

// BeDenied matches a fact that is this errno: Expect(r.Fact("openat")).To(BeDenied("EACCES")).
// On a Result it matches when its only fact ends so.
func BeDenied(errno string) types.GomegaMatcher { return deniedMatcher{errno} }

type deniedMatcher struct{ errno string }

func (m deniedMatcher) Match(actual any) (bool, error) {
	switch actual := actual.(type) {
	case string:
		return actual == m.errno, nil
	case Result:
		all := actual.Lines()
		return len(all) == 1 && strings.HasSuffix(all[0], " "+m.errno), nil
	default:
		return false, fmt.Errorf("BeDenied takes a fact or a Result, not a %T", actual)
	}
}

func (m deniedMatcher) FailureMessage(actual any) string {
	return fmt.Sprintf("expected the call to be denied with %s, got: %s", m.errno, actual)
}

func (m deniedMatcher) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("expected the call not to be denied with %s, got: %s", m.errno, actual)
}

// EqualNative matches a run with the status and the normalised stdout of a
// native one.
func EqualNative(native Result) types.GomegaMatcher { return nativeMatcher{native} }

type nativeMatcher struct{ native Result }

func (m nativeMatcher) Match(actual any) (bool, error) {
	r, ok := actual.(Result)
	if !ok {
		return false, fmt.Errorf("EqualNative takes a Result, not a %T", actual)
	}
	if m.native.Sandbox {
		return false, fmt.Errorf("EqualNative compares with a native run, this one was sandboxed")
	}
	return r.Status == m.native.Status && Normalise(r.Stdout) == Normalise(m.native.Stdout), nil
}

func (m nativeMatcher) FailureMessage(actual any) string {
	r := actual.(Result)
	var b strings.Builder
	b.WriteString("expected the same as natively:")
	if r.Status != m.native.Status {
		fmt.Fprintf(&b, "\n  status: native %d, sandboxed %d", m.native.Status, r.Status)
	}
	for _, line := range difference(lines(Normalise(m.native.Stdout)), lines(Normalise(r.Stdout))) {
		b.WriteString("\n  " + line)
	}
	fmt.Fprintf(&b, "\n%s\n%s", r, m.native)
	return b.String()
}

func (m nativeMatcher) NegatedFailureMessage(actual any) string {
	return fmt.Sprintf("expected something else than natively, got the same:\n%s", actual)
}

// difference is the lines that only one side has, or the first line where the
// order differs.
func difference(native, sandboxed []string) []string {
	count := map[string]int{}
	for _, line := range native {
		count[line]++
	}
	for _, line := range sandboxed {
		count[line]--
	}
	var result []string
	for _, line := range native {
		if count[line] > 0 {
			count[line]--
			result = append(result, "only natively:  "+line)
		}
	}
	for _, line := range sandboxed {
		if count[line] < 0 {
			count[line]++
			result = append(result, "only sandboxed: "+line)
		}
	}
	if len(result) > 0 {
		return result
	}
	for i := range native {
		if native[i] != sandboxed[i] {
			return []string{fmt.Sprintf("line %d: native %q, sandboxed %q", i+1, native[i], sandboxed[i])}
		}
	}
	return nil
}

// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"context"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	. "syd/conformance/harness"
)

// Flags of execveat(2), as the fixture's arguments.
const (
	execNoFlag   = "0"
	execNoFollow = "256"  // AT_SYMLINK_NOFOLLOW
	execEmpty    = "4096" // AT_EMPTY_PATH
)

var _ = Describe("execveat", func() {
	// Every form in which one file can be named.
	forms := func(fixture func(string, ...string) []string, directory, name string) map[string][]string {
		path := filepath.Join(directory, name)
		return map[string][]string{
			"a descriptor and a name":         fixture("exec", "at", directory, name, execNoFlag, "exit", "3"),
			"an absolute path":                fixture("exec", "at", "/", path, execNoFlag, "exit", "3"),
			"a path through the parent":       fixture("exec", "at", directory, "../"+filepath.Base(directory)+"/"+name, execNoFlag, "exit", "3"),
			"AT_SYMLINK_NOFOLLOW":             fixture("exec", "at", directory, name, execNoFollow, "exit", "3"),
			"AT_EMPTY_PATH with a name":       fixture("exec", "at", directory, name, execEmpty, "exit", "3"),
			"AT_EMPTY_PATH":                   fixture("exec", "empty", path, execNoFlag, "exit", "3"),
			"AT_EMPTY_PATH and the other one": fixture("exec", "empty", path, execNoFollow, "exit", "3"),
		}
	}

	Spec("EVT-EXE-03.8", "runs an allowed and refuses a denied file, however it is named", func(ctx context.Context) {
		execCopy("process", "good")
		bad := execCopy("process", "bad")
		rules := execRules("deny/exec+" + bad)
		for form, cmd := range forms(Fixture, TempDir(), "good") {
			Expect(Native(ctx, cmd...)).To(ExitWith(3), form)
			Expect(Syd(ctx, Off, cmd...)).To(ExitWith(3), form)
			Expect(Syd(ctx, rules, cmd...)).To(ExitWith(3), form)
		}
		for form, cmd := range forms(Fixture, TempDir(), "bad") {
			Expect(Syd(ctx, execOpen, cmd...)).To(ExitWith(3), form)
			result := Syd(ctx, rules, cmd...)
			Expect(result).To(ExitWith(0), form)
			Expect(result).To(BeDenied("EACCES"), form)
		}
	}, Requires("execveat"))

	Spec("EVT-EXE-03.9", "refuses a denied file to an i386 program too", func(ctx context.Context) {
		bad := execCopy("process", "bad")
		for form, cmd := range forms(ForeignFixture, TempDir(), "bad") {
			Expect(Syd(ctx, execOpen, cmd...)).To(ExitWith(3), form)
			Expect(Syd(ctx, execRules("deny/exec+"+bad), cmd...)).To(BeDenied("EACCES"), form)
		}
	}, Requires("execveat", "i386"))

	Spec("EVT-EXE-03.10", "answers unknown flags with EINVAL before it looks at file or descriptor", func(ctx context.Context) {
		bad := execCopy("process", "bad")
		for _, cmd := range [][]string{
			Fixture("exec", "flags", "-1", bad, "1", "2", "2048", "8192", "1073741824"),
			Fixture("exec", "flags", "-1", "missing", "1", "257", "4097"),
			Fixture("exec", "flags", "999", "/missing/below", "512"),
		} {
			_, native := execSame(ctx, cmd...)
			Expect(Syd(ctx, execRules("deny/exec+"+bad), cmd...)).To(EqualNative(native))
			for _, line := range native.Lines() {
				Expect(line).To(HaveSuffix(" EINVAL"))
			}
		}
	}, Requires("execveat"))

	Spec("EVT-EXE-03.11", "does not follow a symlink with AT_SYMLINK_NOFOLLOW, as natively", func(ctx context.Context) {
		execCopy("process", "program")
		execLink("program", "link")
		execLink(".", "directory")
		execSame(ctx, Fixture("exec", "at", TempDir(), "link", execNoFollow, "exit", "3")...)
		execSame(ctx, Fixture("exec", "at", TempDir(), "link", execNoFlag, "exit", "3")...)
		_, native := execSame(ctx, Fixture("exec", "at", TempDir(), "directory/program", execNoFollow, "exit", "3")...)
		Expect(native).To(ExitWith(3))
		// What is named is the symlink: that its target is denied changes nothing.
		cmd := Fixture("exec", "at", TempDir(), "link", execNoFollow, "exit", "3")
		SameAsNative(ctx, execRules("deny/exec+"+TempDir()+"/program"), cmd...)
	}, Requires("execveat"))

	Spec("EVT-EXE-03.12", "judges a descriptor of a symlink's target by the target", func(ctx context.Context) {
		program := execCopy("process", "program")
		link := execLink("program", "link")
		cmd := Fixture("exec", "empty", link, execNoFlag, "exit", "3")
		Expect(Syd(ctx, execRules("deny/exec+"+link), cmd...)).To(ExitWith(3))
		Expect(Syd(ctx, execRules("deny/exec+"+program), cmd...)).To(BeDenied("EACCES"))
	}, Requires("execveat"))
})

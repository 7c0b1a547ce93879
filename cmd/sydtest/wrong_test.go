// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"os"
	"strings"
	"testing"

	"syd/conformance/report"
)

// tracked is a stand-in that leads to the command; what a build does with it
// is appended.
const tracked = `#!/bin/sh
while [ $# -gt 0 ]; do
	case $1 in
	-V) echo "tracked 1.0"; exit 0 ;;
	--) shift; break ;;
	esac
	shift
done
`

// TestWrongBuilds runs specs against builds that are wrong in one way each, and
// wants the right specs to fail with clear words.
func TestWrongBuilds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		flags        []string
		fails        []string // specs with the verdict fail
		passes       []string
		words        string
	}{
		{
			name: "drops the exit code", script: tracked + `"$@"; exit 0`,
			flags: []string{"--id", "LCH-0[12].[23]"},
			fails: []string{"LCH-01.2", "LCH-01.3", "LCH-02.2", "LCH-02.3"}, words: "gives status 0",
		},
		{
			name: "adds 128 twice", script: tracked + `"$@"; s=$?; [ $s -gt 128 ] && s=$((s + 128)); exit $s`,
			flags: []string{"--id", "LCH-0[12].[23]"},
			fails: []string{"LCH-02.2", "LCH-02.3"}, passes: []string{"LCH-01.2", "LCH-01.3"}, words: "expected it to die of SIGSYS (status 159)",
		},
		{
			name: "leaves orphans", script: tracked + `exec "$@"`,
			flags: []string{"--id", "SELF-01.24"},
			fails: []string{"SELF-01.24"}, words: "left behind",
		},
		{
			name: "env", script: "#!/bin/sh\nexec env \"$@\"",
			flags: []string{"--id", "LCH-0[18].[23]"},
			fails: []string{"LCH-01.2", "LCH-01.3", "LCH-08.2", "LCH-08.3"}, words: "does not behave as a syd",
		},
		{
			name: "no syd at all", script: "#!/bin/sh\nexit 0",
			flags: []string{"--id", "LCH-0[18].[23]"},
			fails: []string{"LCH-01.2", "LCH-01.3", "LCH-08.2", "LCH-08.3"}, words: "does not behave as a syd",
		},
	} {
		r, status, text := suite(t, writeBuild(t, c.script), c.flags...)
		all := verdicts(r)
		for _, id := range c.fails {
			if all[id] != report.Fail {
				t.Errorf("%s: %s is %q", c.name, id, all[id])
			}
		}
		for _, id := range c.passes {
			if all[id] != report.Pass {
				t.Errorf("%s: %s is %q", c.name, id, all[id])
			}
		}
		for id, verdict := range all {
			if verdict == report.Error || verdict == report.Crash {
				t.Errorf("%s: %s is %q", c.name, id, verdict)
			}
		}
		if status != report.ExitFailure || !strings.Contains(text, c.words) {
			t.Errorf("%s: status %d, and the words %q:\n%s", c.name, status, c.words, text)
		}
	}
}

// TestNoProgram judges a file that the kernel cannot run: the harness's own
// fault, in words.
func TestNoProgram(t *testing.T) {
	t.Parallel()
	build := writeBuild(t, "no program")
	if err := os.Chmod(build, 0o755); err != nil {
		t.Fatal(err)
	}
	_, status, text := suite(t, build, "--id", "LCH-01.2")
	if status != report.ExitHarness || !strings.Contains(text, "exec format error") {
		t.Errorf("status %d\n%s", status, text)
	}
}

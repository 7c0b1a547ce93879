// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"slices"
	"strings"
	"testing"

	"syd/syd/kernel"
	"syd/syd/policy"
)

func TestInterpreterOf(t *testing.T) {
	// fill makes a head as long as the kernel looks at.
	fill := func(s, with string) string { return s + strings.Repeat(with, scriptHead-len(s)) }
	for head, want := range map[string]string{
		"":                           "",
		"#":                          "",
		"#!":                         "",
		"#!\n":                       "",
		"#! \t \n/bin/sh":            "",
		"/bin/sh":                    "",
		"\x7fELF":                    "",
		" #!/bin/sh\n":               "",
		"# !/bin/sh\n":               "",
		"#!/bin/sh":                  "/bin/sh",
		"#!/bin/sh\n":                "/bin/sh",
		"#!/bin/sh\r\n":              "/bin/sh\r",
		"#! /bin/sh\n":               "/bin/sh",
		"#!\t \t/bin/sh\n":           "/bin/sh",
		"#!/bin/sh -e\n":             "/bin/sh",
		"#!/bin/sh\t-e -x\n":         "/bin/sh",
		"#!/bin/sh   \n":             "/bin/sh",
		"#!/bin/sh\x00x\n":           "/bin/sh",
		"#!\x00/bin/sh\n":            "",
		"#!sh\n":                     "sh",
		"#!./a/../b\n#!/c\n":         "./a/../b",
		"#!/\xff\n":                  "/\xff",
		fill("#!", " "):              "",
		fill("#!", "a"):              "", // truncated: the kernel doesn't guess
		fill("#! /", "a"):            "",
		fill("#!/bin/sh ", "a"):      "/bin/sh",
		fill("#!", "a")[:255] + "\n": strings.Repeat("a", 253),
		fill("#!", "a")[:255] + " ":  strings.Repeat("a", 253),
		fill("#!", "a")[:255]:        strings.Repeat("a", 253), // the file's end
		fill("#!/bin/sh\n", "\nnothing")[:scriptHead]: "/bin/sh",
	} {
		if got := interpreterOf([]byte(head)); got != want {
			t.Errorf("%.40q (%d bytes): got %.40q, want %.40q", head, len(head), got, want)
		}
	}
}

func TestTracedFollowsThePolicy(t *testing.T) {
	for _, row := range []struct {
		lines []string
		want  []string
	}{
		{nil, []string{"execve", "execveat", "chdir", "fchdir"}},
		{[]string{"sandbox/chdir:off"}, []string{"execve", "execveat"}},
		{[]string{"sandbox/exec:off"}, []string{"chdir", "fchdir"}},
		{[]string{"sandbox/exec,chdir:off"}, nil},
		{[]string{"sandbox/pid:off"}, []string{"execve", "execveat", "chdir", "fchdir"}},
	} {
		var commands []policy.Command
		for _, text := range row.lines {
			commands = append(commands, policy.Command{Where: "-m", Text: text})
		}
		p, err := policy.Parse(commands, nil)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range traced(p) {
			if r.when == nil {
				got = append(got, r.name)
			}
		}
		if !slices.Equal(got, row.want) {
			t.Errorf("%q: got %v, want %v", row.lines, got, row.want)
		}
		// Two ABIs have each call, and a stop finds exactly what was asked for,
		// beside the calls that are always traced.
		judged := 0
		for key, r := range numbersOf(traced(p)) {
			if r.when != nil {
				continue
			}
			judged++
			if !slices.Contains(row.want, r.name) {
				t.Errorf("%q: %+v leads to %s", row.lines, key, r.name)
			}
		}
		if judged != 2*len(row.want) {
			t.Errorf("%q: %d numbers", row.lines, judged)
		}
	}
	p, _ := policy.Parse(nil, nil)
	rows := numbersOf(traced(p))
	for key, name := range map[syscallKey]string{
		{kernel.ArchNative, 59}: "execve", {kernel.ArchNative, 322}: "execveat",
		{kernel.ArchNative, 80}: "chdir", {kernel.ArchNative, 81}: "fchdir",
		{kernel.ArchCompat, 11}: "execve", {kernel.ArchCompat, 358}: "execveat",
		{kernel.ArchCompat, 12}: "chdir", {kernel.ArchCompat, 133}: "fchdir",
	} {
		if r := rows[key]; r == nil || r.name != name {
			t.Errorf("%+v: got %+v, want %s", key, r, name)
		}
	}
	if rows[syscallKey{kernel.ArchNative, 59 | 0x40000000}] != nil {
		t.Error("an x32 number has a row")
	}
}

// Opens for reading are seen only where they are decided on.
func TestOpensThatAreSeen(t *testing.T) {
	const all = "sandbox/all:off"
	for _, c := range []struct {
		lines   []string
		reading bool
	}{
		{[]string{all, "sandbox/write:on", "deny/write+/a"}, false},
		{[]string{all, "sandbox/write,create,truncate:on"}, false},
		{[]string{all, "sandbox/read,write:on", "allow/read+/***", "deny/write+/a"}, false},
		{[]string{all, "sandbox/read,write:on"}, true},
		{[]string{all, "sandbox/stat,write:on"}, true},
		{[]string{all, "sandbox/write:on", "mask+/a"}, true},
		{[]string{all, "sandbox/write:on", "lock:exec"}, true},
	} {
		var commands []policy.Command
		for _, line := range c.lines {
			commands = append(commands, policy.Command{Where: t.Name(), Text: line})
		}
		p, err := policy.Parse(commands, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, open := range []struct {
			name  string
			flags int
		}{{"open", 1}, {"openat", 2}} {
			sees := func(flags uint64) (seen bool) {
				args := [6]uint64{}
				args[open.flags] = flags
				for _, r := range Rules(p) {
					holds := r.Syscall == open.name
					for _, condition := range r.Conditions {
						holds = holds && condition.Holds(args)
					}
					seen = seen || holds
				}
				return seen
			}
			for _, flags := range []uint64{0, oCloexec, oPath, oNoctty, oAppend} {
				if sees(flags) != c.reading {
					t.Errorf("%v: %s with %#o: %v", c.lines, open.name, flags, !c.reading)
				}
			}
			for _, flags := range []uint64{oWrite, oRdwr, oAccess, oTrunc, oCreate, oTmpfile | oWrite, oWrite | oAppend | 1<<40} {
				if !sees(flags) {
					t.Errorf("%v: %s with %#o isn't seen", c.lines, open.name, flags)
				}
			}
		}
	}
}

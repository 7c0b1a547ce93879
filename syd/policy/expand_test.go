// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// testSources has variables, and no files.
var testSources = Sources{
	Read: func(string) (Source, error) { return Source{}, syscall.ENOENT },
	Getenv: func(name string) (string, bool) {
		value, set := map[string]string{
			"HOME": "/home/me", "PWD": "/work", "EMPTY": "", "N": "7", "_a1": "x", "ODD": `/*?[a]{b,c}\$ # -`, "BAD": "\xff", "BELL": "\a", "FILE": "a.syd-3",
		}[name]
		return value, set
	},
}

// expanded parses lines after config/expand:1.
func expanded(lines ...string) (*Policy, error) {
	return ParseIn(commands(append([]string{"config/expand:1"}, lines...)...), testSources)
}

func TestExpand(t *testing.T) {
	for text, want := range map[string]string{
		"allow/read+$HOME/x":             "allow/read+/home/me/x",
		"allow/read+${HOME}x":            "allow/read+/home/mex",
		"allow/read+/$_a1/${_a1}b$EMPTY": "allow/read+/x/xb",
		"allow/read-/a$HOME":             "",
		"allow/read+/$ODD":               `allow/read+//\*\?\[a\]\{b\,c\}\\\$\ \#\ -`,
		`allow/read+/\$HOME`:             `allow/read+/\$HOME`,
		`allow/read+/\\$HOME`:            `allow/read+/\\/home/me`,
		"mask+$PWD/***":                  "mask+/work/***",
		"pid/max:$N":                     "pid/max:7",
		"pid/max:${N}1":                  "pid/max:71",
	} {
		p, err := expanded(text)
		if err != nil || want != "" && !strings.Contains(p.Text(), "\n"+want+"\n") {
			t.Errorf("%s: got %v\n%s", text, err, p.Text())
			continue
		}
		reprint(t, p, "/home/me/x")
	}
	// A value stands for itself.
	p, err := expanded("allow/read+$ODD")
	odd, _ := testSources.Getenv("ODD")
	if err != nil || p.Decide(Request{Category: Read, Path: odd}) != Allow || p.Decide(Request{Category: Read, Path: "/bcab\\$ # -"}) != Deny {
		t.Errorf("got %v", err)
	}
	// It is off by default, and can be turned off.
	for _, lines := range [][]string{{"allow/read+/$HOME"}, {"config/expand:3", "config/expand:0", "allow/read+/$HOME"}, {"config/expand:1", "reset", "allow/read+/$HOME"}} {
		if p, err := ParseIn(commands(lines...), testSources); err != nil || p.Decide(Request{Category: Read, Path: "/$HOME"}) != Allow {
			t.Errorf("%q: %v", lines, err)
		}
	}
	_, err = expanded("include $FILE")
	if want := `-m:1:9: "a.syd-3": no such file or directory`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestExpandMistakes(t *testing.T) {
	const name = "a variable's name after `$`: $NAME or ${NAME} (`\\$` is the character)"
	for _, row := range []struct {
		text, expected string
		column         int
	}{
		{"allow/read+/é/$NONE/x", "NONE to be set in the environment", 15},
		{"allow/read+${NONE}", "NONE to be set in the environment", 12},
		{"pid/max:$NONE", "NONE to be set in the environment", 9},
		{"allow/read+/$", name, 13}, {"allow/read+/${HOME", name, 13}, {"allow/read+/${}", name, 13}, {"allow/read+/$1", name, 13},
		{"allow/read+/$(id)", name, 13}, {"allow/read+/$$", name, 13}, {"allow/read+/${HOME:-x}", name, 13}, {"allow/read+/$-", name, 13},
		{"allow/read+/$BAD", "UTF-8 without control characters in BAD", 13},
		{"allow/read+/$BELL", "UTF-8 without control characters in BELL", 13},
		{"allow/read+$N", "an absolute path pattern", 12},
		{"allow/read+${HOME}/[a", "a `]` for the `[`", 12},
		{"pid/max:$HOME", "a whole number from 0 to 2147483647", 9},
	} {
		_, err := expanded(row.text)
		if want := fmt.Sprintf("-m:1:%d: %q: expected %s", row.column, row.text, row.expected); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if _, err := Parse(commands("config/expand:1", "allow/read+$HOME"), nil); err == nil || !strings.Contains(err.Error(), "HOME to be set") {
		t.Errorf("without an environment: %v", err)
	}
}

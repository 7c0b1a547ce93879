// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestEnvironment(t *testing.T) {
	for name, row := range map[string]struct {
		inherited, edits []string
		unsafe           bool
		env, dropped     []string
	}{
		"as it is":             {inherited: []string{"A=1", "B="}, env: []string{"A=1", "B="}},
		"nothing":              {},
		"the loader's":         {inherited: []string{"LD_PRELOAD=x", "A=1", "LD_=y"}, env: []string{"A=1"}, dropped: []string{"LD_PRELOAD", "LD_"}},
		"not the loader's":     {inherited: []string{"LDX=1", "XLD_A=1", "ld_preload=1"}, env: []string{"LDX=1", "XLD_A=1", "ld_preload=1"}},
		"secrets":              {inherited: []string{"PASSWORD=1", "API_TOKEN=1", "A_KEY_B=1", "CREDENTIAL_=1"}, dropped: []string{"PASSWORD", "API_TOKEN", "A_KEY_B", "CREDENTIAL_"}},
		"no word of a secret":  {inherited: []string{"KEYS=1", "MONKEY=1", "TOKENIZER_X=1", "key=1", "X=KEY"}, env: []string{"KEYS=1", "MONKEY=1", "TOKENIZER_X=1", "key=1", "X=KEY"}},
		"unsafe":               {inherited: []string{"LD_PRELOAD=x", "API_KEY=1"}, unsafe: true, env: []string{"LD_PRELOAD=x", "API_KEY=1"}},
		"passed on":            {inherited: []string{"LD_PRELOAD=x", "LD_AUDIT=y"}, edits: []string{"LD_PRELOAD="}, env: []string{"LD_PRELOAD=x"}, dropped: []string{"LD_AUDIT"}},
		"passing on is no set": {inherited: []string{"A=1"}, edits: []string{"A=", "B="}, env: []string{"A=1"}},
		"set":                  {inherited: []string{"A=1"}, edits: []string{"B=2"}, env: []string{"A=1", "B=2"}},
		"set anew":             {inherited: []string{"A=1", "AB=1", "A=2"}, edits: []string{"A=3"}, env: []string{"AB=1", "A=3"}},
		"the last set counts":  {edits: []string{"A=1", "A=2"}, env: []string{"A=2"}},
		"a value with =":       {edits: []string{"A=b=c"}, env: []string{"A=b=c"}},
		"unset":                {inherited: []string{"A=1", "AB=2"}, edits: []string{"A"}, env: []string{"AB=2"}},
		"set and unset":        {edits: []string{"A=1", "A"}},
		"unset and set":        {inherited: []string{"A=1"}, edits: []string{"A", "A=2"}, env: []string{"A=2"}},
		"set what is dropped":  {inherited: []string{"LD_PRELOAD=x"}, edits: []string{"LD_PRELOAD=y"}, env: []string{"LD_PRELOAD=y"}, dropped: []string{"LD_PRELOAD"}},
		"an entry without =":   {inherited: []string{"A", "LD_X"}, env: []string{"A"}, dropped: []string{"LD_X"}},
	} {
		before := slices.Clone(row.inherited)
		env, dropped := environment(row.inherited, row.edits, row.unsafe)
		if !slices.Equal(env, row.env) || !slices.Equal(dropped, row.dropped) {
			t.Errorf("%s: got %q dropped %q, want %q dropped %q", name, env, dropped, row.env, row.dropped)
		}
		if !slices.Equal(row.inherited, before) {
			t.Errorf("%s: its argument changed: %q", name, row.inherited)
		}
	}
}

func TestLookPath(t *testing.T) {
	top := t.TempDir()
	t.Chdir(top)
	for _, dir := range []string{"a", "b", "c"} {
		if err := os.MkdirAll(dir+"/directory", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range map[string]os.FileMode{
		"a/x": 0o755, "b/x": 0o755, "a/no": 0o644, "b/no": 0o644, "a/later": 0o644, "b/later": 0o755, "here": 0o755,
	} {
		if err := os.WriteFile(path, nil, mode); err != nil {
			t.Fatal(err)
		}
	}
	p := "PATH=" + top + "/a:" + top + "/b"
	for name, row := range map[string]struct {
		file, path, want string
		err              error
	}{
		"the first":               {"x", p, top + "/a/x", nil},
		"the second, executable":  {"later", p, top + "/b/later", nil},
		"none executable":         {"no", p, "", syscall.EACCES},
		"none":                    {"none", p, "", syscall.ENOENT},
		"a directory":             {"directory", p, "", syscall.EACCES},
		"no name":                 {"", p, "", syscall.ENOENT},
		"a slash":                 {"./none", p, "./none", nil},
		"a slash at the end":      {"none/", p, "none/", nil},
		"an empty entry":          {"here", "PATH=/none::/nothing", "here", nil},
		"an empty entry, first":   {"here", "PATH=:/none", "here", nil},
		"an empty PATH":           {"here", "PATH=", "here", nil},
		"a relative entry":        {"x", "PATH=b", "b/x", nil},
		"an entry that is a file": {"x", "PATH=" + top + "/here:" + top + "/b", top + "/b/x", nil},
		"EACCES is remembered":    {"no", "PATH=" + top + "/a:/none", "", syscall.EACCES},
		"too long a name":         {strings.Repeat("n", 256), p, "", syscall.ENOENT},
		"no PATH":                 {"sh", "XPATH=/none", "/bin/sh", nil},
	} {
		got, err := lookPath(row.file, []string{"A=1", row.path, "PATH=/second"})
		if name == "no PATH" {
			got, err = lookPath(row.file, []string{"A=1", row.path})
		}
		if got != row.want || err != row.err {
			t.Errorf("%s: got %q %v, want %q %v", name, got, err, row.want, row.err)
		}
	}
}

// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLogin(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	user, known := account(os.Getuid())
	fallback := "/bin/sh"
	if known && filepath.IsAbs(user.shell) {
		fallback = user.shell
	}
	for shell, want := range map[string]string{"/bin/dash": "/bin/dash", "": fallback, "dash": fallback, self: fallback} {
		t.Setenv("SHELL", shell)
		o := Login()
		if o.Argv[0] != want || len(o.Argv) != 1 || o.Arg0 != "-"+filepath.Base(want) {
			t.Errorf("SHELL=%s: got %+v", shell, o)
		}
		if len(o.Config) != 1 || o.Config[0] != (Command{Where: "-p", Text: "user", Kind: Profile}) {
			t.Errorf("got %+v", o.Config)
		}
	}
	if _, known := account(-5); known {
		t.Error("somebody has the number -5")
	}
}

func TestLookup(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PWD", "/elsewhere")
	t.Setenv("HOME", "/home/of/mine")
	if got, set := lookup("PWD"); got != resolved || !set {
		t.Errorf("PWD: got %s %v", got, set)
	}
	if got, set := lookup("HOME"); got != "/home/of/mine" || !set {
		t.Errorf("HOME: got %s %v", got, set)
	}
	os.Unsetenv("HOME")
	user, known := account(os.Getuid())
	if got, set := lookup("HOME"); got != user.home || set != known {
		t.Errorf("no HOME: got %s %v", got, set)
	}
	if _, set := lookup("SYD_NO_SUCH_VARIABLE"); set {
		t.Error("what nobody set is set")
	}
}

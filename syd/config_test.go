// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"syd/syd/policy"
)

func TestReadConfig(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("world", link); err != nil {
		t.Fatal(err)
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ path, text, says string }{
		{file("good", "text\n", 0o600), "text\n", ""},
		{file("group", "text\n", 0o660), "text\n", ""},
		{file("empty", "", 0o644), "", ""},
		{file("full", strings.Repeat("x", maxConfig), 0o644), strings.Repeat("x", maxConfig), ""},
		{file("long", strings.Repeat("x", maxConfig+1), 0o644), "", "expected at most 1 MiB"},
		{file("world", "text\n", 0o666), "", "expected a file that not everybody may write (chmod o-w)"},
		{link, "", "expected a file that not everybody may write (chmod o-w)"},
		{file("write", "text\n", 0o602), "", "expected a file that not everybody may write (chmod o-w)"},
		{dir, "", "expected a regular file"},
		{fifo, "", "expected a regular file"},
		{"/dev/zero", "", "expected a regular file"},
		{"/dev/tty", "", ""},
		{filepath.Join(dir, "none"), "", "No such file or directory"},
		{filepath.Join(dir, "good", "below"), "", "Not a directory"},
		{"a\x00b", "", "Invalid argument"},
	} {
		source, err := readConfig(row.path)
		switch {
		case row.path == "/dev/tty": // there may be none
			if err == nil {
				t.Error("a terminal was read")
			}
		case row.says == "" && (err != nil || source.Text != row.text || source.Identity == ""):
			t.Errorf("%s: got %.20q %v", row.path, source.Text, err)
		case row.says != "" && (err == nil || err.Error() != row.says):
			t.Errorf("%s: got %v, want %s", row.path, err, row.says)
		}
	}
	one, _ := readConfig(filepath.Join(dir, "good"))
	if again, _ := readConfig(dir + "/./good"); again.Identity != one.Identity {
		t.Errorf("%s and %s", one.Identity, again.Identity)
	}
	if other, _ := readConfig(filepath.Join(dir, "group")); other.Identity == one.Identity {
		t.Errorf("both are %s", one.Identity)
	}
}

func TestStatusOfConfigErrors(t *testing.T) {
	dir := t.TempDir()
	none, below := filepath.Join(dir, "none.syd-3"), filepath.Join("/dev/null", "x.syd-3")
	file := func(name string) Command { return Command{Where: "-P", Text: name, Kind: File} }
	wrong := Command{Where: "-m", Text: "wrong"}
	for _, row := range []struct {
		config []Command
		want   syscall.Errno
	}{
		{[]Command{file(none)}, syscall.ENOENT},
		{[]Command{file(below), file(none)}, syscall.ENOTDIR},
		{[]Command{wrong}, syscall.EINVAL},
		{[]Command{file(none), wrong}, syscall.EINVAL},
		{[]Command{wrong, file(none)}, syscall.EINVAL},
		{[]Command{file("x.conf")}, syscall.EINVAL},
	} {
		text, status, err := Configuration(Options{Config: row.config})
		if wrong, ok := err.(policy.Errors); text != "" || status != Exit(row.want) || !ok || len(wrong) != len(row.config) {
			t.Errorf("%+v: got %d %v, want %d", row.config, status, err, row.want)
		}
	}
	if text, status, err := Configuration(Options{}); status != 0 || err != nil || !strings.Contains(text, "sandbox/exec:on\n") {
		t.Errorf("got %q %d %v", text, status, err)
	}
}

// SPDX-License-Identifier: GPL-3.0-or-later

package bench

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// stub is a build that notes that it was started, and starts the rest.
func stub(t *testing.T) (path, notes string) {
	dir := t.TempDir()
	path, notes = filepath.Join(dir, "syd"), filepath.Join(dir, "notes")
	text := "#!/bin/sh\necho \"$1 $(head -n 1 \"$2\")\" >> " + notes + "\nshift 3\nexec \"$@\"\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path, notes
}

func TestMeasurePrograms(t *testing.T) {
	defer func(all []Program) { Programs = all }(Programs)
	prepared, touched := 0, 0
	Programs = []Program{
		{Name: "short", What: "a shell's end", needs: "sh", argv: []string{"sh", "-c", "exit 0"},
			prepare: func(_ context.Context, _ Program, dir string) error { prepared++; return nil },
			before:  func(string, int) error { touched++; return nil }},
		{Name: "missing", What: "nothing", needs: "no such program"},
	}
	build, notes := stub(t)
	var out strings.Builder
	if err := MeasurePrograms(t.Context(), Options{Build: build, Rounds: 6}, &out); err != nil {
		t.Fatal(err)
	}
	started, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(started), "-P sandbox/all:on\n"); n != 6 || prepared != 1 || touched < 12 {
		t.Errorf("started %d times, prepared %d, touched %d:\n%s", n, prepared, touched, started)
	}
	for _, words := range []string{"NATIVE", "SYD", "short ", "1.00x", "a shell's end", "missing     unsupported: no such program is not installed"} {
		if !strings.Contains(out.String(), words) {
			t.Errorf("%q is missing in\n%s", words, &out)
		}
	}

	Programs = Programs[:1]
	Programs[0].argv = []string{"sh", "-c", "echo why >&2; exit 3"}
	err = MeasurePrograms(t.Context(), Options{Build: build, Rounds: 6}, &out)
	if err == nil || !strings.Contains(err.Error(), "native") || !strings.Contains(err.Error(), "why") {
		t.Errorf("a program that fails: %v", err)
	}
}

// What the programs work on can be made, and they run.
func TestPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles a module")
	}
	for _, p := range Programs {
		dir := filepath.Join(t.TempDir(), "w")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := p.prepare(t.Context(), p, dir); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		} else if err := p.run(t.Context(), dir, p.argv); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

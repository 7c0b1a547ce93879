// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A goPackage is what `go list -json` says of a package of this module.
type goPackage struct {
	ImportPath   string
	Dir          string
	GoFiles      []string
	CgoFiles     []string
	Imports      []string
	TestImports  []string
	XTestImports []string
}

// layers is the order of the house: a package imports only from layers below
// its own, or from below itself. The longest prefix counts.
var layers = []struct {
	prefix string
	level  int
}{
	{"syd/cmd/syd", 0}, {"syd/syd", 1}, {"syd/syd/trace", 2}, {"syd/syd/confine", 2}, {"syd/syd/policy", 3},
	{"syd/syd/filter", 3}, {"syd/syd/audit", 3}, {"syd/syd/kernel", 4},

	{"syd/cmd/sydtest", 0}, {"syd/conformance/engine", 1}, {"syd/conformance", 2}, {"syd/conformance/harness", 3},
	{"syd/conformance/capability", 4}, {"syd/conformance/catalogue", 4}, {"syd/conformance/report", 5}, {"syd/fixtures", 6}, {"syd/examples", 6},
}

func layerOf(path string) (prefix string, level int) {
	level = -1
	for _, l := range layers {
		if (path == l.prefix || strings.HasPrefix(path, l.prefix+"/")) && len(l.prefix) > len(prefix) {
			prefix, level = l.prefix, l.level
		}
	}
	return prefix, level
}

func isRuntime(path string) bool {
	return path == "syd/cmd/syd" || strings.HasPrefix(path, "syd/cmd/syd/") || path == "syd/syd" || strings.HasPrefix(path, "syd/syd/")
}

// violations is what is wrong with one package's imports.
func violations(p goPackage) []string {
	var all []string
	complain := func(imported, why string) {
		all = append(all, fmt.Sprintf("%s imports %s: %s", p.ImportPath, imported, why))
	}
	from, level := layerOf(p.ImportPath)
	if level < 0 {
		return []string{p.ImportPath + ": its layer is not in the table"}
	}
	for _, imported := range slices.Concat(p.Imports, p.TestImports, p.XTestImports) {
		switch {
		case strings.HasPrefix(imported, "syd/") && isRuntime(imported) != isRuntime(p.ImportPath):
			complain(imported, "runtime and suite share nothing, so that no mistake is on both sides")
		case strings.HasPrefix(imported, "github.com/seccomp/") && from != "syd/syd/filter":
			complain(imported, "only syd/filter compiles filters")
		}
	}
	for _, imported := range p.Imports {
		switch {
		case strings.HasPrefix(imported, "syd/"):
			to, below := layerOf(imported)
			if below < 0 || to != from && below <= level {
				complain(imported, "imports point down only")
			}
		case isRuntime(p.ImportPath) && (imported == "unsafe" || imported == "C" || imported == "golang.org/x/sys/unix") && from != "syd/syd/kernel":
			complain(imported, "syd/kernel is the one door to the kernel")
		case isRuntime(p.ImportPath) && strings.HasPrefix(imported, "github.com/onsi/"):
			complain(imported, "Ginkgo belongs to the suite")
		}
	}
	return all
}

// unsafeNames is the files that import unsafe and don't say so in their names.
func unsafeNames(t *testing.T, p goPackage) []string {
	t.Helper()
	var all []string
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		if strings.HasSuffix(name, "_unsafe.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imported := range file.Imports {
			if imported.Path.Value == `"unsafe"` {
				all = append(all, fmt.Sprintf("%s/%s imports unsafe: its name has to end in _unsafe.go", p.ImportPath, name))
			}
		}
	}
	return all
}

func TestImportDirections(t *testing.T) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,CgoFiles,Imports,TestImports,XTestImports", "syd/...")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=1")
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, "syd/fixtures/go/") {
			// Programs of their own, with the standard library alone.
			for _, imported := range p.Imports {
				if strings.Contains(imported, ".") || strings.HasPrefix(imported, "syd/") {
					t.Errorf("%s imports %s: a fixture has no dependencies", p.ImportPath, imported)
				}
			}
			continue
		}
		for _, violation := range violations(p) {
			t.Error(violation)
		}
		if isRuntime(p.ImportPath) {
			for _, name := range unsafeNames(t, p) {
				t.Error(name)
			}
		}
	}
}

func TestImportDirectionsAreSeen(t *testing.T) {
	for _, p := range []goPackage{
		{ImportPath: "syd/conformance/harness", Imports: []string{"syd/syd/kernel"}},
		{ImportPath: "syd/cmd/sydtest", TestImports: []string{"syd/syd/policy"}},
		{ImportPath: "syd/syd/trace", XTestImports: []string{"syd/fixtures"}},
		{ImportPath: "syd/syd/policy", Imports: []string{"syd/syd/trace"}},
		{ImportPath: "syd/syd/policy", Imports: []string{"syd/syd/audit"}},
		{ImportPath: "syd/syd/trace", Imports: []string{"golang.org/x/sys/unix"}},
		{ImportPath: "syd/syd/policy", Imports: []string{"unsafe"}},
		{ImportPath: "syd/syd", Imports: []string{"github.com/onsi/gomega"}},
		{ImportPath: "syd/syd/trace", Imports: []string{"github.com/seccomp/libseccomp-golang"}},
		{ImportPath: "syd/fixtures", Imports: []string{"syd/conformance/report"}},
		{ImportPath: "syd/elsewhere"},
	} {
		if len(violations(p)) == 0 {
			t.Errorf("not seen: %+v", p)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("package a\n\nimport _ \"unsafe\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(unsafeNames(t, goPackage{ImportPath: "syd/syd/kernel", Dir: dir, GoFiles: []string{"a.go"}})) != 1 {
		t.Error("not seen: a file that imports unsafe")
	}
	for _, p := range []goPackage{
		{ImportPath: "syd/cmd/syd", Imports: []string{"syd/syd", "fmt"}},
		{ImportPath: "syd/syd/trace", Imports: []string{"syd/syd/policy", "syd/syd/kernel/spawn"}},
		{ImportPath: "syd/syd/kernel/spawn", Imports: []string{"unsafe", "syd/syd/kernel", "golang.org/x/sys/unix"}},
		{ImportPath: "syd/syd/filter", Imports: []string{"github.com/seccomp/libseccomp-golang"}},
		{ImportPath: "syd/cmd/sydtest", Imports: []string{"syd/conformance", "syd/conformance/engine", "syd/fixtures", "golang.org/x/sys/unix"}},
	} {
		for _, violation := range violations(p) {
			t.Errorf("wrongly seen: %s", violation)
		}
	}
}

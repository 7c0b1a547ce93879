// SPDX-License-Identifier: GPL-3.0-or-later

package conformance

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"

	"syd/conformance/catalogue"
	"syd/conformance/harness"
	"syd/fixtures"
)

// TestConformance runs the specs against SYDTEST_SYD, or bin/syd. Ginkgo's own
// flags work: go test ./conformance -ginkgo.label-filter=LCH-01
//
// With -short it is left to sydtest run, which tells more.
func TestConformance(t *testing.T) {
	if testing.Short() {
		return
	}
	if os.Getenv("SYDTEST_SYD") == "" {
		t.Setenv("SYDTEST_SYD", "../bin/syd")
	}
	build, err := filepath.Abs(os.Getenv("SYDTEST_SYD"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(build); err != nil {
		t.Fatalf("there is no build to judge: %v (run `make build`, or set SYDTEST_SYD)", err)
	}
	// Not t.TempDir, whose parent an ordinary user may not search.
	dir, err := os.MkdirTemp("", "conformance")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	fixtureDir := filepath.Join(dir, "fixtures")
	if err := fixtures.Extract(fixtureDir); err != nil {
		t.Fatal(err)
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	factor, err := harness.Calibrate(fixtureDir)
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Configure(harness.Config{Build: build, FixtureDir: fixtureDir, WorkDir: work, Factor: factor}); err != nil {
		t.Fatal(err)
	}
	suite, reporter := GinkgoConfiguration()
	if suite.LabelFilter == "" {
		suite.LabelFilter = "!" + harness.LabelSlow
	}
	for _, d := range catalogue.Divergences { // Ginkgo knows no expected failures
		suite.SkipStrings = append(suite.SkipStrings, regexp.QuoteMeta("["+d.Spec+"]"))
	}
	gomega.RegisterFailHandler(Fail)
	RunSpecs(t, "conformance", suite, reporter)
}

// TestCatalogue holds specs and clauses against each other.
func TestCatalogue(t *testing.T) {
	specs, problems := harness.Plan(1)
	problems = append(problems, catalogue.Check(specs, SpecsPerClause)...)
	for _, problem := range problems {
		t.Error(problem)
	}
}

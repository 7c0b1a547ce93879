// SPDX-License-Identifier: GPL-3.0-or-later

package capability

import (
	"strings"
	"testing"

	"syd/conformance/report"
	"syd/fixtures"
)

func TestAtLeast(t *testing.T) {
	for _, c := range []struct {
		release, least string
		want           bool
	}{
		{"6.1.0-18-amd64", "5.19", true}, {"5.9.1", "5.10", false}, {"5.10.0", "5.10", true}, {"6.18.44-x", "6.9", true},
		{"4.19", "5.0", false}, {"5.10-rc1", "5.10", true}, {"odd", "5.0", false},
	} {
		if got := AtLeast(c.release, c.least); got != c.want {
			t.Errorf("AtLeast(%s, %s) = %v", c.release, c.least, got)
		}
	}
}

func TestValidate(t *testing.T) {
	full := report.Record{Capability: "pidfd_open", Required: "Linux 5.3", Observed: "ENOSYS", Probe: "pidfd_open"}
	for _, c := range []struct {
		name    string
		record  report.Record
		release string
		words   string
	}{
		{"an old kernel", full, "5.2.0", ""},
		{"a new kernel", full, "5.3.0", "missing although"},
		{"no table row", report.Record{Capability: "magic", Required: "x", Observed: "x", Probe: "x"}, "5.0", "not in the table"},
		{"no evidence", report.Record{Capability: "pidfd_open", Required: "Linux 5.3"}, "5.2.0", "incomplete"},
		{"a privilege", report.Record{Capability: "root", Required: "user ID 0", Observed: "1000", Probe: "geteuid"}, "6.18", ""},
	} {
		got := Validate(c.record, c.release)
		if (c.words == "") != (got == "") || !strings.Contains(got, c.words) {
			t.Errorf("%s: %q, want %q", c.name, got, c.words)
		}
	}
}

// TestTable asks everything, and holds what the kernel's age promises against
// the probes.
func TestTable(t *testing.T) {
	dir := t.TempDir()
	if err := fixtures.Extract(dir); err != nil {
		t.Fatal(err)
	}
	FixtureDir = dir
	seen := map[string]bool{}
	for _, c := range Table {
		if seen[c.Name] || c.Linux == "" && c.Optional == "" {
			t.Errorf("row %s is there twice or needs nothing", c.Name)
		}
		seen[c.Name] = true
		answer, err := Ask(c.Name)
		if err != nil || answer.Evidence == "" {
			t.Errorf("%s: %+v %v", c.Name, answer, err)
		}
		if c.Optional == "" && answer.OK != AtLeast(Release(), c.Linux) {
			t.Errorf("%s: the probe says %v on Linux %s (%s), needs %s", c.Name, answer.OK, Release(), answer.Evidence, c.Linux)
		}
	}
	if _, err := Ask("magic"); err == nil {
		t.Error("an unknown capability is asked for without an error")
	}
}

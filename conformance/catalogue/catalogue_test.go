// SPDX-License-Identifier: GPL-3.0-or-later

package catalogue

import (
	"slices"
	"strings"
	"testing"
)

func TestClauses(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Clauses {
		if seen[c.ID] {
			t.Errorf("%s is there twice", c.ID)
		}
		seen[c.ID] = true
		if !slices.Contains([]Level{Must, Should, May}, c.Level) || !slices.Contains([]Origin{Seed, Syd, Ours, SeedOurs}, c.Origin) || !strings.HasSuffix(c.Text, ".") {
			t.Errorf("%+v", c)
		}
	}
	// In scope: LCH 17, TRC 20, EVT 19 (less EXE-05 and SIG-05), CAC 3, CNF 25,
	// CKE 5, PRC 6, HRD-13, CFG 9, PTH 9, LOG 3.
	if len(Clauses) != 138 || seen["EVT-EXE-05"] || seen["EVT-SIG-05"] {
		t.Errorf("%d clauses", len(Clauses))
	}
}

func TestClauseOf(t *testing.T) {
	for id, want := range map[string]string{"LCH-01.2": "LCH-01", "EVT-SIG-01.10": "EVT-SIG-01", "LCH-01": "", "LCH-01.": "", "LCH-01.x": ""} {
		clause, err := ClauseOf(id)
		if (err == nil) != (want != "") || err == nil && clause != want {
			t.Errorf("%s: %q %v", id, clause, err)
		}
	}
}

func TestCheck(t *testing.T) {
	clauses, divergences := Clauses, Divergences
	defer func() { Clauses, Divergences = clauses, divergences }()
	Clauses = []Clause{{ID: "LCH-01"}, {ID: "LCH-02"}}
	Divergences = []Divergence{{Spec: "LCH-09.9"}}
	specs := []Spec{
		{ID: "LCH-01.1", Clauses: []string{"LCH-01"}},
		{ID: "LCH-01.1", Clauses: []string{"LCH-01", "LCH-77"}},
	}
	problems := strings.Join(Check(specs, 1), "\n")
	for _, words := range []string{"LCH-01.1 is declared twice", "no clause LCH-77", "LCH-02 has 0 specs, needs 1", "no spec LCH-09.9"} {
		if !strings.Contains(problems, words) {
			t.Errorf("no %q in:\n%s", words, problems)
		}
	}
	Divergences = nil
	if problems := Check(specs[:1], 0); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}

func TestOurs(t *testing.T) {
	for _, c := range []struct {
		clauses []string
		want    bool
	}{{[]string{"LCH-10"}, true}, {[]string{"LCH-01"}, false}, {[]string{"LCH-10", "LCH-01"}, false}, {[]string{"LCH-10", "TRC-11"}, true}} {
		if got := (Spec{Clauses: c.clauses}).Ours(); got != c.want {
			t.Errorf("%v: %v", c.clauses, got)
		}
	}
}

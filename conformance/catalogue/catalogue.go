// SPDX-License-Identifier: GPL-3.0-or-later

// Package catalogue is the list of what a build of syd must do: clauses, the
// specs that cover them, and the divergences that are known and accepted.
package catalogue

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// Level says how binding a clause is.
type Level string

// Origin says where a clause comes from. A foreign build is not blamed for
// clauses whose origin contains "ours".
type Origin string

const (
	Must   Level = "must"
	Should Level = "should"
	May    Level = "may"

	Seed     Origin = "seed"
	Syd      Origin = "syd"
	Ours     Origin = "ours"
	SeedOurs Origin = "seed/ours"
)

// A Clause is one fact that a black-box program can observe.
type Clause struct {
	ID     string `json:"id"`
	Level  Level  `json:"level"`
	Origin Origin `json:"origin"`
	Text   string `json:"text"`
}

// Ours says whether the clause is a decision of this project's own.
func (c Clause) Ours() bool { return strings.Contains(string(c.Origin), string(Ours)) }

// A Divergence is an accepted difference: the spec named is expected to fail
// (verdict xfail), and to pass is news (xpass).
type Divergence struct {
	Spec   string `json:"spec"`
	Reason string `json:"reason"`
}

// A Spec is one sentence about one fact, as declared.
type Spec struct {
	ID       string        `json:"id"`
	Subject  string        `json:"subject"`
	Text     string        `json:"text"`
	Clauses  []string      `json:"clauses"`
	Labels   []string      `json:"labels"`
	Bound    time.Duration `json:"-"`
	Alone    bool          `json:"alone"`
	Requires []string      `json:"requires,omitempty"`
	Location string        `json:"location"`
}

// Sentence is the spec's subject and text, as read aloud.
func (s Spec) Sentence() string { return strings.TrimSpace(s.Subject + " " + s.Text) }

// Family is the first clause's family: EVT-SIG of EVT-SIG-01.
func (s Spec) Family() string { return Family(s.Clauses[0]) }

// Has says whether the spec bears the label.
func (s Spec) Has(label string) bool { return slices.Contains(s.Labels, label) }

// Ours says whether all the spec's clauses are this project's own decisions.
func (s Spec) Ours() bool {
	return !slices.ContainsFunc(s.Clauses, func(id string) bool {
		c, ok := Find(id)
		return !ok || !c.Ours()
	})
}

// Family is a clause ID less its number.
func Family(clause string) string {
	if i := strings.LastIndexByte(clause, '-'); i > 0 {
		return clause[:i]
	}
	return clause
}

// ClauseOf is the clause that a spec ID names: LCH-01 of LCH-01.2.
func ClauseOf(spec string) (string, error) {
	clause, number, ok := strings.Cut(spec, ".")
	if !ok || number == "" || strings.Trim(number, "0123456789") != "" {
		return "", fmt.Errorf("spec %q: an ID is CLAUSE.NUMBER, such as LCH-01.2", spec)
	}
	return clause, nil
}

// Find returns the clause with the ID.
func Find(id string) (Clause, bool) {
	i := slices.IndexFunc(Clauses, func(c Clause) bool { return c.ID == id })
	if i < 0 {
		return Clause{}, false
	}
	return Clauses[i], true
}

// FindDivergence returns the known divergence of a spec.
func FindDivergence(spec string) (Divergence, bool) {
	i := slices.IndexFunc(Divergences, func(d Divergence) bool { return d.Spec == spec })
	if i < 0 {
		return Divergence{}, false
	}
	return Divergences[i], true
}

// Matches says whether one of the spec's clauses matches the shell pattern.
func (s Spec) Matches(pattern string) bool {
	return slices.ContainsFunc(s.Clauses, func(id string) bool {
		ok, err := path.Match(pattern, id)
		return err == nil && ok
	})
}

// Check returns what is wrong with these specs, one line each: a clause that no
// spec covers enough times, an unknown clause, an ID used twice.
func Check(specs []Spec, leastPerClause int) []string {
	var problems []string
	count := map[string]int{}
	seen := map[string]Spec{}
	for _, s := range specs {
		if first, twice := seen[s.ID]; twice {
			problems = append(problems, fmt.Sprintf("spec %s is declared twice: %s and %s", s.ID, first.Location, s.Location))
		}
		seen[s.ID] = s
		for _, id := range s.Clauses {
			if _, ok := Find(id); !ok {
				problems = append(problems, fmt.Sprintf("spec %s (%s): there is no clause %s", s.ID, s.Location, id))
			}
			count[id]++
		}
	}
	for _, c := range Clauses {
		if count[c.ID] < leastPerClause {
			problems = append(problems, fmt.Sprintf("clause %s has %d specs, needs %d", c.ID, count[c.ID], leastPerClause))
		}
	}
	for _, d := range Divergences {
		if _, ok := seen[d.Spec]; !ok && len(specs) > 0 {
			problems = append(problems, fmt.Sprintf("divergence: there is no spec %s", d.Spec))
		}
	}
	return problems
}

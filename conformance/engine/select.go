// SPDX-License-Identifier: GPL-3.0-or-later

package engine

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/onsi/ginkgo/v2/types"

	"syd/conformance/catalogue"
	"syd/conformance/harness"
	"syd/conformance/report"
)

// A Selection is which specs run: all conditions hold.
type Selection struct {
	Label  string // an expression of Ginkgo's label filters
	Clause string // a shell pattern on clause IDs
	ID     string // shell patterns on spec IDs, split at commas: one matches
	Smoke  bool
	Slow   bool // without it, specs labelled slow are left out
	Shard  int  // 1..Shards
	Shards int  // 0: all
}

// Check says what is wrong with the expressions.
func (s Selection) Check() error {
	if _, err := s.labels(); err != nil {
		return err
	}
	if _, err := path.Match(s.Clause, ""); err != nil {
		return fmt.Errorf("--clause %q: %w", s.Clause, err)
	}
	for pattern := range strings.SplitSeq(s.ID, ",") {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("--id %q: %w", pattern, err)
		}
	}
	return nil
}

func (s Selection) labels() (func([]string) bool, error) {
	if s.Label == "" {
		return func([]string) bool { return true }, nil
	}
	filter, err := types.ParseLabelFilter(s.Label)
	if err != nil {
		return nil, fmt.Errorf("--label %q is no label expression, such as 'LCH && !smoke'", s.Label)
	}
	return filter, nil
}

// choose returns the positions of the chosen specs, in order.
func (s Selection) choose(specs []catalogue.Spec) ([]int, error) {
	matches, err := s.labels()
	if err != nil {
		return nil, err
	}
	var chosen []int
	for i, spec := range specs {
		if spec.Has(harness.LabelSlow) && !s.Slow || s.Smoke && !spec.Has(harness.LabelSmoke) {
			continue
		}
		if s.Clause != "" && !spec.Matches(s.Clause) {
			continue
		}
		if s.ID != "" && !s.named(spec.ID) {
			continue
		}
		if matches(spec.Labels) {
			chosen = append(chosen, i)
		}
	}
	return s.cut(specs, chosen), nil
}

func (s Selection) named(id string) bool {
	for pattern := range strings.SplitSeq(s.ID, ",") {
		if ok, _ := path.Match(pattern, id); ok {
			return true
		}
	}
	return false
}

// cut takes this shard's part. Shards are dealt by ID, whatever the seed.
func (s Selection) cut(specs []catalogue.Spec, chosen []int) []int {
	if s.Shards == 0 {
		return chosen
	}
	byID := slices.Clone(chosen)
	slices.SortFunc(byID, func(a, b int) int { return report.CompareIDs(specs[a].ID, specs[b].ID) })
	var mine []int
	for i, position := range byID {
		if i%s.Shards == s.Shard-1 {
			mine = append(mine, position)
		}
	}
	slices.Sort(mine)
	return mine
}

func (s Selection) shard() string {
	if s.Shards == 0 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Shard, s.Shards)
}

// Plan is the specs that a run of this selection plans, disabled ones too.
func (s Selection) Plan() ([]catalogue.Spec, error) {
	all, problems := harness.Plan(1)
	if len(problems) > 0 {
		return nil, fmt.Errorf("the specs are declared wrongly:\n%s", strings.Join(problems, "\n"))
	}
	var planned []catalogue.Spec
	order, disabled := split(all)
	for _, specs := range [][]catalogue.Spec{order, disabled} {
		chosen, err := s.choose(specs)
		if err != nil {
			return nil, err
		}
		for _, position := range chosen {
			planned = append(planned, specs[position])
		}
	}
	return planned, nil
}

// String is the selection as flags.
func (s Selection) String() string { return strings.Join(s.Args(), " ") }

// Args is the selection as arguments, but for the shard.
func (s Selection) Args() []string {
	var words []string
	for _, f := range []struct{ flag, value string }{{"--label", s.Label}, {"--clause", s.Clause}, {"--id", s.ID}} {
		if f.value != "" {
			words = append(words, f.flag, f.value)
		}
	}
	if s.Smoke {
		words = append(words, "--smoke")
	}
	if s.Slow {
		words = append(words, "--slow")
	}
	return words
}

// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "slices"

// draft is a policy while its commands are carried out.
type draft struct {
	p     *Policy // its rules are in rules
	rules [numCategories]ruleList
}

func newDraft() *draft { return &draft{p: closedByDefault()} }

// policy ends the draft.
func (d *draft) policy() *Policy {
	for c := range d.rules {
		d.p.rules[c] = slices.DeleteFunc(d.rules[c].rules, func(r Rule) bool { return r.Action == 0 })
	}
	return d.p
}

// ruleList is a category's rules. A removed one leaves a gap, an invalid rule, so
// that removing takes the same time however many there are.
type ruleList struct {
	rules []Rule
	equal map[ruleKey][]int // where equal rules are, in order
}

type ruleKey struct {
	action Action
	text   string
}

func (l *ruleList) edit(op byte, r Rule) {
	key := ruleKey{r.Action, r.Pattern.text}
	at := l.equal[key]
	switch {
	case op == '+':
		if l.equal == nil {
			l.equal = map[ruleKey][]int{}
		}
		l.equal[key] = append(at, len(l.rules))
		l.rules = append(l.rules, r)
		return
	case op == '-' && len(at) > 0:
		l.rules[at[len(at)-1]] = Rule{}
		l.equal[key] = at[:len(at)-1]
	case op == '^':
		for _, i := range at {
			l.rules[i] = Rule{}
		}
		delete(l.equal, key)
	}
}

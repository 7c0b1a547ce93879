// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "slices"

// draft is a policy while its commands are carried out.
type draft struct {
	p *Policy // but for its rules
	// rules has gaps where some were removed: rules of no category. So removing
	// takes the same time however many there are.
	rules   []rule
	changed bool // the rules
	removed int  // removals up to now
	// equal finds equal rules, once there are many removals.
	equal map[ruleKey]*newest
	links []link
}

// fewRemovals are done without equal: a single edit needs none.
const fewRemovals = 8

type ruleKey struct {
	action Action
	text   string
}

// newest leads to the last rule of each category among equal ones: an index into
// links plus 1.
type newest [appendList + 1]int32

// link is a rule in such a list: an index into rules, and the node below.
type link struct{ rule, below int32 }

func newDraft() *draft { return &draft{p: closedByDefault()} }

// draftOf is p to be changed.
func draftOf(p *Policy) *draft {
	q := *p
	return &draft{p: &q, rules: slices.Clone(p.rules.list)}
}

// policy ends the draft. Rules that are as they were keep their index.
func (d *draft) policy() *Policy {
	if d.changed {
		d.p.rules = newRules(d.rules, d.p.rules)
	}
	return d.p
}

// add adds a rule.
func (d *draft) add(r rule) {
	d.changed = true
	d.rules = append(d.rules, r)
	if d.equal != nil {
		d.find(len(d.rules) - 1)
	}
}

// find makes rule i one that can be removed.
func (d *draft) find(i int) {
	r := d.rules[i]
	key := ruleKey{r.action, r.pattern.text}
	list := d.equal[key]
	if list == nil {
		list = new(newest)
		d.equal[key] = list
	}
	for c := range r.of.each {
		d.links = append(d.links, link{int32(i), list[c]})
		list[c] = int32(len(d.links))
	}
}

// remove removes the newest equal rule of each category in of, or all of them.
func (d *draft) remove(of categories, a Action, pattern string, all bool) {
	if d.removed++; d.removed <= fewRemovals {
		d.scan(of, a, pattern, all)
		return
	}
	if d.equal == nil {
		d.equal = map[ruleKey]*newest{}
		for i := range d.rules {
			d.find(i)
		}
	}
	list := d.equal[ruleKey{a, pattern}]
	if list == nil {
		return
	}
	for c := range of.each {
		for list[c] != 0 {
			n := d.links[list[c]-1]
			d.rules[n.rule].of &^= 1 << c
			d.changed = true
			if list[c] = n.below; !all {
				break
			}
		}
	}
}

// scan is remove, along the list.
func (d *draft) scan(of categories, a Action, pattern string, all bool) {
	for i := len(d.rules) - 1; i >= 0 && of != 0; i-- {
		r := &d.rules[i]
		if gone := r.of & of; gone != 0 && r.action == a && r.pattern.text == pattern {
			r.of &^= gone
			d.changed = true
			if !all {
				of &^= gone
			}
		}
	}
}

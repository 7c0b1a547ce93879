// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "slices"

// draft is a policy while its commands are carried out.
type draft struct {
	p *Policy // but for its rules
	// rules has gaps where some were removed: rules of no category. So removing
	// takes the same time however many there are.
	rules []rule
	// equal finds equal rules, from the first removal on.
	equal map[ruleKey]*newest
	links []link
}

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

// policy ends the draft.
func (d *draft) policy() *Policy {
	d.p.rules = &ruleList{list: slices.DeleteFunc(d.rules, func(r rule) bool { return r.of == 0 })}
	return d.p
}

// add adds a rule.
func (d *draft) add(r rule) {
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

// remove removes the newest rule of c that is equal, or all of them.
func (d *draft) remove(c Category, a Action, pattern string, all bool) {
	if d.equal == nil {
		d.equal = map[ruleKey]*newest{}
		for i := range d.rules {
			d.find(i)
		}
	}
	list := d.equal[ruleKey{a, pattern}]
	for list != nil && list[c] != 0 {
		n := d.links[list[c]-1]
		d.rules[n.rule].of &^= 1 << c
		list[c] = n.below
		if !all {
			return
		}
	}
}

// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "slices"

// rule is one rule, for all of its categories.
type rule struct {
	of      categories
	action  Action
	pattern *Pattern
}

func (r rule) String() string {
	head := r.action.String() + "/" + r.of.names()
	if r.of&everything == 0 {
		head = r.of.names()
	}
	return head + "+" + r.pattern.text
}

// ruleList is the rules of a policy. It is immutable. Where one was removed there
// is a gap, a rule of no category, so that an edited list can keep its index.
type ruleList struct {
	list    []rule
	of      categories // that have any rule
	index   *index     // of the first rules
	indexed int
}

// maxTail bounds the rules behind those that the index knows.
const maxTail = 32

// newRules makes a list that may be one edit away from old.
func newRules(list []rule, old *ruleList) *ruleList {
	l := &ruleList{list: list, index: old.index, indexed: old.indexed}
	gaps := 0
	for _, r := range list {
		l.of |= r.of
		if r.of == 0 {
			gaps++
		}
	}
	if l.index == nil || len(list)-l.indexed > maxTail || gaps > maxTail+len(list)/2 {
		l.list = slices.DeleteFunc(list, func(r rule) bool { return r.of == 0 })
		l.index, l.indexed = &index{}, len(l.list)
	}
	return l
}

// last is the action of the last rule of c that matches path, 0 if there is none.
func (l *ruleList) last(c Category, path string) Action {
	if !l.of.has(c) {
		return 0
	}
	for i := len(l.list) - 1; i >= l.indexed; i-- {
		if r := &l.list[i]; r.of.has(c) && r.pattern.Match(path) {
			return r.action
		}
	}
	l.index.once.Do(func() { l.index.build(l.list[:l.indexed]) })
	if at := l.index.find(l.list, c, path); at != 0 {
		return l.list[at-1].action
	}
	return 0
}

// all yields the rules, without the gaps.
func (l *ruleList) all(yield func(rule) bool) {
	for _, r := range l.list {
		if r.of != 0 && !yield(r) {
			return
		}
	}
}

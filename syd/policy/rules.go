// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "sync"

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

// ruleList is the rules of a policy. It is immutable; what finds them is made
// when the first path is asked about.
type ruleList struct {
	list  []rule
	once  sync.Once
	index index
}

// last is the action of the last rule of c that matches path, 0 if there is none.
func (l *ruleList) last(c Category, path string) Action {
	l.once.Do(func() { l.index.build(l.list) })
	if !l.index.of.has(c) {
		return 0
	}
	if at := l.index.find(c, path); at != 0 {
		return l.list[at-1].action
	}
	return 0
}

// of is the categories that have any rule.
func (l *ruleList) of() categories {
	l.once.Do(func() { l.index.build(l.list) })
	return l.index.of
}

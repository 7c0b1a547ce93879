// SPDX-License-Identifier: GPL-3.0-or-later

package policy

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

// ruleList is the rules of a policy. It is immutable.
type ruleList struct {
	list []rule
}

// last is the action of the last rule of c that matches path, 0 if there is none.
func (l *ruleList) last(c Category, path string) Action {
	return lastOf(l.list, c, path)
}

// of is the categories that have any rule.
func (l *ruleList) of() categories {
	var of categories
	for _, r := range l.list {
		of |= r.of
	}
	return of
}

// lastOf walks the list.
func lastOf(list []rule, c Category, path string) Action {
	for i := len(list) - 1; i >= 0; i-- {
		if r := list[i]; r.of.has(c) && r.pattern.Match(path) {
			return r.action
		}
	}
	return 0
}

// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"slices"
	"strconv"
	"strings"
)

const (
	anyCommand = "a command: key:value, list+value, reset, include FILE or include_profile NAME"
	knownKey   = "a command of this version (syd -h lists them)"
	idPair     = "SRC:DST, two numeric IDs"
)

// apply carries out one command.
func (d *draft) apply(s statement) *mistake {
	head, tail, _ := strings.Cut(s.key, "/")
	action, isAction := lookup(actionNames[:], head)
	list := transitions(d.p)[s.key]
	switch {
	case s.op == 0 || s.op == ' ':
		return &mistake{s.keyAt, anyCommand}
	case s.op == '?':
		return &mistake{s.at, "a command that changes something: a query can be asked of a running sandbox only"}
	case s.op == '!':
		return &mistake{s.keyAt, knownKey}
	case isAction && tail != "":
		return d.rule(Action(action), s)
	case s.key == "mask" || s.key == "append":
		return d.rule(Allow, s)
	case list != nil && s.op != ':':
		if expected := transit(list, s.op, s.arg); expected != "" {
			return &mistake{s.at, expected}
		}
		return nil
	case s.op != ':':
		return &mistake{s.keyAt, "an action (allow, deny ...), a slash and a category before `" + string(s.op) + "`"}
	case head == "sandbox" || head == "default":
		return d.each(s, head)
	}
	at := slices.IndexFunc(settings, func(set setting) bool { return set.key == s.key })
	if at < 0 {
		return &mistake{s.keyAt, knownKey}
	}
	if expected := settings[at].set(d.p, s.arg); expected != "" {
		return &mistake{s.at, expected}
	}
	return nil
}

// rule edits the list of rules.
func (d *draft) rule(a Action, s statement) *mistake {
	if s.op == ':' {
		return &mistake{s.at - 1, "`+`, `-` or `^` and a pattern"}
	}
	pattern, wrong := compilePattern(s.arg)
	if wrong != nil {
		return &mistake{s.at + wrong.at, wrong.expected}
	}
	sets, wrong := chosen(s, true)
	if wrong != nil {
		return wrong
	}
	// Each name counts: a rule that is named twice is two.
	var sum categories
	for _, set := range sets {
		if s.op != '+' {
			d.remove(set, a, pattern.text, s.op == '^')
			continue
		}
		if again := sum & set; again != 0 {
			d.add(rule{again, a, pattern})
		}
		sum |= set
	}
	if sum != 0 {
		d.add(rule{sum, a, pattern})
	}
	return nil
}

// each switches categories, or sets their defaults.
func (d *draft) each(s statement, head string) *mistake {
	sets, wrong := chosen(s, false)
	if wrong != nil {
		return wrong
	}
	var on bool
	var a Action
	expected := ""
	if head == "sandbox" {
		expected = setBool(&on, s.arg)
	} else {
		expected = setAction(&a, s.arg)
	}
	if expected != "" {
		return &mistake{s.at, expected}
	}
	for _, set := range sets {
		for c := range set.each {
			if head == "sandbox" {
				d.p.enabled.put(c, on)
			} else {
				d.p.defaults[c] = a
			}
		}
	}
	return nil
}

// chosen are the categories that a key names, in order. Only some have paths.
func chosen(s statement, ofPaths bool) ([]categories, *mistake) {
	switch s.key {
	case "mask":
		return []categories{1 << maskList}, nil
	case "append":
		return []categories{1 << appendList}, nil
	}
	var sets []categories
	head, list, _ := strings.Cut(s.key, "/")
	at := s.keyAt + len(head) + 1
	for name := range strings.SplitSeq(list, ",") {
		set, ok := named(name)
		switch at := min(at, s.keyAt+len(s.key)); {
		case !ok:
			return nil, &mistake{at, "a category of this version: " + strings.Join(categoryNames[1:NumCategories], ", ") + ", all"}
		case ofPaths && set&paths == 0:
			return nil, &mistake{at, "a category of paths"}
		}
		sets = append(sets, set)
		at += len(name) + 1
	}
	return sets, nil
}

func lookup(names []string, name string) (int, bool) {
	at := slices.Index(names[1:], name) + 1 // the first stands for no value
	return at, at > 0
}

func setBool(b *bool, value string) string {
	switch value {
	case "on", "1", "true", "t":
		*b = true
	case "off", "0", "false", "f":
		*b = false
	default:
		return "on or off"
	}
	return ""
}

func setAction(a *Action, value string) string {
	named, ok := lookup(actionNames[:], value)
	if !ok {
		return "an action: " + strings.Join(actionNames[1:], ", ")
	}
	*a = Action(named)
	return ""
}

// maxTransitions bounds a list: each is a rule of a filter.
const maxTransitions = 256

// transit edits a list of transitions: + adds SRC:DST, - removes it, ^ removes
// all of a source.
func transit(list *[]Transition, op byte, value string) string {
	source, target, pair := strings.Cut(value, ":")
	if pair != (op != '^') {
		if op == '^' {
			return "SRC, a numeric ID"
		}
		return idPair
	}
	var t Transition
	if !setID(&t.Source, source) || pair && !setID(&t.Target, target) {
		return idPair
	}
	kept := slices.DeleteFunc(slices.Clone(*list), func(old Transition) bool {
		return old == t || op == '^' && old.Source == t.Source
	})
	if op == '+' {
		switch {
		case slices.ContainsFunc(kept, func(old Transition) bool { return old.Source == t.Source }):
			return "a source that has no other transition"
		case len(kept) == maxTransitions:
			return "at most 256 transitions"
		}
		kept = append(kept, t)
	}
	*list = kept
	return ""
}

// setID takes all numbers but the last, which means none (setresuid(2)).
func setID(id *uint32, text string) bool {
	n, err := strconv.ParseUint(text, 10, 32)
	*id = uint32(n)
	return err == nil && *id != 1<<32-1
}

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
		return &mistake{s.at, "a command that changes something: a query can be asked of a running sandbox only, which comes with a later version"}
	case s.op == '!':
		return &mistake{s.keyAt, knownKey}
	case isAction && tail != "":
		return d.rule(Action(action), s)
	case list != nil && s.op != ':':
		if expected := transit(list, s.op, s.arg); expected != "" {
			return &mistake{s.at, expected}
		}
		return nil
	case s.op != ':':
		return &mistake{s.keyAt, "an action (allow, deny ...), a slash and a category before `" + string(s.op) + "`"}
	case head == "sandbox" || head == "default":
		return d.each(s, func(c Category) string {
			if head == "sandbox" {
				return setBool(&d.p.enabled[c], s.arg)
			}
			return setAction(&d.p.defaults[c], s.arg)
		})
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

// rule edits the rules of an action.
func (d *draft) rule(a Action, s statement) *mistake {
	if s.op == ':' {
		return &mistake{s.at - 1, "`+`, `-` or `^` and a pattern"}
	}
	pattern, wrong := compilePattern(s.arg)
	if wrong != nil {
		return &mistake{s.at + wrong.at, wrong.expected}
	}
	return d.each(s, func(c Category) string {
		d.rules[c].edit(s.op, Rule{a, pattern})
		return ""
	})
}

// each carries a command out for every category that its key names. What do
// expects instead is a matter of the command's argument.
func (d *draft) each(s statement, do func(Category) string) *mistake {
	head, names, _ := strings.Cut(s.key, "/")
	at := s.keyAt + len(head) + 1
	for name := range strings.SplitSeq(names, ",") {
		chosen, expected := categories(name, head != "sandbox" && head != "default")
		if expected != "" {
			return &mistake{min(at, s.keyAt+len(s.key)), expected}
		}
		for _, c := range chosen {
			if expected := do(c); expected != "" {
				return &mistake{s.at, expected}
			}
		}
		at += len(name) + 1
	}
	return nil
}

// categories are those that name means; only some have paths.
func categories(name string, paths bool) (chosen []Category, expected string) {
	if group, ok := groups[name]; ok {
		return group, ""
	}
	c, ok := lookup(categoryNames[:], name)
	switch {
	case !ok:
		return nil, "a category of this version: " + strings.Join(categoryNames[1:], ", ") + ", all"
	case paths && Category(c) == PID:
		return nil, "a category of paths"
	}
	return []Category{Category(c)}, ""
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

// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// What an edit of a running sandbox's policy may fail with, wrapped.
var (
	ErrSyntax  = errors.New("malformed command")
	ErrUnknown = errors.New("unknown command") // nothing of the language begins so
	ErrStartup = errors.New("to be said at the start")
	ErrRefused = errors.New("the lock refuses it")
)

// Intercepting is p for a sandbox in which the calls of set's categories are
// looked at: the others can't be switched on any more.
func (p *Policy) Intercepting(set func(Category) bool) *Policy {
	q := *p
	q.passed = 0
	for c := range everything.each {
		q.passed.put(c, !set(c))
	}
	return &q
}

// Edit is p with one command carried out, by somebody who may edit. p stays as
// it is; on an error there is no other.
func (p *Policy) Edit(command string) (*Policy, error) {
	e := editing{draft: draftOf(p)}
	return e.run("edit", slices.Values([]string{command}))
}

// Drop is Edit for somebody who may only give up what is allowed: denying rules
// are added, allowing ones removed, categories switched on, defaults made to
// deny, the lock closed further.
func (p *Policy) Drop(command string) (*Policy, error) {
	e := editing{draft: draftOf(p), drop: true}
	return e.run("edit", slices.Values([]string{command}))
}

// Load carries out all commands of a text, or none.
func (p *Policy) Load(text string) (*Policy, error) {
	if len(text) > maxText {
		return nil, &Error{"load", "", &refusal{ErrSyntax, "at most 2 MiB of configuration"}}
	}
	e := editing{draft: draftOf(p), text: true}
	return e.run("load", strings.SplitSeq(text, "\n"))
}

// refusal is why an edit was not carried out.
type refusal struct {
	kind     error
	expected string
}

func (r *refusal) Error() string {
	if r.expected == "" {
		return r.kind.Error()
	}
	return r.kind.Error() + ": expected " + r.expected
}
func (r *refusal) Unwrap() error { return r.kind }

// editing is an edit under way.
type editing struct {
	*draft
	drop bool // with Drop's rights
	text bool // lines may be empty, or comments
}

func (e editing) run(where string, lines iter.Seq[string]) (*Policy, error) {
	number := 0
	for line := range lines {
		number++
		if at, why := e.line(line); why != nil {
			column := utf8.RuneCountInString(line[:at]) + 1
			return nil, &Error{position(where, number, column), strings.TrimLeft(line, blanks), why}
		}
	}
	return e.policy(), nil
}

// line carries out one command. What stands in its way shows at a byte of it.
func (e editing) line(line string) (at int, why error) {
	if e.text && strings.Trim(line, blanks) == "" {
		return 0, nil
	}
	if e.p.lock > LockDrop || e.p.lock == LockDrop && !e.drop {
		return 0, ErrRefused
	}
	s, found, wrong := lex(line)
	switch {
	case wrong == nil && !found && e.text:
		return 0, nil
	case wrong == nil && !found:
		wrong = &mistake{0, anyCommand}
	case wrong == nil && s.op == ' ' && (s.key == "include" || s.key == "include_profile"):
		return s.keyAt, ErrStartup
	case wrong == nil && s.op == 0 && s.key == "reset":
		if e.drop {
			return s.keyAt, ErrRefused
		}
		e.reset()
		return 0, nil
	}
	on := e.p.enabled
	if wrong == nil {
		wrong = e.apply(s)
	}
	switch {
	case wrong != nil && s.key != "" && !known(s.key):
		return wrong.at, &refusal{ErrUnknown, wrong.expected}
	case wrong != nil:
		return wrong.at, &refusal{ErrSyntax, wrong.expected}
	case startup(s.key):
		return s.keyAt, ErrStartup
	case e.drop && !drops(s):
		return s.keyAt, ErrRefused
	case e.p.enabled&^on&e.p.passed != 0:
		return s.keyAt, ErrStartup
	}
	return 0, nil
}

// reset forgets what was said, but for what can be said at the start only and
// for the lock.
func (d *draft) reset() {
	fresh := closedByDefault()
	d.p.enabled = fresh.enabled&^d.p.passed | d.p.enabled&d.p.passed
	d.p.defaults, d.p.PIDMax = fresh.defaults, fresh.PIDMax
	d.rules, d.equal, d.links, d.changed = nil, nil, nil, true
	d.p.rules = fresh.rules
}

// known says whether any command has this key, whatever it says of it.
func known(key string) bool {
	head, _, _ := strings.Cut(key, "/")
	_, isAction := lookup(actionNames[:], head)
	return isAction || slices.Contains([]string{"sandbox", "default", "mask", "append", "setuid", "setgid", "include", "include_profile", "reset"}, head) ||
		slices.ContainsFunc(settings, func(set setting) bool { return set.key == key })
}

// startup says whether the key is one that only counts at the start.
func startup(key string) bool {
	return key == "setuid" || key == "setgid" ||
		slices.ContainsFunc(settings, func(set setting) bool { return set.key == key && !set.live })
}

// drops says whether s, which is in order, only takes away what is allowed.
func drops(s statement) bool {
	head, _, _ := strings.Cut(s.key, "/")
	var a Action
	var on bool
	switch {
	case head == "sandbox":
		return setBool(&on, s.arg) == "" && on
	case head == "default":
		return setAction(&a, s.arg) == "" && !a.Allows()
	case head == "lock":
		return s.arg == LockDrop.String() || s.arg == LockRead.String() || s.arg == LockOn.String()
	}
	named, isAction := lookup(actionNames[:], head)
	return isAction && (s.op == '+') != Action(named).Allows()
}

// IsQuery says whether command asks, and changes nothing.
func IsQuery(command string) bool {
	s, found, _ := lex(command)
	return found && s.op == '?'
}

// Query answers `sandbox/CATEGORIES?`, whether all of them are on, and KEY? of
// what is on or off.
func (p *Policy) Query(command string) (bool, error) {
	s, found, wrong := lex(command)
	head, _, _ := strings.Cut(s.key, "/")
	switch {
	case wrong == nil && found && !known(s.key) && s.key != "":
		return false, &Error{"query", command, ErrUnknown}
	case wrong != nil || !found || s.op != '?' || s.arg != "":
	case head == "sandbox":
		var sets []categories
		if sets, wrong = chosen(s, false); wrong != nil {
			break
		}
		on := true
		for _, set := range sets {
			on = on && p.enabled&set == set
		}
		return on, nil
	default:
		for _, set := range settings {
			if value := set.get(p); set.key == s.key && (value == "on" || value == "off") && set.key != "lock" {
				return value == "on", nil
			}
		}
	}
	return false, &Error{"query", command, &refusal{ErrSyntax, "sandbox/CATEGORIES? or what is on or off"}}
}

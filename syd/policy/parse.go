// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Command is one line of configuration and where it stands (`-m`, `FILE:3`).
type Command struct{ Where, Text string }

// Error is a command that was refused.
type Error struct{ Where, Text, Expected string }

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s: expected %s", e.Where, strconv.Quote(e.Text), e.Expected)
}

// Profiles are the built-in policies, in the language itself.
var Profiles = map[string][]string{
	"off": {
		"sandbox/exec,chdir,pid:off",
		"segvguard/expiry:0",
		"trace/allow_unsafe_env:on",
	},
}

// Parse builds the policy that commands, in order, make of the closed one.
func Parse(commands []Command) (*Policy, error) {
	p := closedByDefault()
	for _, c := range commands {
		if expected := p.apply(c.Text); expected != "" {
			return nil, &Error{c.Where, c.Text, expected}
		}
	}
	return p, nil
}

// Profile returns a built-in profile's commands; false for an unknown name.
func Profile(where, name string) ([]Command, bool) {
	lines, ok := Profiles[name]
	commands := make([]Command, len(lines))
	for i, text := range lines {
		commands[i] = Command{where, text}
	}
	return commands, ok
}

// apply carries out one command; it returns what was expected instead, or "".
func (p *Policy) apply(text string) (expected string) {
	at := strings.IndexAny(text, ":+-^")
	if at < 0 {
		return "key:value or list+value"
	}
	key, op, value := text[:at], text[at], text[at+1:]
	head, tail, _ := strings.Cut(key, "/")
	if action, ok := lookup(actionNames[:], head); ok && tail != "" {
		return p.rule(Action(action), tail, op, value)
	}
	if list, ok := p.transitions()[key]; ok && op != ':' {
		return transit(list, op, value)
	}
	if op != ':' {
		return "an action (allow, deny ...), a slash and a category before `" + string(op) + "`"
	}
	switch head {
	case "sandbox":
		return p.each(tail, func(c Category) string { return setBool(&p.enabled[c], value) })
	case "default":
		action, ok := lookup(actionNames[:], value)
		if !ok {
			return "an action: " + strings.Join(actionNames[1:], ", ")
		}
		return p.each(tail, func(c Category) string { p.defaults[c] = Action(action); return "" })
	}
	if on, ok := p.switches()[key]; ok {
		return setBool(on, value)
	}
	set, ok := p.settings()[key]
	if !ok {
		return "a command of this version (syd -h lists them)"
	}
	return set(value)
}

// settings are the commands that set one value.
func (p *Policy) settings() map[string]func(string) string {
	return map[string]func(string) string{
		"pid/max":              func(v string) string { return setInt(&p.PIDMax, v) },
		"segvguard/expiry":     func(v string) string { return setSeconds(&p.SegvGuard.Expiry, v) },
		"segvguard/suspension": func(v string) string { return setSeconds(&p.SegvGuard.Suspension, v) },
		"segvguard/maxcrashes": func(v string) string { return setInt(&p.SegvGuard.MaxCrashes, v) },
	}
}

// switches are the commands that turn one thing on or off.
func (p *Policy) switches() map[string]*bool {
	return map[string]*bool{
		"trace/exit_wait_all":                 &p.ExitWaitAll,
		"trace/allow_unsafe_env":              &p.AllowUnsafeEnv,
		"trace/allow_unsafe_exec_speculative": &p.Supervisor.AllowSpeculation,
		"trace/allow_unsafe_nocookie":         &p.Supervisor.AllowNoCookie,
		"trace/allow_unsafe_nomseal":          &p.Supervisor.AllowNoMseal,
		"trace/allow_safe_kcapi":              &p.Supervisor.AllowKcapi,
		"trace/allow_safe_setuid":             &p.Supervisor.AllowSetuid,
		"trace/allow_safe_setgid":             &p.Supervisor.AllowSetgid,
	}
}

// transitions are the lists of ID transitions.
func (p *Policy) transitions() map[string]*[]Transition {
	return map[string]*[]Transition{"setuid": &p.Supervisor.Setuid, "setgid": &p.Supervisor.Setgid}
}

// transit edits such a list: + adds SRC:DST, - removes it, ^ removes all of a source.
func transit(list *[]Transition, op byte, value string) string {
	const expected = "SRC:DST, two numeric IDs"
	source, target, pair := strings.Cut(value, ":")
	if pair != (op != '^') {
		if op == '^' {
			return "SRC, a numeric ID"
		}
		return expected
	}
	var t Transition
	if !setID(&t.Source, source) || pair && !setID(&t.Target, target) {
		return expected
	}
	kept := slices.DeleteFunc(slices.Clone(*list), func(old Transition) bool {
		return old == t || op == '^' && old.Source == t.Source
	})
	if op == '+' {
		if slices.ContainsFunc(kept, func(old Transition) bool { return old.Source == t.Source }) {
			return "a source that has no other transition"
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

func (p *Policy) rule(a Action, categories string, op byte, value string) string {
	if op == ':' {
		return "`+`, `-` or `^` and a pattern"
	}
	pattern, err := CompilePattern(value)
	if err != nil {
		return err.Error()
	}
	return p.each(categories, func(c Category) string {
		if c == PID {
			return "a category of paths"
		}
		list := p.rules[c]
		equal := func(r Rule) bool { return r.Action == a && r.Pattern.text == value }
		switch op {
		case '+':
			list = append(list, Rule{a, pattern})
		case '-':
			for i := len(list) - 1; i >= 0; i-- {
				if equal(list[i]) {
					list = append(list[:i:i], list[i+1:]...)
					break
				}
			}
		case '^':
			kept := list[:0:0]
			for _, r := range list {
				if !equal(r) {
					kept = append(kept, r)
				}
			}
			list = kept
		}
		p.rules[c] = list
		return ""
	})
}

func (p *Policy) each(categories string, do func(Category) string) string {
	for name := range strings.SplitSeq(categories, ",") {
		c, ok := lookup(categoryNames[:], name)
		if !ok {
			return "a category of this version: " + strings.Join(categoryNames[1:], ", ")
		}
		if expected := do(Category(c)); expected != "" {
			return expected
		}
	}
	return ""
}

func lookup(names []string, name string) (int, bool) {
	for i, n := range names {
		if i > 0 && n == name {
			return i, true
		}
	}
	return 0, false
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

func setInt(n *int, value string) string {
	parsed, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return "a whole number from 0 to 2147483647"
	}
	*n = int(parsed)
	return ""
}

func setSeconds(d *time.Duration, value string) string {
	var seconds int
	if expected := setInt(&seconds, value); expected != "" {
		return expected
	}
	*d = time.Duration(seconds) * time.Second
	return ""
}

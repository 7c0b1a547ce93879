// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	_ "embed" // state.schema.json
	"strings"
	"time"
)

// StateVersion is the version of State's schema. It changes when a reader of the
// old one would misread the new one.
const StateVersion = 1

// StateSchema is the JSON schema of State.
//
//go:embed state.schema.json
var StateSchema string

// State is a policy as a program in the sandbox may read it, as JSON.
type State struct {
	Version     int                      `json:"version"`
	Language    int                      `json:"language"` // the configuration's version
	Lock        string                   `json:"lock"`
	Observe     bool                     `json:"observe"` // denials are warnings
	Categories  map[string]CategoryState `json:"categories"`
	Rules       []RuleState              `json:"rules"` // the last that matches wins
	Mask        []string                 `json:"mask"`
	Append      []string                 `json:"append"`
	PID         PIDState                 `json:"pid"`
	SegvGuard   SegvGuardState           `json:"segvguard"`
	Trace       map[string]bool          `json:"trace"` // trace/NAME
	Transitions TransitionsState         `json:"transitions"`
}

// CategoryState is what is said about a category.
type CategoryState struct {
	Enabled bool   `json:"enabled"`
	Default string `json:"default"`
	// Intercepted: its calls are looked at; else it can't be switched on.
	Intercepted bool `json:"intercepted"`
}

// RuleState is one rule.
type RuleState struct {
	Action     string   `json:"action"`
	Categories []string `json:"categories"`
	Pattern    string   `json:"pattern"`
}

// PIDState bounds tasks; Max 0: no limit.
type PIDState struct {
	Max int `json:"max"`
}

// SegvGuardState is SegvGuard, in seconds.
type SegvGuardState struct {
	Expiry     int `json:"expiry"`
	Suspension int `json:"suspension"`
	MaxCrashes int `json:"maxcrashes"`
}

// TransitionsState is the changes of IDs that syd itself may make: source, target.
type TransitionsState struct {
	Setuid [][2]uint32 `json:"setuid"`
	Setgid [][2]uint32 `json:"setgid"`
}

// State is p's.
func (p *Policy) State() State {
	s := State{
		Version: StateVersion, Language: Language, Lock: p.lock.String(), Observe: p.observing,
		Categories: map[string]CategoryState{}, Trace: map[string]bool{},
		Rules: []RuleState{}, Mask: []string{}, Append: []string{},
		PID: PIDState{p.PIDMax},
		SegvGuard: SegvGuardState{
			int(p.SegvGuard.Expiry / time.Second), int(p.SegvGuard.Suspension / time.Second), p.SegvGuard.MaxCrashes,
		},
		Transitions: TransitionsState{pairs(p.Supervisor.Setuid), pairs(p.Supervisor.Setgid)},
	}
	for c := range everything.each {
		s.Categories[c.String()] = CategoryState{p.enabled.has(c), p.defaults[c].String(), !p.passed.has(c)}
	}
	for r := range p.rules.all {
		switch {
		case r.of.has(maskList):
			s.Mask = append(s.Mask, r.pattern.text)
		case r.of.has(appendList):
			s.Append = append(s.Append, r.pattern.text)
		default:
			s.Rules = append(s.Rules, RuleState{r.action.String(), r.of.list(), r.pattern.text})
		}
	}
	for _, set := range settings {
		if name, ok := strings.CutPrefix(set.key, "trace/"); ok {
			s.Trace[name] = set.get(p) == "on"
		}
	}
	return s
}

func pairs(list []Transition) [][2]uint32 {
	pairs := make([][2]uint32, len(list))
	for i, t := range list {
		pairs[i] = [2]uint32{t.Source, t.Target}
	}
	return pairs
}

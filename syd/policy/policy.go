// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "time"

// Action is what a rule or a default asks for.
type Action uint8

// The actions, in Syd's order. The zero value is invalid.
const (
	Allow  Action = iota + 1
	Warn          // allow, with a record
	Filter        // deny without a record
	Deny          // deny, with a record
	Panic         // deny, with a record; syd exits 127
	Stop          // deny, with a record; SIGSTOP to the process
	Abort         // deny, with a record; SIGABRT
	Kill          // deny, with a record; SIGKILL
	Exit          // syd exits with the errno of the denial
	numActions
)

var actionNames = [numActions]string{
	Allow: "allow", Warn: "warn", Filter: "filter", Deny: "deny", Panic: "panic",
	Stop: "stop", Abort: "abort", Kill: "kill", Exit: "exit",
}

func (a Action) String() string { return actionNames[a] }

// Allows says whether the action lets the thing happen.
func (a Action) Allows() bool { return a == Allow || a == Warn }

// Request is one thing to decide on.
type Request struct {
	Category Category
	// Path is absolute and resolved; empty for PID.
	Path string
	// Unnamed: no path leads to the file any more (unlinked, a memfd). No path
	// rule can speak of it, so nothing allows it while the category is on.
	Unnamed bool
}

// SegvGuard bounds how often an executable may crash; Expiry 0 turns it off.
type SegvGuard struct {
	Expiry, Suspension time.Duration
	MaxCrashes         int
}

// Policy is what a sandbox is held to. It is immutable: a change makes another.
// It is safe for any number of threads.
type Policy struct {
	enabled  categories
	defaults [NumCategories]Action
	rules    *ruleList
	lock     Lock

	expand    int        // variables in values, if it isn't 0
	passed    categories // whose calls are not looked at (Intercepting)
	observing bool       // denials are warnings

	// PIDMax is the number of tasks from which the PID category decides; 0: no limit.
	PIDMax int
	// ExitWaitAll: serve the sandbox until no tracee is left, not only the eldest.
	ExitWaitAll bool
	// AllowUnsafeEnv: pass on the environment as it is.
	AllowUnsafeEnv bool
	SegvGuard      SegvGuard
	Supervisor     Supervisor
}

// Supervisor is what the supervisor may do itself.
type Supervisor struct {
	// AllowSpeculation: no Speculative Store Bypass mitigation, for us and the tracees.
	AllowSpeculation bool
	// AllowNoCookie: system calls need no cookies.
	AllowNoCookie bool
	// AllowNoMseal: the page of the cookies is not sealed.
	AllowNoMseal bool
	// AllowKcapi: the kernel's crypto interface.
	AllowKcapi bool
	// AllowSetuid and AllowSetgid: the transitions below.
	AllowSetuid, AllowSetgid bool
	Setuid, Setgid           []Transition
}

// Transition is a change of a user or group ID.
type Transition struct{ Source, Target uint32 }

// closedByDefault is a policy that nobody said anything to: deny.
func closedByDefault() *Policy {
	p := &Policy{
		enabled: everything,
		rules:   &ruleList{},
		SegvGuard: SegvGuard{
			Expiry: 120 * time.Second, Suspension: 600 * time.Second, MaxCrashes: 5,
		},
	}
	for c := range everything.each {
		p.defaults[c] = Deny
	}
	p.defaults[PID] = Kill
	return p
}

// Enabled says whether c is decided on at all.
func (p *Policy) Enabled(c Category) bool { return p.enabled.has(c) }

// Judges says whether c is decided on and not every path is plainly allowed:
// whether its calls must be looked at. Files without a path, which no rule
// allows, may be executed and entered as others are: these two are always looked
// at while they are on.
func (p *Policy) Judges(c Category) bool {
	if !p.enabled.has(c) || c == Exec || c == Chdir {
		return p.enabled.has(c)
	}
	for i := len(p.rules.list) - 1; i >= 0; i-- {
		switch r := p.rules.list[i]; {
		case !r.of.has(c):
		case r.action != Allow:
			return true
		case r.pattern.all():
			return false
		}
	}
	return p.defaults[c] != Allow
}

// Decide answers r: Allow for a category that is off, else the last rule that
// matches, else the category's default.
func (p *Policy) Decide(r Request) Action {
	if !p.enabled.has(r.Category) {
		return Allow
	}
	a := p.defaults[r.Category]
	switch {
	case r.Unnamed && !p.observing:
		return closed(a)
	case r.Category != PID:
		if ruled := p.rules.last(r.Category, r.Path); ruled != 0 {
			a = ruled
		}
	}
	if p.observing && !a.Allows() {
		return Warn
	}
	return a
}

func closed(a Action) Action {
	if a.Allows() {
		return Deny
	}
	return a
}

// Masked says whether calls on path work on /dev/null instead.
func (p *Policy) Masked(path string) bool { return p.rules.last(maskList, path) != 0 }

// AppendOnly says whether path may be written at its end only.
func (p *Policy) AppendOnly(path string) bool { return p.rules.last(appendList, path) != 0 }

// HasMasks says whether any path is masked.
func (p *Policy) HasMasks() bool { return p.rules.of.has(maskList) }

// HasAppends says whether any path is append-only.
func (p *Policy) HasAppends() bool { return p.rules.of.has(appendList) }

// Observing returns p with every denial turned into a warning.
func (p *Policy) Observing() *Policy {
	o := *p
	o.observing = true
	return &o
}

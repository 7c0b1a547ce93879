// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import "time"

// Category is a kind of thing that a program does and a policy decides on.
type Category uint8

// The categories in force. The zero value is invalid.
const (
	Exec  Category = iota + 1 // executing a file
	Chdir                     // changing the working directory
	PID                       // one task more than pid/max
	numCategories
)

var categoryNames = [numCategories]string{Exec: "exec", Chdir: "chdir", PID: "pid"}

// groups are categories with a name of their own: all is every one of paths.
var groups = map[string][]Category{"all": {Exec, Chdir}}

func (c Category) String() string { return categoryNames[c] }

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

// Rule is one rule of a list.
type Rule struct {
	Action  Action
	Pattern Pattern
}

// SegvGuard bounds how often an executable may crash; Expiry 0 turns it off.
type SegvGuard struct {
	Expiry, Suspension time.Duration
	MaxCrashes         int
}

// Policy is what a sandbox is held to. It is immutable: a change makes another.
type Policy struct {
	enabled  [numCategories]bool
	defaults [numCategories]Action
	rules    [numCategories][]Rule

	observing bool // denials are warnings

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

// Enabled says whether c is decided on at all.
func (p *Policy) Enabled(c Category) bool { return p.enabled[c] }

// Decide answers r: Allow for a category that is off, else the last rule that
// matches, else the category's default.
func (p *Policy) Decide(r Request) Action {
	if !p.enabled[r.Category] {
		return Allow
	}
	if r.Unnamed && !p.observing {
		return closed(p.defaults[r.Category])
	}
	rules := p.rules[r.Category]
	for i := len(rules) - 1; i >= 0; i-- {
		if rules[i].Pattern.Match(r.Path) {
			return rules[i].Action
		}
	}
	return p.defaults[r.Category]
}

func closed(a Action) Action {
	if a.Allows() {
		return Deny
	}
	return a
}

// Observing returns p with every denial turned into a warning.
func (p *Policy) Observing() *Policy {
	o := *p
	o.observing = true
	for c := range o.rules {
		o.defaults[c] = observed(o.defaults[c])
		o.rules[c] = append([]Rule(nil), o.rules[c]...)
		for i := range o.rules[c] {
			o.rules[c][i].Action = observed(o.rules[c][i].Action)
		}
	}
	return &o
}

func observed(a Action) Action {
	if a > Warn {
		return Warn
	}
	return a
}

// closedByDefault is a policy that nobody said anything to: deny.
func closedByDefault() *Policy {
	return &Policy{
		enabled:  [numCategories]bool{Exec: true, Chdir: true, PID: true},
		defaults: [numCategories]Action{Exec: Deny, Chdir: Deny, PID: Kill},
		SegvGuard: SegvGuard{
			Expiry: 120 * time.Second, Suspension: 600 * time.Second, MaxCrashes: 5,
		},
	}
}

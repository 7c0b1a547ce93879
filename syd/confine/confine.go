// SPDX-License-Identifier: GPL-3.0-or-later

// Package confine is what the supervisor does to itself, so that who takes over
// one of its threads doesn't gain the machine.
//
// Threads share memory: the outer filter, which all of them are under, is the
// boundary. The narrower ones and the cookies raise the cost of what is left.
package confine

import (
	"fmt"
	"io"

	"syd/syd/filter"
	"syd/syd/kernel"
	"syd/syd/kernel/capability"
)

// Options are what the policy says about the supervisor itself.
type Options struct {
	filter.Options
	// LogFD is where records go.
	LogFD int
	// Speculation: leave the Speculative Store Bypass mitigation off.
	Speculation bool
	// Unsealed: leave the page of the cookies without mseal(2).
	Unsealed bool
}

// Plan is a confinement whose numbers are known: from here on each thread enters
// its own part.
type Plan struct {
	options  Options
	inputs   filter.Inputs
	programs map[filter.Role][]byte // to compile one takes calls that no filter allows; Enter fills them
}

// New makes the cookies and finds out the numbers that the filters need.
//
// Preconditions: the main goroutine, before any other is started, any eventfd
// opened and any guarded call made.
func New(o Options) (*Plan, error) {
	if !o.NoCookies {
		if err := kernel.MakeCookies(!o.Unsealed); err != nil {
			return nil, err
		}
	}
	capability.Cookies(kernel.GuardCapset.Cookies())
	event, err := kernel.RuntimeEventFD()
	if err != nil {
		return nil, err
	}
	p := &Plan{options: o, programs: map[filter.Role][]byte{}, inputs: filter.Inputs{
		PID: kernel.PID(), LogFD: o.LogFD, EventFD: event, DotDot: kernel.DotDot(),
	}}
	for _, r := range filter.Roles() {
		if r == filter.Receiver && !o.Emulate {
			continue
		}
		if p.programs[r], err = filter.Program(r, o.Options); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// Export writes a filter that is not loaded; see filter.Export.
func (p *Plan) Export(w io.Writer, name, format string, sandbox []filter.Rule) error {
	return filter.Export(w, name, format, sandbox, p.options.Options, p.inputs)
}

// Enter confines the process and then the calling thread, the tracer. listener is
// the descriptor of the tracees' filter.
//
// Preconditions: tracer thread; the eldest is seized and runs no program yet; all
// work of the start is done, and no other thread is confined.
func (p *Plan) Enter(listener int) error {
	p.inputs.Listener = listener
	for _, program := range p.programs {
		filter.Fill(program, p.inputs)
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"capabilities", p.dropCapabilities},
		{"process filter", func() error { return p.load(filter.Process, kernel.AllThreads) }},
		{"tracer filter", func() error { return p.load(filter.Tracer, 0) }},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("confine: %s: %w", step.name, err)
		}
	}
	return nil
}

// Thread puts the calling thread under its role's filter, on top of that of the
// process.
//
// Preconditions: Enter has returned; the goroutine is locked to its thread for
// good.
func (p *Plan) Thread(r filter.Role) error {
	if err := p.load(r, 0); err != nil {
		return fmt.Errorf("confine: %s filter: %w", r, err)
	}
	return nil
}

func (p *Plan) load(r filter.Role, flags kernel.FilterFlags) error {
	if p.options.Speculation {
		flags |= kernel.SpeculationAllowed
	}
	return kernel.LoadFilter(p.programs[r], flags)
}

func (p *Plan) dropCapabilities() error {
	var also []int
	if len(p.options.UIDs) > 0 {
		also = append(also, capability.SetUID)
	}
	if len(p.options.GIDs) > 0 {
		also = append(also, capability.SetGID)
	}
	return capability.Drop(also...)
}

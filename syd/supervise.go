// SPDX-License-Identifier: GPL-3.0-or-later

package syd

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"syd/syd/confine"
	"syd/syd/filter"
	"syd/syd/kernel"
	"syd/syd/kernel/capability"
)

// supervise runs f in a goroutine: the only way to start one. A panic in it
// ends the process, and with it, by EXITKILL, every tracee.
func supervise(f func()) {
	go func() {
		defer Recover()
		f()
	}()
}

// crew starts the threads that help the tracer. Each confines itself to its role
// before it does anything, and so not before the process is confined.
type crew struct {
	plan  *confine.Plan
	ready chan struct{} // closed when the process is confined, or never will be
	off   bool          // it never will be: the start failed
}

func newCrew(plan *confine.Plan) *crew { return &crew{plan: plan, ready: make(chan struct{})} }

// as starts goroutines that do the work of a role.
func (c *crew) as(r filter.Role) func(func()) {
	return func(f func()) {
		supervise(func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			if capability.Narrow() {
				c.as(r)(f)
				return
			}
			kernel.NameThread("syd_" + r.String())
			if <-c.ready; !c.off {
				if err := c.plan.Thread(r); err != nil {
					panic(err)
				}
			}
			f()
		})
	}
}

// receiver starts goroutines on threads that make calls for tracees. The first
// confine themselves; those that one of them starts are confined as it is.
func (c *crew) receiver(f func()) {
	confined := false
	select {
	case <-c.ready:
		confined = true
	default:
	}
	err := capability.Work(func() {
		defer Recover()
		runtime.LockOSThread()
		kernel.NameThread("syd_" + filter.Receiver.String())
		if <-c.ready; c.off {
			return
		}
		if !confined {
			if err := c.plan.Thread(filter.Receiver); err != nil {
				panic(err)
			}
		}
		f()
	})
	if err != nil {
		panic(err)
	}
}

// confine confines the process and the calling thread, and lets the crew go on.
//
// Preconditions: tracer thread.
func (c *crew) confine(listener int) error {
	if err := c.plan.Enter(listener); err != nil {
		return err
	}
	close(c.ready)
	return nil
}

// dismiss lets the crew go on when the start failed before confine.
func (c *crew) dismiss() {
	select {
	case <-c.ready:
	default:
		c.off = true
		close(c.ready)
	}
}

// Recover is to be deferred first in the goroutine of Run: a panic ends the
// sandbox with one line and status 127, never with a tracee left to itself.
func Recover() {
	if cause := recover(); cause != nil {
		fmt.Fprintf(os.Stderr, "syd: panic: %s\n", strings.ReplaceAll(fmt.Sprint(cause), "\n", " "))
		os.Exit(int(StatusFault))
	}
}

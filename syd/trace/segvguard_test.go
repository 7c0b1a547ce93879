// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"
	"testing"
	"time"

	"syd/syd/policy"
)

// clock is a clock that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time          { return c.at }
func (c *clock) advance(d time.Duration) { c.at = c.at.Add(d) }

func newGuard(maxCrashes int) (*segvGuard, *clock) {
	g := newSegvGuard(policy.SegvGuard{Expiry: 10 * time.Second, Suspension: 60 * time.Second, MaxCrashes: maxCrashes})
	c := &clock{at: time.Unix(1000, 0)}
	g.now = c.now
	return g, c
}

func TestSegvGuardIsOffAtExpiryZero(t *testing.T) {
	g := newSegvGuard(policy.SegvGuard{Suspension: time.Second, MaxCrashes: 1})
	if g != nil {
		t.Fatalf("got %+v", g)
	}
	if g.suspended("/bin/sh") {
		t.Error("no guard suspends")
	}
}

func TestSegvGuardSuspends(t *testing.T) {
	g, c := newGuard(3)
	for i := range 2 {
		if g.crashed("/a") || g.suspended("/a") {
			t.Fatalf("suspended at crash %d", i+1)
		}
		c.advance(time.Second)
	}
	if g.crashed("/b") {
		t.Error("one executable's crashes count for another")
	}
	if !g.crashed("/a") || !g.suspended("/a") {
		t.Error("not suspended at crash 3")
	}
	if g.suspended("/b") {
		t.Error("another executable is suspended")
	}
	if len(g.crashes["/a"]) != 0 {
		t.Error("the crashes that suspended it still count")
	}
	c.advance(60*time.Second - 1)
	if !g.suspended("/a") {
		t.Error("the suspension ended too soon")
	}
	c.advance(1)
	if g.suspended("/a") {
		t.Error("the suspension didn't end")
	}
	for i, suspends := range []bool{false, false, true} {
		if g.crashed("/a") != suspends {
			t.Errorf("crash %d after a suspension: counting doesn't begin anew", i+1)
		}
	}
}

func TestSegvGuardForgetsOldCrashes(t *testing.T) {
	g, c := newGuard(2)
	for i := range 5 {
		if g.crashed("/a") {
			t.Fatalf("suspended by crash %d, alone within the expiry", i+1)
		}
		c.advance(10 * time.Second)
	}
	g.crashed("/a")
	c.advance(10*time.Second - 1)
	if !g.crashed("/a") {
		t.Error("a crash was forgotten within the expiry")
	}
}

func TestSegvGuardExtendsASuspension(t *testing.T) {
	g, c := newGuard(1)
	g.crashed("/a")
	c.advance(59 * time.Second)
	g.crashed("/a") // one that ran already
	c.advance(59 * time.Second)
	if !g.suspended("/a") {
		t.Error("the later crash's suspension ended with the earlier one's")
	}
}

func TestSegvGuardWithoutATolerance(t *testing.T) {
	g, _ := newGuard(0)
	if !g.crashed("/a") || !g.suspended("/a") {
		t.Error("not suspended by the first crash")
	}
}

func TestDumpsCore(t *testing.T) {
	// signal(7), "Core" in the column of actions.
	want := map[syscall.Signal]bool{3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 11: true, 24: true, 25: true, 31: true}
	for s := syscall.Signal(0); s <= 64; s++ {
		if got := dumpsCore(s); got != want[s] {
			t.Errorf("signal %d: got %v", s, got)
		}
	}
}

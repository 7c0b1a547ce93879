// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"sync"
	"time"

	"syd/syd/policy"
)

// segvGuard suspends executables that crash too often: an attacker who guesses
// addresses needs many tries. nil: off. Its methods may be called from any thread.
type segvGuard struct {
	policy.SegvGuard
	mu      sync.Mutex
	now     func() time.Time
	crashes map[string][]time.Time // by path, the last MaxCrashes within Expiry
	until   map[string]time.Time   // suspended
}

func newSegvGuard(p policy.SegvGuard) *segvGuard {
	if p.Expiry == 0 {
		return nil
	}
	return &segvGuard{
		SegvGuard: p, now: time.Now,
		crashes: map[string][]time.Time{}, until: map[string]time.Time{},
	}
}

// crashed counts a crash of path and says whether that suspends it.
func (g *segvGuard) crashed(path string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	recent := g.crashes[path][:0]
	for _, at := range g.crashes[path] {
		if now.Sub(at) < g.Expiry {
			recent = append(recent, at)
		}
	}
	recent = append(recent, now)
	if len(recent) < g.MaxCrashes {
		g.crashes[path] = recent
		return false
	}
	delete(g.crashes, path)
	g.until[path] = now.Add(g.Suspension)
	return true
}

// suspended says whether path may not be executed now.
func (g *segvGuard) suspended(path string) bool {
	if g == nil {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.until[path]
	if ok && !g.now().Before(until) {
		delete(g.until, path)
		return false
	}
	return ok
}

// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"sync"
	"sync/atomic"

	"syd/syd/kernel"
	"syd/syd/policy"
)

// sandbox is what all threads that decide share. The policy is immutable: who
// decides takes the one in force, once for each call.
type sandbox struct {
	current atomic.Pointer[policy.Policy]
	edits   sync.Mutex      // held by who puts another policy in force, for no longer than that takes
	lessons *policy.Lessons // nil: nothing is learned

	eldest int
	// orphaned: the eldest was reaped. Its number means nobody from here on.
	orphaned atomic.Bool
	// wandered: somebody in the sandbox may have other credentials, another root or
	// other mounts than the eldest was started with.
	wandered atomic.Bool
	// ended: the sandbox is to end with status.
	ended    atomic.Bool
	status32 atomic.Int32
}

func newSandbox(p *policy.Policy, eldest int) *sandbox {
	s := &sandbox{eldest: eldest}
	s.current.Store(p)
	return s
}

// policy is the one in force.
func (s *sandbox) policy() *policy.Policy { return s.current.Load() }

// astray: the callers' view of files has to be asked for anew each time.
func (s *sandbox) astray() bool { return s.wandered.Load() }

// ofEldest says whether thread tid, which is alive, is one of the eldest process.
func (s *sandbox) ofEldest(tid int) bool {
	return !s.orphaned.Load() && kernel.InGroup(tid, s.eldest)
}

// edit puts another policy in force: what change makes of the current one. An
// error leaves that.
func (s *sandbox) edit(change func(*policy.Policy) (*policy.Policy, error)) error {
	s.edits.Lock()
	defer s.edits.Unlock()
	next, err := change(s.current.Load())
	if err == nil {
		s.current.Store(next)
	}
	return err
}

// lock puts a lock in force if the current one is from.
func (s *sandbox) lock(from, to policy.Lock) {
	s.edit(func(p *policy.Policy) (*policy.Policy, error) {
		if p.Lock() == from {
			return p.WithLock(to), nil
		}
		return p, nil
	})
}

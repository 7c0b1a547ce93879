// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

func enterChdir(t *Tracer, c call) resume {
	path, err := kernel.ReadString(c.TID, c.info.Args[0], kernel.PathMax)
	if err != nil {
		return t.fail(c, err)
	}
	o, err := kernel.View{TID: c.TID}.Resolve(path, kernel.Lookup{DirFD: kernel.AtFDCWD})
	return t.enterDirectory(c, o, err)
}

func enterFchdir(t *Tracer, c call) resume {
	o, err := kernel.View{TID: c.TID}.FileDescriptor(int(int32(c.info.Args[0])))
	return t.enterDirectory(c, o, err)
}

// enterDirectory judges o and, granted, waits for the end of the call: the
// kernel resolves again what was checked.
func (t *Tracer) enterDirectory(c call, o kernel.Object, err error) resume {
	if err != nil {
		return t.fail(c, err)
	}
	defer o.Close()
	r, granted := t.judge(c, o)
	if !granted {
		return r
	}
	t.cache.task(c.TID).pending = pending{row: c.row, want: o.Identity}
	return syscallExit
}

// exitChdir compares where the task is with what was checked. Threads share a
// working directory: another one's legitimate chdir at the same time is no
// attack, so a directory that the rules allow is right too.
func exitChdir(t *Tracer, c call) resume {
	if c.info.ReturnValue() < 0 {
		return cont
	}
	found, err := kernel.WorkingDirectory(c.TID)
	switch {
	case err == syscall.ESRCH, err == syscall.ENOENT:
		return kill // dying, or nowhere
	case err != nil:
		return t.fault(c.Event, "/proc/PID/cwd", err)
	}
	defer found.Close()
	if found.Identity == t.cache.task(c.TID).pending.want {
		return cont
	}
	action := t.policy.Decide(policy.Request{Category: policy.Chdir, Path: found.Path, Unnamed: found.Deleted})
	if action.Allows() {
		return cont
	}
	t.record(c.TID, policy.Kill, policy.Chdir, c.row.name, found)
	t.forbid(c.TID, found.Identity)
	return kill
}

// forbid kills whoever is in directory id: those that share the working
// directory of the process that raced its way there (CLONE_FS), and children
// that it made meanwhile, the unborn too.
func (t *Tracer) forbid(culprit int, id kernel.Identity) {
	kernel.Kill(culprit, syscall.SIGKILL)
	if t.forbidden == nil {
		t.forbidden = map[kernel.Identity]bool{}
	}
	t.forbidden[id] = true
	for tid := range t.cache.tasks {
		if t.inForbidden(tid) {
			kernel.Kill(tid, syscall.SIGKILL)
		}
	}
}

func (t *Tracer) inForbidden(tid int) bool {
	if len(t.forbidden) == 0 {
		return false
	}
	cwd, err := kernel.WorkingDirectory(tid)
	if err != nil {
		return false // it is dying
	}
	defer cwd.Close()
	return t.forbidden[cwd.Identity]
}

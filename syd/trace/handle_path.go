// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"fmt"
	"slices"
	"syscall"

	"syd/syd/kernel"
	"syd/syd/policy"
)

func enterChdir(t *Tracer, c call) resume {
	j := t.judge
	return t.ask(c.Event, func() answer {
		path, err := kernel.ReadString(c.TID, c.info.Args[0], kernel.PathMax)
		if err != nil {
			return fail(err)
		}
		o, err := kernel.View{TID: c.TID}.Resolve(path, kernel.Lookup{DirFD: kernel.AtFDCWD})
		return j.directory(c, o, err)
	}, denied)
}

func enterFchdir(t *Tracer, c call) resume {
	j := t.judge
	return t.ask(c.Event, func() answer {
		o, err := kernel.View{TID: c.TID}.FileDescriptor(int(int32(c.info.Args[0])))
		return j.directory(c, o, err)
	}, denied)
}

// directory judges o and, granted, has the end of the call awaited: the kernel
// resolves again what was checked.
func (j judge) directory(c call, o kernel.Object, err error) answer {
	if err != nil {
		return fail(err)
	}
	defer o.Close()
	a, granted := j.object(c, o)
	if granted {
		a.resume, a.pending = syscallExit, pending{row: c.row, want: o.Identity}
	}
	return a
}

// exitChdir has it looked at where a call that succeeded led to.
func exitChdir(t *Tracer, c call) resume {
	if c.info.ReturnValue() < 0 {
		return cont
	}
	j := t.judge
	return t.ask(c.Event, func() answer { return j.arrived(c) }, answer{resume: kill})
}

// arrived compares where the task is with what was checked. Threads share a
// working directory: another one's legitimate chdir at the same time is no
// attack, so a directory that the rules allow is right too.
func (j judge) arrived(c call) answer {
	found, err := kernel.WorkingDirectory(c.TID)
	switch {
	case c.Kind != ExitEvent && (err == syscall.ESRCH || err == syscall.ENOENT):
		return answer{resume: kill} // dying, which is looked at once more, or nowhere
	case err != nil:
		return answer{fault: fmt.Errorf("/proc/PID/cwd: %w", err)}
	}
	defer found.Close()
	if found.Identity == c.want {
		return answer{resume: cont}
	}
	return j.place(c.TID, c.row.name, found, cont)
}

// place judges a directory that tid is in already; allowed, the answer is otherwise.
func (j judge) place(tid int, sys string, found kernel.Object, otherwise resume) answer {
	action := j.policy().Decide(policy.Request{Category: policy.Chdir, Path: found.Path, Unnamed: found.Deleted})
	if action.Allows() {
		return answer{resume: otherwise}
	}
	j.record(tid, policy.Kill, policy.Chdir, sys, found)
	return answer{resume: kill, forbidden: &found.Identity}
}

// forbid kills whoever is in directory id: those that share the working
// directory of the process that raced its way there (CLONE_FS), and children
// that it made meanwhile, the unborn too.
func (t *Tracer) forbid(q *question, id kernel.Identity) {
	kernel.Kill(q.event.TID, syscall.SIGKILL)
	switch known := slices.Contains(t.forbidden, id); {
	case known && q.roaming:
		return // one of many that a search finds
	case !known:
		t.forbidden = append(t.forbidden[:len(t.forbidden):len(t.forbidden)], id) // workers have the former one
	}
	t.askAll(func(tid int) func() answer { return t.inForbidden(tid, none) })
}

// search looks for whoever is where nobody is to be. It is done when a task died in
// a chdir without an exit event. Mostly that came, and our word to make the call
// ended it, as the task was killed in that moment: the call wasn't made. But a
// second SIGKILL, to a thread that an exec or a core dump was ending, ends it too,
// or keeps it from coming (kernel/signal.c, complete_signal and ptrace_stop), and
// then it can't be known any more where the task led those that share its directory.
func (t *Tracer) search() {
	j := t.judge
	t.askAll(func(tid int) func() answer { return func() answer { return j.strays(tid) } })
}

// strays finds tid in a directory that the rules deny and that is not the eldest's
// first one.
func (j judge) strays(tid int) answer {
	found, err := kernel.WorkingDirectory(tid)
	if err != nil {
		return answer{} // it is dying
	}
	defer found.Close()
	if found.Identity == j.home {
		return answer{}
	}
	return j.place(tid, "chdir", found, none)
}

// askAll asks about all tasks, which go on meanwhile.
func (t *Tracer) askAll(about func(tid int) func() answer) {
	for tid, task := range t.cache.tasks {
		e := Event{TID: tid}
		q := &question{event: e, task: task, roaming: true, find: about(tid), lost: answer{resume: kill}}
		t.resume(e, t.post(q))
	}
}

// inForbidden asks whether tid is to be killed for where it is; if not, the
// answer is otherwise.
func (t *Tracer) inForbidden(tid int, otherwise resume) func() answer {
	forbidden := t.forbidden
	return func() answer {
		cwd, err := kernel.WorkingDirectory(tid)
		if err != nil {
			return answer{resume: otherwise} // it is dying
		}
		defer cwd.Close()
		if slices.Contains(forbidden, cwd.Identity) {
			return answer{resume: kill}
		}
		return answer{resume: otherwise}
	}
}

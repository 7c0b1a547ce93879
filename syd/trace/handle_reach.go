// SPDX-License-Identifier: GPL-3.0-or-later

package trace

import (
	"syscall"

	"syd/syd/filter"
	"syd/syd/kernel"
)

// A call that names a process by its number reaches the supervisor like any
// other of the same user. Signals, ptrace and all that asks the same permission
// end at its Landlock domain; the calls here ask for the user ID only, or, as
// root, for nothing. The numbers are judged as they stand in the registers of
// the stopped caller: nobody can change them any more.

// named are calls whose argument arg is the number of a thread; 0 is the caller.
func named(arg uint) []filter.Condition { return []filter.Condition{{Arg: arg, Differs: true}} }

// whoever are calls whose first argument says what the second is the number of:
// process has it name one thread, which is the caller for 0.
func whoever(process uint64) []filter.Condition {
	return []filter.Condition{{Arg: 0, Value: process, Differs: true}, {Arg: 1, Differs: true}}
}

// What setpriority(2) takes numbers of (uapi linux/resource.h); those of
// ioprio_set(2) are higher by ioprioBase (uapi linux/ioprio.h).
const (
	prioProcess = 0
	prioGroup   = 1
	prioUser    = 2
	ioprioBase  = 1
)

// perfCgroup has perf_event_open(2) take its pid for a descriptor.
const perfCgroup = 1 << 2

func enterNamed(t *Tracer, c call) resume { return t.spare(c, int(int32(c.info.Args[0]))) }

// enterPerf: CAP_PERFMON takes the place of the ptrace check.
func enterPerf(t *Tracer, c call) resume {
	if c.info.Args[4]&perfCgroup != 0 {
		return cont
	}
	return t.spare(c, int(int32(c.info.Args[1])))
}

func enterSetpriority(t *Tracer, c call) resume {
	return t.spareAll(c, int(int32(c.info.Args[0])), t.judge.ownUserOrOurs)
}

// enterIoprioSet: the user 0 is root, not the caller's (block/ioprio.c).
func enterIoprioSet(t *Tracer, c call) resume {
	return t.spareAll(c, int(int32(c.info.Args[0]))-ioprioBase, t.judge.userIsOurs)
}

// spare lets the call go on unless target is a thread of ours, which is not to
// be there for the caller.
func (t *Tracer) spare(c call, target int) resume {
	if !kernel.Ours(target) {
		return cont
	}
	return t.unless(c, syscall.ESRCH, numbersAsOurs)
}

// unless lets the call go on unless a worker finds that it reaches us, or can't
// find out: it fails with errno then.
func (t *Tracer) unless(c call, errno syscall.Errno, reaches func(tid int) bool) resume {
	fails := answer{resume: cont, errno: errno}
	return t.ask(c.Event, func() answer {
		if reaches(c.TID) {
			return fails
		}
		return answer{resume: cont}
	}, fails)
}

// spareAll does so for a call that may mean all threads of a group or user. It is
// denied as a whole if we are among them: it would re-nice the supervisor.
func (t *Tracer) spareAll(c call, which int, isOurs func(tid, user int) bool) resume {
	who := int(int32(c.info.Args[1]))
	switch which {
	case prioProcess:
		return t.spare(c, who)
	case prioGroup:
		if groupIsOurs(c.TID, who) {
			return t.unless(c, syscall.EACCES, func(tid int) bool { return who == 0 || numbersAsOurs(tid) })
		}
	case prioUser:
		return t.unless(c, syscall.EACCES, func(tid int) bool { return numbersAsOurs(tid) && isOurs(tid, who) })
	}
	return cont
}

// groupIsOurs, if the number means to the caller what it means to us; 0 is its
// own group, which has a number in its PID namespace or not.
func groupIsOurs(tid, group int) bool {
	ours, err := kernel.GroupOf(0)
	if group == 0 && err == nil {
		group, err = kernel.GroupOf(tid)
	}
	return err != nil || group == ours
}

// userIsOurs: user means, to tid, the user that we are. Of another user namespace
// we know no map.
func (j judge) userIsOurs(tid, user int) bool { return user == j.user || !kernel.OurUsers(tid) }

// ownUserOrOurs is userIsOurs for a call to which 0 is the caller's real user.
func (j judge) ownUserOrOurs(tid, user int) bool {
	if user != 0 {
		return j.userIsOurs(tid, user)
	}
	status, err := kernel.ReadStatus(tid)
	return err != nil || status.RealUID == j.user
}

// numbersAsOurs: tid sees us, for it is in our PID namespace. In one below no
// number is ours, and no call by user finds us (kernel/sys.c: task_pid_vnr).
func numbersAsOurs(tid int) bool {
	status, err := kernel.ReadStatus(tid)
	return err != nil || status.InnerTID == tid
}
